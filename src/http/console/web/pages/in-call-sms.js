// `/settings/in-call-sms`: six cards, each with its own Set (R14, R33-R38, R41, R42, R49, R54-R61).
import { html, nothing } from "../vendor/lit.js";
import { guard, query } from "../app/routes.js";
import { session } from "../app/session.js";
import { all } from "../live/api.js";
import { isPlusOne } from "../live/e164.js";
import { Form, same } from "../live/form.js";
import { live } from "../live/stream.js";
import { check, field, select, toggle } from "../parts/controls.js";
import { Loaded, Part } from "../parts/element.js";
import { setCard } from "../parts/set.js";
import { problemBar, refusal, skeleton, strange } from "../parts/small.js";
import { languageName, t } from "../words/words.js";

const LIMITS = ["max_wait_ms", "call_lease_minutes", "call_types", "retention_days", "media_retention_days", "default_language"];

class InCallSms extends Part {
  static properties = { closingIn: { state: true }, replyIn: { state: true } };

  constructor() {
    super();
    this.form = new Form("/v1/settings");
    this.form.addEventListener("change", () => this.requestUpdate());
    /** @type {Loaded<{ languages: Api.LanguageItem[], numbers: Api.Number[] }>} */
    this.around = new Loaded(this, async () => {
      const [languages, numbers] = await Promise.all([all("/v1/languages"), all("/v1/numbers")]);
      return { languages, numbers };
    });
    // A link from where a language lacks a text leads to it.
    this.closingIn = query("language");
    this.replyIn = query("language");
    /** The call types as they were typed. */
    this.typesText = "";
  }

  /** @override */
  connected() {
    void this.form.load();
    void this.around.again();
    this.unguard = guard(() => this.form.isDirty());
    this.hear(live, "reset", () => {
      void this.form.load();
      void this.around.again();
    });
    this.hear(live, "event", ({ detail }) => {
      if (detail.type !== "directory.changed") return;
      const { resource, by, etag } = detail.data;
      if (resource === "settings" || resource === "directory") void this.form.hear(by, etag);
      void this.around.again();
    });
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.unguard?.();
    this.form.stop();
  }

  /** @override */
  render() {
    const { form } = this;
    const head = html`<div class="head"><h1>${t("page.in_call_sms")}</h1></div>`;
    if (!form.base) return html`${head}${form.problem ? problemBar(form.problem, () => form.load()) : skeleton()}`;
    const readOnly = session.can("admin") ? nothing : html`<div class="bar">${t("read_only")}</div>`;
    return html`${head}${readOnly}<div
      class="cards">${this.mainSwitch()}${this.nonUs()}${this.sessionCard()}${this.texts("closing")}${this.texts("auto_reply")}${this.limits()}</div>`;
  }

  get off() {
    return !session.can("admin");
  }

  /** @param {string} title @param {string[]} paths @param {unknown} content */
  card(title, paths, content) {
    return setCard(this.form, { title, paths, content, canSet: session.can("admin") });
  }

  /** @param {string} path */
  set(path) {
    return (/** @type {unknown} */ value) => this.form.set(path, value);
  }

  mainSwitch() {
    const on = this.form.value("in_call_sms");
    return this.card(
      t("page.in_call_sms"),
      ["in_call_sms"],
      html`<p>${t("settings.switch_text")}</p>
      ${toggle({ label: t("page.in_call_sms"), on, change: this.set("in_call_sms"), disabled: this.off })}
      <p><a href="/numbers">${t("settings.numbers_link")}</a></p>`,
    );
  }

  nonUs() {
    const { form } = this;
    const foreign = this.around.data?.numbers.some(({ number }) => !isPlusOne(number));
    return this.card(
      t("settings.non_us"),
      ["non_us"],
      html`<p>${t("settings.non_us_text")}</p>
      ${toggle({
        label: t("settings.non_us_in_call"),
        on: form.value("non_us.in_call"),
        change: this.set("non_us.in_call"),
        disabled: this.off,
      })}
      ${toggle({
        label: t("settings.non_us_wait"),
        on: form.value("non_us.wait_time"),
        change: this.set("non_us.wait_time"),
        disabled: this.off,
      })}
      ${select({
        id: "non-us-rule",
        label: t("settings.rule"),
        value: form.value("non_us.rule"),
        disabled: this.off,
        options: [
          ["plus_one", t("settings.rule_plus_one")],
          ["strict_us", t("settings.rule_strict")],
        ],
        hint: foreign ? t("settings.rule_hint") : "",
        change: this.set("non_us.rule"),
      })}`,
    );
  }

  sessionCard() {
    const { form } = this;
    const only = form.value("presets_only");
    const counts = this.around.data?.languages ?? [];
    const presets = counts.reduce((sum, { presets }) => sum + presets, 0);
    return this.card(
      t("settings.session"),
      ["presets_only", "custom_messages"],
      html`<h3>${t("settings.admin_presets")}</h3>
      ${check({
        id: "presets-only",
        label: t("settings.presets_only"),
        checked: only,
        change: this.set("presets_only"),
        disabled: this.off,
      })}
      ${check({
        id: "custom",
        label: t("settings.custom"),
        checked: form.value("custom_messages"),
        change: this.set("custom_messages"),
        disabled: this.off,
        hint: only ? t("settings.custom_without_effect") : "",
      })}
      <p><a href="/presets">${t("settings.presets_link", {
        n: presets,
        languages: counts.filter(({ presets }) => presets > 0).length,
      })}</a></p>`,
    );
  }

  /** Languages that calls use or texts exist in. @param {"closing" | "auto_reply"} of */
  languages(of) {
    const codes = new Set([
      this.form.value("default_language"),
      ...Object.keys(this.form.base?.[of].texts ?? {}),
      ...(this.around.data?.languages ?? []).map(({ code }) => code),
    ]);
    return [...codes].filter(Boolean).sort();
  }

  /** Closing message and auto-reply, chosen per language. @param {"closing" | "auto_reply"} of */
  texts(of) {
    const { form } = this;
    const closing = of === "closing";
    const known = this.languages(of);
    const chosen = closing ? this.closingIn : this.replyIn;
    const language = known.includes(chosen) ? chosen : form.value("default_language");
    const path = `${of}.texts.${language}`;
    const text = form.value(path) ?? "";
    const missing = known.filter((code) => !form.value(`${of}.texts.${code}`));
    const options = known.map(
      (code) =>
        /** @type {[string, string]} */ ([
          code,
          `${languageName(code)}${missing.includes(code) ? ` (${t("settings.no_text")})` : ""}${form.isDirty([`${of}.texts.${code}`]) ? " •" : ""}`,
        ]),
    );
    return this.card(
      t(closing ? "settings.closing" : "settings.auto_reply"),
      [of],
      html`<p>${t(closing ? "settings.closing_text" : "settings.auto_reply_text")}</p>
      ${check({
        id: `${of}-on`,
        label: t(closing ? "settings.closing_on" : "settings.auto_reply_on"),
        checked: form.value(`${of}.enabled`),
        change: this.set(`${of}.enabled`),
        disabled: this.off,
      })}
      ${select({
        id: `${of}-language`,
        label: t("language"),
        value: language,
        options,
        change: (value) => (closing ? (this.closingIn = value) : (this.replyIn = value)),
      })}
      <off-textarea .fieldId=${`${of}-text`} .label=${t("settings.text_in", { language: languageName(language, "inside") })} .value=${text}
        .disabled=${this.off} .wrong=${refusal(form.wrong(path))}
        @write=${(/** @type {CustomEvent<string>} */ event) =>
          form.set(path, event.detail === "" ? undefined : event.detail)}></off-textarea>
      ${text ? html`<div><span class="meta">${t("preview")}</span><div class="m i" dir="auto">${strange(text)}</div></div>` : nothing}
      ${
        missing.length > 0 && form.value(`${of}.enabled`)
          ? html`<p
        class="meta warnc">${t("settings.missing_in", { languages: missing.map((code) => languageName(code, "inside")).join(", ") })}</p>`
          : nothing
      }
      ${closing ? nothing : this.replyLimits()}`,
    );
  }

  replyLimits() {
    const { form } = this;
    const number = (/** @type {string} */ path) => (/** @type {string} */ value) => form.set(path, value === "" ? null : Number(value));
    return html`<div class="cols">
        ${field({
          id: "quiet",
          label: t("settings.quiet"),
          value: form.value("auto_reply.quiet_minutes"),
          type: "number",
          min: 0,
          disabled: this.off,
          wrong: refusal(form.wrong("auto_reply.quiet_minutes")),
          input: number("auto_reply.quiet_minutes"),
        })}
        ${field({
          id: "per-day",
          label: t("settings.per_day"),
          value: form.value("auto_reply.per_day"),
          type: "number",
          min: 1,
          disabled: this.off,
          wrong: refusal(form.wrong("auto_reply.per_day")),
          input: number("auto_reply.per_day"),
        })}
      </div>
      ${select({
        id: "unknown",
        label: t("settings.unknown"),
        value: form.value("auto_reply.unknown_sender"),
        disabled: this.off,
        options: [
          ["reply", t("settings.unknown_reply")],
          ["silent", t("settings.unknown_silent")],
        ],
        change: this.set("auto_reply.unknown_sender"),
      })}
      <p class="meta">${t("settings.reply_when", {
        minutes: form.value("auto_reply.quiet_minutes"),
        n: form.value("auto_reply.per_day"),
      })}</p>`;
  }

  limits() {
    const { form } = this;
    const number =
      (/** @type {string} */ path, /** @type {number} */ times = 1) =>
      (/** @type {string} */ value) =>
        form.set(path, value === "" ? null : Math.round(Number(value) * times));
    const wrong = (/** @type {string} */ path) => refusal(form.wrong(path));
    const disabled = this.off;
    /** @type {string[]} */
    const types = form.value("call_types") ?? [];
    return this.card(
      t("settings.limits"),
      LIMITS,
      html`<div class="cols">
      ${field({
        id: "max-wait",
        label: t("settings.max_wait"),
        value: form.value("max_wait_ms") / 1000,
        type: "number",
        min: 0,
        step: "any",
        disabled,
        wrong: wrong("max_wait_ms"),
        hint: t("settings.max_wait_hint"),
        input: number("max_wait_ms", 1000),
      })}
      ${field({
        id: "lease",
        label: t("settings.lease"),
        value: form.value("call_lease_minutes"),
        type: "number",
        min: 1,
        disabled,
        wrong: wrong("call_lease_minutes"),
        hint: t("settings.lease_hint"),
        input: number("call_lease_minutes"),
      })}
      ${field({
        id: "retention",
        label: t("settings.retention"),
        value: form.value("retention_days"),
        type: "number",
        min: 1,
        disabled,
        wrong: wrong("retention_days"),
        input: number("retention_days"),
      })}
      ${field({
        id: "media-retention",
        label: t("settings.media_retention"),
        value: form.value("media_retention_days"),
        type: "number",
        min: 1,
        disabled,
        wrong: wrong("media_retention_days"),
        input: number("media_retention_days"),
      })}
      ${select({
        id: "default-language",
        label: t("settings.default_language"),
        value: form.value("default_language"),
        disabled,
        options: [...new Set([...this.languages("closing"), "en", "it"])].sort().map((code) => [code, languageName(code)]),
        change: this.set("default_language"),
      })}
      ${field({
        id: "call-types",
        label: t("settings.call_types"),
        // A comma that was just typed stays, unless something else stands there by now.
        value: same(typesOf(this.typesText), types) ? this.typesText : types.join(", "),
        disabled,
        wrong: wrong("call_types"),
        hint: t("settings.call_types_hint"),
        input: (value) => {
          this.typesText = value;
          form.set("call_types", typesOf(value));
        },
      })}
    </div>`,
    );
  }
}
customElements.define("off-in-call-sms", InCallSms);

/** @param {string} text */
function typesOf(text) {
  return text
    .split(",")
    .map((type) => type.trim())
    .filter(Boolean);
}
