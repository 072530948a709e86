// `/presets`: the messages that all agents may send, by language (R39-R47).
import { html, nothing, repeat } from "../vendor/lit.js";
import { guard, query, setQuery } from "../app/routes.js";
import { session } from "../app/session.js";
import { all, asProblem, get, path, request } from "../live/api.js";
import { isBlank, measure } from "../live/counter.js";
import { Form, slug } from "../live/form.js";
import { live } from "../live/stream.js";
import { field, select, tabs } from "../parts/controls.js";
import { dialog, shutDialog, toast } from "../parts/dialog.js";
import { Loaded, Part, say } from "../parts/element.js";
import { remove, save, saveTrouble } from "../parts/set.js";
import { badge, empty, problemBar, refusal, row, sentence, shown, strange, table } from "../parts/small.js";
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
    /** The message that is edited, or a new one. @type {{ before: Api.Preset | null, form: Form } | null} */
    this.edits = null;
    this.addsLanguage = false;
    this.newLanguage = "";
    /** @type {import("../live/api.js").Problem | null} */
    this.problem = null;
    this.busy = false;
    this.moves = Promise.resolve();
    /** Languages that were added here and have no message yet. @type {string[]} */
    this.added = [];
  }

  /** @override */
  connected() {
    void this.list.again();
    this.unguard = guard(() => this.isDirty);
    this.hear(live, "reset", () => {
      void this.list.again();
      if (this.edits?.before) void this.edits.form.load();
    });
    this.hear(live, "event", ({ detail }) => {
      if (detail.type !== "directory.changed") return;
      void this.list.again();
      const { resource, id, by, etag } = detail.data;
      const before = this.edits?.before;
      if (before && (resource === "directory" || (resource === "presets" && id === `${before.language}/${before.id}`)))
        void this.edits?.form.hear(by, etag);
    });
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.unguard?.();
    this.shutForm();
  }

  get isDirty() {
    return this.edits?.form.isDirty() ?? false;
  }

  shutForm() {
    this.edits?.form.stop();
    this.edits = null;
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
              () => this.shutForm(),
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
    if (!this.problem) toast(t("presets.copied"));
    await this.list.again();
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
              ? html`<button type="button" data-row class="link label" dir="auto" @click=${() => this.edit(preset)}>${strange(preset.label)}</button>`
              : html`<bdi data-row tabindex="-1">${strange(preset.label)}</bdi>`,
          ],
          [heads[1], html`<span dir="auto">${strange(preset.text)}</span>`],
          [
            heads[2],
            preset.segments > 1
              ? html`<span class="keep">${badge("warn", "!", t("segments", { n: preset.segments }))}</span>`
              : html`<span class="num">${t("segments", { n: preset.segments })}</span>`,
          ],
          [
            heads[3],
            admin
              ? html`<span class="row acts">
          <button type="button" class="link" ?disabled=${at === 0} @click=${() => this.move(preset, -1)}>↑<span
            class="hide">${t("preset.up")} ${visible(preset.label)}</span></button>
          <button type="button" class="link" ?disabled=${at === presets.length - 1}
            @click=${() => this.move(preset, 1)}>↓<span class="hide">${t("preset.down")} ${visible(preset.label)}</span></button>
          <button type="button" class="link badc" @click=${() => void this.delete(preset)}>${t("delete")}${name}</button></span>`
              : nothing,
          ],
        ]);
      },
    );
    return table(t("page.presets"), [...heads.slice(0, 3), html`<span class="hide">${t("acts")}</span>`], /** @type {any} */ (rows));
  }

  /** One after another, since each begins from what the one before has left. @param {Api.Preset} preset @param {number} step */
  move(preset, step) {
    this.moves = this.moves.then(() => this.moveNow(preset, step));
  }

  /** Gives all of a language their positions, since those without one come last. @param {Api.Preset} preset @param {number} step */
  async moveNow(preset, step) {
    const order = (this.list.data?.presets ?? []).filter(({ language }) => language === preset.language);
    const at = order.findIndex(({ id }) => id === preset.id);
    if (at < 0 || !order[at + step]) return;
    const [moved] = order.splice(at, 1);
    order.splice(at + step, 0, moved);
    this.problem = null;
    try {
      for (const [index, { language, id, position }] of order.entries()) {
        if (position === index + 1) continue;
        // With the words that it has now, which the list may not show yet.
        const where = path("presets", language, id);
        const { data, etag } = await get(where);
        await request("PUT", where, { body: { ...data, position: index + 1 }, ifMatch: etag });
      }
      say(t("preset.moved", { label: moved.label, n: at + step + 1 }));
    } catch (thrown) {
      this.problem = asProblem(thrown);
    }
    await this.list.again();
  }

  /** @param {Api.Preset} preset */
  async delete({ language, id }) {
    const where = path("presets", language, id);
    try {
      const { data, etag } = await get(where);
      this.problem = await remove(where, data, etag, data.label, () => this.list.again());
    } catch (thrown) {
      this.problem = asProblem(thrown);
    }
  }

  /** @param {Api.Preset | null} preset */
  edit(preset) {
    this.problem = null;
    const form = preset ? new Form(path("presets", preset.language, preset.id), preset) : new Form("", { label: "", text: "" });
    form.addEventListener("change", () => this.requestUpdate());
    this.edits = { before: preset, form };
    if (preset) void form.load();
  }

  /** @param {string} language */
  form(language) {
    if (!this.edits) return nothing;
    const { before, form } = this.edits;
    const [label, text] = [form.value("label"), form.value("text")];
    const unsavable = !label.trim() || isBlank(text) || measure(text).overLimit;
    // What is there already is sent with its ETag only, and once what others changed is chosen.
    const waits = before !== null && (!form.etag || !form.isDirty() || form.conflicts.length > 0);
    return html`<form data-form @submit=${(/** @type {Event} */ event) => {
      event.preventDefault();
      void (before ? this.save() : this.add(language));
    }}>
      ${saveTrouble(form, t("save"))}
      ${field({
        id: "preset-label",
        label: t("preset.label"),
        value: label,
        required: true,
        focus: true,
        hint: t("preset.label_hint"),
        wrong: refusal(form.wrong("label")),
        input: (value) => form.set("label", value),
      })}
      <off-textarea .fieldId=${"preset-text"} .label=${t("preset.text")} .value=${text} .wrong=${refusal(form.wrong("text"))}
        @write=${(/** @type {CustomEvent<string>} */ event) => form.set("text", event.detail)}></off-textarea>
      <footer><button type="button" class="b" @click=${shutDialog}>${t("close")}</button><button class="b p" data-set
        ?disabled=${unsavable || waits || this.busy || form.saving !== null}>${t("save")}</button></footer>
    </form>`;
  }

  async save() {
    const { edits } = this;
    if (!edits) return;
    const { form } = edits;
    form.set("label", form.value("label").trim());
    const saved = await save(form, form.value("label"), undefined, () => this.list.again());
    if (saved && !form.isDirty() && this.edits === edits) this.shutForm();
    await this.list.again();
  }

  /** @param {string} language */
  async add(language) {
    const { edits } = this;
    if (!edits || this.busy) return;
    const { form } = edits;
    const sent = { label: form.value("label"), text: form.value("text") };
    this.busy = true;
    form.problem = null;
    try {
      const label = sent.label.trim();
      await request("PUT", path("presets", language, this.freeId(language, label)), { body: { ...sent, label }, create: true });
      toast(t("presets.added", { label }));
      // An empty form again for the next one (R47), but for what was typed of it meanwhile.
      for (const [name, value] of Object.entries(sent)) if (form.value(name) === value) form.set(name, "");
      if (this.edits === edits) void this.updateComplete.then(() => this.find("#preset-label")?.focus());
    } catch (thrown) {
      form.problem = asProblem(thrown);
      say(sentence(form.problem));
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
    const mark = (/** @type {boolean} */ has, /** @type {string} */ page, /** @type {string} */ code) =>
      has
        ? html`<span class="okc">✓<span class="hide"> ${t("yes")}</span></span>`
        : html`<a class="warnc" href="${page}?language=${encodeURIComponent(code)}">${t("settings.no_text")}</a>`;
    const settings = "/settings/in-call-sms";
    return html`<h2>${t("presets.lacking")}</h2>${table(
      t("presets.lacking"),
      heads,
      lacking.map(({ code, presets, closing, auto_reply: reply }) =>
        row([
          [heads[0], languageName(code)],
          [heads[1], mark(presets > 0, "/presets", code)],
          [heads[2], mark(closing, settings, code)],
          [heads[3], mark(reply, settings, code)],
        ]),
      ),
    )}`;
  }
}
customElements.define("off-presets", Presets);
