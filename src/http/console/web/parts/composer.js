// `<off-composer>`: what an agent may send now: presets by one click, an own text, or the reason why neither (R39-R53).
import { html, nothing, repeat } from "../vendor/lit.js";
import { isBlank, measure } from "../live/counter.js";
import { languageName, t } from "../words/words.js";
import { dialog } from "./dialog.js";
import { Part, say, showActive, uid } from "./element.js";
import { valueOf } from "./controls.js";
import { copy, sentence, strange, whyNoText } from "./small.js";

/** Presets that stand as chips; the others are in the list. */
const CHIPS = 3;

export class Composer extends Part {
  static properties = {
    talk: { attribute: false },
    presets: { attribute: false },
    agent: { attribute: false },
    listOpen: { state: true },
    query: { state: true },
    active: { state: true },
    problem: { state: true },
    text: { state: true },
    preview: { state: true },
  };

  constructor() {
    super();
    /** @type {import("../live/talk.js").Talk | null} */
    this.talk = null;
    /** @type {Api.Preset[]} of all languages */
    this.presets = [];
    /** @type {string | null} */
    this.agent = null;
    this.listOpen = false;
    this.query = "";
    this.active = 0;
    /** @type {import("../live/api.js").Problem | null} why the last text came back */
    this.problem = null;
    this.text = "";
    this.fieldId = uid("composer");
    this.draftOf = "";
    /** The preset that a chip would send, while it has the focus or the pointer. @type {Api.Preset | null} */
    this.preview = null;
  }

  get call() {
    return this.talk?.state.call ?? null;
  }

  /** @override */
  willUpdate() {
    const { talk } = this;
    if (!talk) return;
    if (this.draftOf !== talk.callId) {
      this.draftOf = talk.callId;
      this.text = draft(talk.callId);
      this.problem = null;
    }
    for (const { content, problem } of talk.returned.splice(0)) {
      this.problem = problem;
      if ("text" in content) this.write(this.text === "" ? content.text : `${content.text}\n${this.text}`);
      say(`${t("composer.returned")} ${sentence(problem)}`);
    }
  }

  /** @param {string} text */
  write(text) {
    this.text = text;
    keepDraft(this.draftOf, text);
  }

  get ofLanguage() {
    const language = this.call?.language;
    return this.presets.filter((preset) => preset.language === language);
  }

  /** @param {Api.Preset} preset */
  sendPreset(preset) {
    this.listOpen = false;
    this.preview = null;
    this.problem = null;
    void this.talk?.outbox.send({ preset: preset.id, language: preset.language }, { agent: this.agent, text: preset.text, kind: "preset" });
  }

  sendText() {
    const { text } = this;
    if (isBlank(text) || measure(text).overLimit) return;
    this.problem = null;
    this.write("");
    void this.talk?.outbox.send({ text }, { agent: this.agent, text, kind: "custom" });
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.sendText();
    } else if (event.key === "/" && this.text === "") {
      event.preventDefault();
      this.openList();
    }
  }

  openList() {
    this.listOpen = true;
    this.query = "";
    this.active = 0;
  }

  /** @override */
  render() {
    const { call } = this;
    if (!call) return nothing;
    if (call.state === "ended") return this.ended();
    const { refusal } = call.sms;
    const presetsOnly = refusal === "presets_only" || refusal === "custom_messages_off";
    // `refusal` is what the next text would get; these two leave presets.
    if (!call.sms.can_send && !presetsOnly)
      return html`<div class="bar warn closed" role="status"><span
        aria-hidden="true">!</span> <span class="fill">${whyNoText(call.sms) || t("composer.closed")}</span></div>`;
    const chips = this.ofLanguage.slice(0, CHIPS);
    return html`
      ${
        this.problem
          ? html`<div class="bar bad closed" role="alert"><span
        class="wrap">${t("composer.returned")} ${sentence(this.problem)}${
          this.problem.retryAfterMs ? html` ${t("retry_in", { n: Math.ceil(this.problem.retryAfterMs / 1000) })}` : nothing
        }</span></div>`
          : nothing
      }
      <div class="presets" @mouseleave=${() => (this.preview = null)} @keydown=${(/** @type {KeyboardEvent} */ event) => {
        if (event.key === "Escape") this.preview = null;
      }}>${this.preview ? this.previewed(this.preview) : nothing}${chips.map(
        (
          preset,
        ) => html`<button type="button" class="chip" dir="auto" aria-describedby=${this.preview === preset ? `${this.fieldId}-preview` : nothing}
        @focus=${() => (this.preview = preset)} @blur=${() => (this.preview = null)} @mouseenter=${() => (this.preview = preset)}
        @click=${() => this.sendPreset(preset)}>${strange(preset.label)}</button>`,
      )}
        ${
          this.presets.length > 0
            ? html`<button type="button" class="chip" aria-haspopup="dialog"
          @click=${this.openList}>${t("composer.presets")} <kbd aria-hidden="true">/</kbd></button>`
            : html`<p
          class="meta">${t("composer.no_presets")}</p>`
        }</div>
      ${call.sms.custom_allowed ? this.writer() : html`<div class="bar closed">${t("composer.presets_only")}</div>`}
      ${
        this.listOpen
          ? dialog(
              t("composer.presets_title"),
              () => this.list(),
              () => (this.listOpen = false),
            )
          : nothing
      }`;
  }

  /** @param {Api.Preset} preset */
  previewed({ text, segments }) {
    return html`<p class="preview wrap" id="${this.fieldId}-preview"><span dir="auto">${strange(text)}</span> <span
      class="meta">${t("segments", { n: segments })}</span></p>`;
  }

  /** Texts are closed: one that did not go any more is not lost with the composer. */
  ended() {
    const { text, problem } = this;
    return html`<div class="bar closed" role="status">${t("composer.ended")}</div>
      ${
        text || problem
          ? html`<div class="bar bad closed"><div class="fill stack tight"><p>${t("composer.returned")} ${problem ? sentence(problem) : nothing}</p>${
              text ? html`<p class="wrap" dir="auto">${strange(text)}</p>` : nothing
            }</div>${
              text
                ? html`<span class="end"><button type="button" class="link" @click=${() => copy(text)}>${t("copy")}</button></span>`
                : nothing
            }</div>`
          : nothing
      }`;
  }

  writer() {
    const unsendable = isBlank(this.text) || measure(this.text).overLimit;
    return html`<div class="comp" @keydown=${this.press}>
      <off-textarea .fieldId=${this.fieldId} .label=${t("composer.label")} .hideLabel=${true} .placeholder=${t("composer.label")}
        .value=${this.text}
        @write=${(/** @type {CustomEvent<string>} */ event) => this.write(event.detail)}></off-textarea>
      <div class="row"><button type="button" class="b p end" ?disabled=${unsendable} aria-keyshortcuts="Control+Enter"
        @click=${this.sendText}>${t("send")} <kbd aria-hidden="true">Ctrl ↵</kbd></button></div>
    </div>`;
  }

  /** @param {KeyboardEvent} event @param {Api.Preset[]} shown */
  pressInList(event, shown) {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0) {
      event.preventDefault();
      this.active = Math.min(Math.max(this.active + step, 0), shown.length - 1);
      void showActive(this);
    } else if (event.key === "Enter" && shown[this.active]) {
      event.preventDefault();
      this.sendPreset(shown[this.active]);
    }
  }

  list() {
    const query = this.query.toLowerCase();
    const language = this.call?.language;
    const sorted = [...this.ofLanguage, ...this.presets.filter((preset) => preset.language !== language)];
    const shown = sorted.filter(({ label, text }) => `${label} ${text}`.toLowerCase().includes(query));
    const id = `${this.fieldId}-list`;
    return html`<input autofocus role="combobox" aria-expanded="true" aria-controls=${id} aria-label=${t("composer.find_preset")}
      placeholder=${t("composer.find_preset")}
        aria-activedescendant=${shown.length > 0 ? `${id}-${this.active}` : nothing} .value=${this.query}
        @input=${(/** @type {Event} */ event) => {
          this.query = valueOf(event);
          this.active = 0;
        }} @keydown=${(/** @type {KeyboardEvent} */ event) => this.pressInList(event, shown)} />
      ${shown.length === 0 ? html`<p>${t("picker.none")}</p>` : nothing}
      <div class="options" role="listbox" id=${id} aria-label=${t("composer.presets_title")}>${repeat(
        shown,
        (preset) => `${preset.language}/${preset.id}`,
        (preset, at) => html`<div role="option" id="${id}-${at}" aria-selected=${at === this.active ? "true" : "false"}
        @click=${() => this.sendPreset(preset)} @mousemove=${() => (this.active = at)}>
        <span><b dir="auto">${strange(preset.label)}</b> <span
          class="meta">${languageName(preset.language)} · ${t("segments", { n: preset.segments })}</span></span><span class="meta wrap"
          dir="auto">${strange(preset.text)}</span></div>`,
      )}</div>
      <p class="meta">${t("composer.list_hint")}</p>`;
  }
}
customElements.define("off-composer", Composer);

/** @param {string} callId */
function draft(callId) {
  try {
    return sessionStorage.getItem(`offhook.draft.${callId}`) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} callId @param {string} text */
function keepDraft(callId, text) {
  try {
    if (text) sessionStorage.setItem(`offhook.draft.${callId}`, text);
    else sessionStorage.removeItem(`offhook.draft.${callId}`);
  } catch {
    // Without storage a draft lasts as long as the page.
  }
}
