// `/presets`: the messages that all agents may send, by language (R39-R47).
import { html, nothing, repeat } from "../vendor/lit.js";
import { guard, query, setQuery } from "../app/routes.js";
import { session } from "../app/session.js";
import { all, asProblem, get, path, request } from "../live/api.js";
import { isBlank, measure } from "../live/counter.js";
import { slug } from "../live/form.js";
import { live } from "../live/stream.js";
import { field, select, tabs } from "../parts/controls.js";
import { dialog, toast } from "../parts/dialog.js";
import { Loaded, Part, say } from "../parts/element.js";
import { remove, undo } from "../parts/set.js";
import { badge, empty, problemBar, row, sentence, shown, strange, table } from "../parts/small.js";
import { languageName, t, visible } from "../words/words.js";

/** @typedef {{ presets: Api.Preset[], languages: Api.LanguageItem[], fallback: string }} Data */

class Presets extends Part {
  static properties = {
    language: { state: true },
    edits: { state: true },
    addsLanguage: { state: true },
    problem: { state: true },
    busy: { state: true },
  };

  constructor() {
    super();
    /** @type {Loaded<Data>} */
    this.list = new Loaded(this, async () => {
      const [presets, languages, settings] = await Promise.all([all("/v1/presets"), all("/v1/languages"), get("/v1/settings")]);
      return { presets, languages, fallback: settings.data.default_language };
    });
    this.language = query("language");
    /** @type {{ before: Api.Preset | null, etag: string | null, label: string, text: string } | null} */
    this.edits = null;
    this.addsLanguage = false;
    this.newLanguage = "";
    /** @type {import("../live/api.js").Problem | null} */
    this.problem = null;
    this.busy = false;
    /** Languages that were added here and have no message yet. @type {string[]} */
    this.added = [];
  }

  /** @override */
  connected() {
    void this.list.again();
    this.unguard = guard(() => this.isDirty);
    this.hear(live, "reset", () => void this.list.again());
    this.hear(live, "event", ({ detail }) => detail.type === "directory.changed" && void this.list.again());
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.unguard?.();
  }

  get isDirty() {
    const { edits } = this;
    return !!edits && (edits.label !== (edits.before?.label ?? "") || edits.text !== (edits.before?.text ?? ""));
  }

  /** @override */
  render() {
    return html`<div class="head"><h1>${t("page.presets")}</h1></div><div
      class="stack">${shown(this.list, (data) => this.page(data))}</div>`;
  }

  /** @param {Data} data */
  codes({ languages, fallback }) {
    return [...new Set([fallback, ...languages.map(({ code }) => code), ...this.added])].sort();
  }

  /** @param {Data} data */
  page(data) {
    const codes = this.codes(data);
    const language = codes.includes(this.language) ? this.language : (codes.find((code) => code === data.fallback) ?? codes[0]);
    const count = (/** @type {string} */ code) => data.presets.filter((preset) => preset.language === code).length;
    const choose = (/** @type {string} */ code) => {
      this.language = code;
      setQuery({ language: code });
    };
    const inLanguage = data.presets.filter((preset) => preset.language === language);
    return html`<div class="row">${tabs({ label: t("language"), panel: "preset-panel", items: codes.map((code) => [code, `${languageName(code)} (${count(code)})`]), selected: language, choose })}
        ${
          session.can("admin")
            ? html`<button type="button" class="b" @click=${() => (this.addsLanguage = true)}>${t("presets.add_language")}</button>
        <button type="button" class="b p end" @click=${() => this.edit(null)}>${t("presets.add")}</button>`
            : nothing
        }</div>
      ${problemBar(this.problem)}
      <div id="preset-panel" role="tabpanel"
        aria-label=${languageName(language)}>${inLanguage.length === 0 ? this.none(language, data) : this.rows(inLanguage)}</div>
      ${this.matrix(data)}
      ${
        this.edits
          ? dialog(
              this.edits.before ? this.edits.before.label : `${t("presets.add")} · ${languageName(language)}`,
              () => this.form(language),
              () => (this.edits = null),
              { isDirty: () => this.isDirty },
            )
          : nothing
      }
      ${
        this.addsLanguage
          ? dialog(
              t("presets.add_language"),
              () => this.languageForm(choose),
              () => (this.addsLanguage = false),
            )
          : nothing
      }`;
  }

  /** @param {string} language @param {Data} data */
  none(language, data) {
    const sources = [...new Set(data.presets.map((preset) => preset.language))].filter((code) => code !== language);
    const copy = (/** @type {string} */ code) => html`<button type="button" class="b"
      @click=${() => void this.copyFrom(code, language, data)}>${t("presets.copy_from", { language: languageName(code, "inside") })}</button>`;
    return html`<div class="card">${empty(
      t("presets.none", { language: languageName(language, "inside") }),
      session.can("admin") ? html`<p class="meta">${t("presets.none_how")}</p><div class="row">${sources.map(copy)}</div>` : nothing,
    )}</div>`;
  }

  /** @param {string} from @param {string} to @param {Data} data */
  async copyFrom(from, to, data) {
    this.problem = null;
    for (const { id, label, text, position } of data.presets.filter((preset) => preset.language === from)) {
      try {
        await request("PUT", path("presets", to, id), { body: { label, text, position }, create: true });
      } catch (thrown) {
        this.problem = asProblem(thrown);
        break;
      }
    }
    await this.list.again();
    toast(t("presets.copied"));
  }

  /** @param {Api.Preset[]} presets */
  rows(presets) {
    const heads = [t("preset.label"), t("preset.text"), t("preset.length"), ""];
    const admin = session.can("admin");
    const rows = repeat(
      presets,
      ({ id }) => id,
      (preset, at) => {
        const name = html`<span class="hide"> ${visible(preset.label)}</span>`;
        return row([
          [
            heads[0],
            admin
              ? html`<button type="button" data-row class="link" dir="auto" @click=${() => this.edit(preset)}>${strange(preset.label)}</button>`
              : html`<bdi>${strange(preset.label)}</bdi>`,
          ],
          [heads[1], html`<span dir="auto">${strange(preset.text)}</span>`],
          [
            heads[2],
            preset.segments > 1
              ? badge("warn", "!", t("segments", { n: preset.segments }))
              : html`<span class="num">${t("segments", { n: preset.segments })}</span>`,
          ],
          [
            heads[3],
            admin
              ? html`<span class="row acts">
          <button type="button" class="link" ?disabled=${at === 0 || this.busy} @click=${() => void this.move(presets, at, -1)}>↑<span
            class="hide">${t("preset.up")} ${visible(preset.label)}</span></button>
          <button type="button" class="link" ?disabled=${at === presets.length - 1 || this.busy}
            @click=${() => void this.move(presets, at, 1)}>↓<span class="hide">${t("preset.down")} ${visible(preset.label)}</span></button>
          <button type="button" class="link badc" @click=${() => void this.delete(preset)}>${t("delete")}${name}</button></span>`
              : nothing,
          ],
        ]);
      },
    );
    return table(t("page.presets"), [...heads.slice(0, 3), html`<span class="hide">${t("acts")}</span>`], /** @type {any} */ (rows));
  }

  /** Gives all of a language their positions, since those without one come last. @param {Api.Preset[]} presets @param {number} at @param {number} step */
  async move(presets, at, step) {
    const order = [...presets];
    const [moved] = order.splice(at, 1);
    order.splice(at + step, 0, moved);
    this.busy = true;
    this.problem = null;
    try {
      for (const [index, { language, id, label, text, position }] of order.entries()) {
        if (position !== index + 1) await request("PUT", path("presets", language, id), { body: { label, text, position: index + 1 } });
      }
      say(t("preset.moved", { label: moved.label, n: at + step + 1 }));
    } catch (thrown) {
      this.problem = asProblem(thrown);
    }
    this.busy = false;
    await this.list.again();
  }

  /** @param {Api.Preset} preset */
  async delete(preset) {
    this.problem = await remove(
      path("presets", preset.language, preset.id),
      { label: preset.label, text: preset.text, position: preset.position },
      null,
      preset.label,
      () => this.list.again(),
    );
  }

  /** @param {Api.Preset | null} preset */
  async edit(preset) {
    this.problem = null;
    this.edits = { before: preset, etag: null, label: preset?.label ?? "", text: preset?.text ?? "" };
    if (!preset) return;
    const { etag } = await get(path("presets", preset.language, preset.id)).catch(() => ({ etag: null }));
    if (this.edits?.before === preset) this.edits.etag = etag;
  }

  /** @param {string} language */
  form(language) {
    const { edits } = this;
    if (!edits) return nothing;
    const change = (/** @type {object} */ values) => {
      Object.assign(edits, values);
      this.requestUpdate();
    };
    const unsavable = !edits.label.trim() || isBlank(edits.text) || measure(edits.text).overLimit;
    return html`<form data-form @submit=${(/** @type {Event} */ event) => {
      event.preventDefault();
      void this.save(language);
    }}>
      ${problemBar(this.problem)}
      ${field({
        id: "preset-label",
        label: t("preset.label"),
        value: edits.label,
        required: true,
        focus: true,
        hint: t("preset.label_hint"),
        input: (label) => change({ label }),
      })}
      <off-textarea .fieldId=${"preset-text"} .label=${t("preset.text")} .value=${edits.text}
        @write=${(/** @type {CustomEvent<string>} */ event) => change({ text: event.detail })}></off-textarea>
      <footer><button type="button" class="b" @click=${() => {
        this.edits = null;
      }}>${t("close")}</button><button class="b p" data-set ?disabled=${unsavable || this.busy}>${t("save")}</button></footer>
    </form>`;
  }

  /** @param {string} language */
  async save(language) {
    const { edits } = this;
    if (!edits) return;
    this.busy = true;
    this.problem = null;
    const { before } = edits;
    const body = { label: edits.label.trim(), text: edits.text, position: before?.position ?? null };
    try {
      const id = before?.id ?? this.freeId(language, edits.label);
      const { etag } = await request("PUT", path("presets", language, id), before ? { body, ifMatch: edits.etag } : { body, create: true });
      if (before) {
        toast(t("saved"), {
          label: t("undo"),
          act: () =>
            void undo(path("presets", language, id), { label: before.label, text: before.text, position: before.position }, etag, () =>
              this.list.again(),
            ),
        });
        this.edits = null;
      } else {
        // An empty form again, for the next one (R47).
        toast(t("presets.added", { label: body.label }));
        this.edits = { before: null, etag: null, label: "", text: "" };
        void this.updateComplete.then(() => this.find("#preset-label")?.focus());
      }
    } catch (thrown) {
      this.problem = asProblem(thrown);
      say(sentence(this.problem));
    }
    this.busy = false;
    await this.list.again();
  }

  /** @param {string} language @param {string} label */
  freeId(language, label) {
    const base = slug(label) || "message";
    const taken = new Set((this.list.data?.presets ?? []).filter((preset) => preset.language === language).map(({ id }) => id));
    for (let n = 1; ; n += 1) {
      const id = n === 1 ? base : `${base}-${n}`;
      if (!taken.has(id)) return id;
    }
  }

  /** @param {(code: string) => void} choose */
  languageForm(choose) {
    const code = this.newLanguage.trim().toLowerCase();
    const valid = /^[a-z]{2,3}(-[a-z0-9]{2,8})*$/.test(code);
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      if (!valid) return;
      this.added = [...this.added, code];
      this.addsLanguage = false;
      choose(code);
    };
    const common = ["it", "en", "es", "fr", "de", "pt", "zh", "ja", "ko", "vi", "ar", "he", "pl", "ru", "uk"];
    return html`<form @submit=${submit}>
      ${select({
        id: "language-common",
        label: t("language"),
        value: common.includes(code) ? code : "",
        options: [["", t("presets.other_language")], ...common.map((code) => /** @type {[string, string]} */ ([code, languageName(code)]))],
        change: (value) => {
          this.newLanguage = value;
          this.requestUpdate();
        },
      })}
      ${field({
        id: "language-code",
        label: t("presets.language_code"),
        value: this.newLanguage,
        hint: valid ? languageName(code) : t("presets.language_hint"),
        input: (value) => {
          this.newLanguage = value;
          this.requestUpdate();
        },
      })}
      <footer><button type="button" class="b" @click=${() => (this.addsLanguage = false)}>${t("cancel")}</button><button class="b p"
        ?disabled=${!valid}>${t("presets.add_language")}</button></footer></form>`;
  }

  /** Which languages lack what. @param {Data} data */
  matrix({ languages }) {
    const lacking = languages.filter(
      ({ presets, closing, auto_reply: reply, queues }) => queues > 0 && (presets === 0 || !closing || !reply),
    );
    if (lacking.length === 0) return nothing;
    const heads = [t("language"), t("page.presets"), t("settings.closing"), t("settings.auto_reply")];
    const mark = (/** @type {boolean} */ has) =>
      has
        ? html`<span class="okc">✓<span class="hide"> ${t("yes")}</span></span>`
        : html`<span class="warnc">– ${t("settings.no_text")}</span>`;
    return html`<h2>${t("presets.lacking")}</h2>${table(
      t("presets.lacking"),
      heads,
      lacking.map(({ code, presets, closing, auto_reply: reply }) =>
        row([
          [heads[0], languageName(code)],
          [heads[1], mark(presets > 0)],
          [heads[2], mark(closing)],
          [heads[3], mark(reply)],
        ]),
      ),
    )}
      <p class="meta"><a href="/settings/in-call-sms">${t("page.in_call_sms")}</a></p>`;
  }
}
customElements.define("off-presets", Presets);
