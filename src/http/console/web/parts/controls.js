// Controls with their labels, hints and mistakes. The page gives each its id, which ties them together.
import { html, live, nothing } from "../vendor/lit.js";
import { TEXT_MAX, measure, withPlainCharacters } from "../live/counter.js";
import { t, visible } from "../words/words.js";
import { Part, say } from "./element.js";
import { strange } from "./small.js";

/** @param {Event} event */
export function valueOf(event) {
  return /** @type {HTMLInputElement} */ (event.target).value;
}

/** What the gateway says of a field. @param {string} id @param {unknown} text */
export function wrongLine(id, text) {
  return text ? html`<p class="wrong" id="${id}-wrong"><span aria-hidden="true">! </span>${text}</p>` : nothing;
}

/** @param {string} id @param {unknown} hint @param {unknown} wrong */
function describedBy(id, hint, wrong) {
  return [wrong ? `${id}-wrong` : "", hint ? `${id}-hint` : ""].join(" ").trim() || nothing;
}

/**
 * @param {{ id: string, label: string, value: string | number | null, input: (value: string) => void, hint?: unknown, wrong?: unknown,
 *   type?: string, autocomplete?: string, required?: boolean, disabled?: boolean, placeholder?: string, min?: number, max?: number, step?: string, focus?: boolean }} options
 */
export function field({
  id,
  label,
  value,
  input,
  hint,
  wrong,
  type = "text",
  autocomplete = "off",
  required = false,
  disabled = false,
  placeholder = "",
  min,
  max,
  step,
  focus = false,
}) {
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <input id=${id} type=${type} .value=${live(String(value ?? ""))} autocomplete=${/** @type {any} */ (autocomplete)}
      placeholder=${placeholder || nothing}
      min=${min ?? nothing} max=${max ?? nothing} step=${step ?? nothing} ?required=${required} ?disabled=${disabled} ?autofocus=${focus}
      aria-invalid=${wrong ? "true" : nothing} aria-describedby=${describedBy(
        id,
        hint,
        wrong,
      )} @input=${(/** @type {Event} */ event) => input(valueOf(event))} />
    ${wrongLine(id, wrong)}${hint ? html`<p class="meta" id="${id}-hint">${hint}</p>` : nothing}
  </div>`;
}

/**
 * @param {{ id: string, label: string, value: string, options: Array<[value: string, text: string]>, change: (value: string) => void,
 *   hint?: unknown, wrong?: unknown, disabled?: boolean, hideLabel?: boolean }} options
 */
export function select({ id, label, value, options, change, hint, wrong, disabled = false, hideLabel = false }) {
  return html`<div class="field">
    <label for=${id} class=${hideLabel ? "hide" : ""}>${label}</label>
    <select id=${id} ?disabled=${disabled} aria-invalid=${wrong ? "true" : nothing} aria-describedby=${describedBy(id, hint, wrong)}
      @change=${(/** @type {Event} */ event) => change(valueOf(event))}>
      ${options.map(([code, text]) => html`<option value=${code} .selected=${live(code === value)}>${visible(text)}</option>`)}
    </select>
    ${wrongLine(id, wrong)}${hint ? html`<p class="meta" id="${id}-hint">${hint}</p>` : nothing}
  </div>`;
}

/** @param {{ id: string, label: unknown, checked: boolean, change: (on: boolean) => void, hint?: unknown, disabled?: boolean, focus?: boolean }} options */
export function check({ id, label, checked, change, hint, disabled = false }) {
  return html`<div class="field">
    <div class="check">
      <input id=${id} type="checkbox" .checked=${live(checked)} ?disabled=${disabled} aria-describedby=${hint ? `${id}-hint` : nothing}
        @change=${(/** @type {Event} */ event) => change(/** @type {HTMLInputElement} */ (event.target).checked)} />
      <label for=${id}>${label}</label>
    </div>
    ${hint ? html`<p class="meta" id="${id}-hint">${hint}</p>` : nothing}
  </div>`;
}

/** @param {{ name: string, legend: string, value: string, options: Array<[value: string, text: string]>, change: (value: string) => void, hint?: unknown, disabled?: boolean }} options */
export function radios({ name, legend, value, options, change, hint, disabled = false }) {
  return html`<fieldset class="field"><legend>${legend}</legend>
    ${options.map(
      ([
        code,
        text,
      ]) => html`<label class="check"><input type="radio" name=${name} value=${code} .checked=${live(code === value)} ?disabled=${disabled}
        @change=${() => change(code)} /><span>${text}</span></label>`,
    )}
    ${hint ? html`<p class="meta">${hint}</p>` : nothing}
  </fieldset>`;
}

/** @param {{ label: string, on: boolean, change: (on: boolean) => void, disabled?: boolean }} options */
export function toggle({ label, on, change, disabled = false }) {
  return html`<button type="button" class="switch" role="switch" aria-checked=${on ? "true" : "false"} ?disabled=${disabled}
    @click=${() => change(!on)}>
    <i aria-hidden="true"></i><span>${label}</span><span class="meta" aria-hidden="true">${on ? t("on") : t("off")}</span>
  </button>`;
}

/**
 * Tabs, moved through by the arrow keys.
 * @param {{ label: string, items: Array<[id: string, text: string]>, selected: string, choose: (id: string) => void, kind?: string, panel?: string }} options
 */
export function tabs({ label, items, selected, choose, kind = "", panel }) {
  /** @param {KeyboardEvent} event */
  const move = (event) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const list = /** @type {HTMLElement} */ (event.currentTarget);
    const next = (items.findIndex(([id]) => id === selected) + step + items.length) % items.length;
    choose(items[next][0]);
    /** @type {HTMLElement | undefined} */ (list.querySelectorAll("button")[next])?.focus();
  };
  return html`<div class="tabs ${kind}" role="tablist" aria-label=${label} @keydown=${move}>${items.map(
    ([
      id,
      text,
    ]) => html`<button type="button" role="tab" aria-selected=${id === selected ? "true" : "false"} aria-controls=${panel ?? nothing}
      tabindex=${id === selected ? "0" : "-1"} @click=${() => choose(id)}>${text}</button>`,
  )}</div>`;
}

/** A screen reader hears the count after this rest, so that it does not speak at every key. */
const REST_MS = 1_000;
const SPOKEN_FROM = [160, 800, TEXT_MAX];

/** `<off-textarea>`: a text with its length as the gateway counts it. Nothing is ever cut (A43). Emits `write` with the text. */
class Textarea extends Part {
  static properties = {
    fieldId: { attribute: false },
    label: { attribute: false },
    value: { attribute: false },
    hint: { attribute: false },
    wrong: { attribute: false },
    disabled: { attribute: false },
    hideLabel: { attribute: false },
    placeholder: { attribute: false },
  };

  constructor() {
    super();
    this.fieldId = "";
    this.label = "";
    this.value = "";
    /** @type {unknown} */
    this.hint = "";
    /** @type {unknown} */
    this.wrong = null;
    this.disabled = false;
    this.hideLabel = false;
    this.placeholder = "";
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.rest = undefined;
  }

  /** @param {string} value */
  write(value) {
    this.value = value;
    this.emit("write", value);
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.speak(), REST_MS);
  }

  speak() {
    const found = measure(this.value);
    if (found.characters > SPOKEN_FROM[0])
      say(
        found.overLimit
          ? t("count.over", { n: found.characters - TEXT_MAX })
          : t("count.spoken", { n: found.segments, left: TEXT_MAX - found.characters }),
      );
  }

  /** @override */
  focus() {
    this.find("textarea")?.focus();
  }

  /** @override */
  render() {
    const found = measure(this.value);
    const id = this.fieldId;
    const wrong = this.wrong ?? (found.overLimit ? t("count.over", { n: found.characters - TEXT_MAX }) : null);
    return html`<div class="field">
      <label for=${id} class=${this.hideLabel ? "hide" : ""}>${this.label}</label>
      <textarea id=${id} dir="auto" rows="3" .value=${live(this.value)} placeholder=${this.placeholder || nothing}
        ?disabled=${this.disabled} spellcheck="true"
        aria-invalid=${wrong ? "true" : nothing} aria-describedby="${id}-count ${wrong ? `${id}-wrong` : ""}"
        @input=${(/** @type {Event} */ event) => this.write(/** @type {HTMLTextAreaElement} */ (event.target).value)}></textarea>
      ${wrongLine(id, wrong)}
      <div class="count" id="${id}-count">${this.counter(found)}</div>
      ${this.hint ? html`<p class="meta">${this.hint}</p>` : nothing}
    </div>`;
  }

  /** @param {import("../live/counter.js").Measured} found */
  counter(found) {
    if (this.value === "") return html`<span class="num">0 / ${TEXT_MAX}</span>`;
    const plain = withPlainCharacters(this.value);
    const whole = found.encoding === "gsm7" ? 160 : 70;
    return html`${
      found.guilty.length > 0
        ? html`<span class="pill warn">${t("count.unicode")} ${found.guilty.slice(0, 6).map((guilty) => html`<bdi>${strange(guilty)}</bdi> `)}${found.guilty.length > 6 ? "… " : nothing}${
            plain === this.value
              ? nothing
              : html`· <button type="button" class="link warnc" ?disabled=${this.disabled}
                @click=${() => this.write(plain)}>${t("count.plain")}</button>`
          }</span>`
        : nothing
    }
      <span class="num ${found.overLimit ? "badc" : ""}">${found.characters} / ${TEXT_MAX}</span>
      <span aria-hidden="true">·</span>
      ${
        found.segments > 1
          ? html`<span class="pill warn">${t("count.parts", { n: found.segments })}</span>`
          : html`<span class="num">${t("count.one", { units: found.units, whole })}</span>`
      }`;
  }
}
customElements.define("off-textarea", Textarea);
