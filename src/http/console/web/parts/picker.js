// `<off-picker>`: chosen things as chips, and a list to add from. What cannot be taken is shown with the reason. Below it
// what a queue can have: numbers, parents and languages.
import { html, nothing } from "../vendor/lit.js";
import { languageName, t, visible } from "../words/words.js";
import { wrongLine, valueOf } from "./controls.js";
import { Part, say } from "./element.js";

/** @typedef {{ value: string, text: string, reason?: string | null }} Option the reason says why it cannot be taken */

/** More options than a person looks through; typing finds the others. */
const DRAWN = 100;

/** Emits `choose` with the chosen values. */
export class Picker extends Part {
  static properties = {
    fieldId: { attribute: false },
    label: { attribute: false },
    chosen: { attribute: false },
    options: { attribute: false },
    hint: { attribute: false },
    wrong: { attribute: false },
    disabled: { attribute: false },
    query: { state: true },
    isOpen: { state: true },
    active: { state: true },
  };

  constructor() {
    super();
    this.fieldId = "";
    this.label = "";
    /** @type {string[]} */
    this.chosen = [];
    /** @type {Option[]} */
    this.options = [];
    /** @type {unknown} */
    this.hint = "";
    /** @type {unknown} */
    this.wrong = null;
    this.disabled = false;
    this.query = "";
    this.isOpen = false;
    this.active = 0;
  }

  get shown() {
    const query = this.query.toLowerCase().replace(/\s/g, "");
    const matches = (/** @type {Option} */ { value, text }) => `${value}${text}`.toLowerCase().replace(/\s/g, "").includes(query);
    return this.options.filter((option) => !this.chosen.includes(option.value) && matches(option)).slice(0, DRAWN);
  }

  /** @param {Option | undefined} option */
  add(option) {
    if (!option) return;
    if (option.reason) return say(`${option.text}: ${option.reason}`);
    this.query = "";
    this.isOpen = false;
    this.emit("choose", [...this.chosen, option.value]);
  }

  /** @param {string} value */
  remove_(value) {
    this.emit(
      "choose",
      this.chosen.filter((other) => other !== value),
    );
    this.find("input")?.focus();
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0) {
      event.preventDefault();
      const { length } = this.shown;
      this.active = this.isOpen && length > 0 ? (this.active + step + length) % length : 0;
      this.isOpen = true;
      void this.updateComplete.then(() => this.find('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" }));
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (this.isOpen) this.add(this.shown[this.active]);
    } else if (event.key === "Escape" && this.isOpen) {
      event.preventDefault();
      event.stopPropagation();
      this.isOpen = false;
    } else if (event.key === "Backspace" && this.query === "" && this.chosen.length > 0) {
      this.remove_(this.chosen[this.chosen.length - 1]);
    }
  }

  /** @override */
  render() {
    const { fieldId: id, shown } = this;
    const text = (/** @type {string} */ value) => visible(this.options.find((option) => option.value === value)?.text ?? value);
    return html`<div class="field" @focusout=${(/** @type {FocusEvent} */ event) => {
      if (!this.contains(/** @type {Node | null} */ (event.relatedTarget))) this.isOpen = false;
    }}>
      <label for=${id}>${this.label}</label>
      <div class="row" ?hidden=${this.chosen.length === 0}>${this.chosen.map(
        (value) =>
          html`<span class="chip">${text(value)} <button type="button" ?disabled=${this.disabled}
            aria-label=${t("remove", { what: text(value) })} @click=${() => this.remove_(value)}>×</button></span>`,
      )}</div>
      <div class="pick"><input id=${id} role="combobox" autocomplete="off" aria-expanded=${this.isOpen ? "true" : "false"} aria-controls="${id}-list"
        aria-autocomplete="list"
        aria-activedescendant=${this.isOpen && shown.length > 0 ? `${id}-${this.active}` : nothing} aria-invalid=${this.wrong ? "true" : nothing}
        aria-describedby=${this.wrong ? `${id}-wrong` : nothing} placeholder=${t("picker.add")} ?disabled=${this.disabled} .value=${this.query}
        @focus=${() => (this.isOpen = true)} @click=${() => (this.isOpen = true)} @keydown=${this.press}
        @input=${(/** @type {Event} */ event) => {
          this.query = valueOf(event);
          this.active = 0;
          this.isOpen = true;
        }} />
      <div class="options" role="listbox" id="${id}-list" aria-label=${this.label} ?hidden=${!this.isOpen || shown.length === 0}>${shown.map(
        (option, at) => html`<div role="option" id="${id}-${at}" aria-selected=${at === this.active ? "true" : "false"}
            aria-disabled=${option.reason ? "true" : nothing}
          @mousedown=${(/** @type {Event} */ event) => {
            event.preventDefault();
            this.add(option);
          }}>
          <span>${visible(option.text)}</span>${option.reason ? html`<span class="meta">${option.reason}</span>` : nothing}</div>`,
      )}</div>
      ${this.isOpen && shown.length === 0 ? html`<p class="options meta">${t("picker.none")}</p>` : nothing}</div>
      ${wrongLine(id, this.wrong)}${this.hint ? html`<p class="meta">${this.hint}</p>` : nothing}
    </div>`;
  }
}
customElements.define("off-picker", Picker);

/**
 * Why a number cannot be taken by a queue; null if it can (R18, R19, R21, R27, R31).
 * @param {Api.Number} number @param {"inbound" | "outbound"} role @param {string} queue @param {(id: string) => string} nameOf
 * @param {string[]} own outbound numbers of the queue as they would be set
 */
export function whyNot(number, role, queue, nameOf, own) {
  if (number.purpose === "chat") return t("picker.chat");
  if (number.global_outbound) return t("picker.global");
  if (number.verification.state !== "verified") return t(number.verification.state === "failed" ? "picker.failed" : "picker.unverified");
  const { inbound, outbound } = number.queues;
  if (role === "inbound" && inbound && inbound !== queue) return t("picker.taken", { queue: nameOf(inbound) });
  // Where this queue has it as outbound only, it is free once it is taken out there.
  const holders = outbound.filter((id) => id !== queue || own.includes(number.number));
  if (role === "inbound" && !inbound && holders.length > 0) return t("picker.outbound_only", { queue: holders.map(nameOf).join(", ") });
  return null;
}

/** The queues above one, the uppermost first. @param {Api.Queue[]} queues @param {string} id */
export function ancestors(queues, id) {
  /** @type {Api.Queue[]} */
  const found = [];
  let parent = queues.find((queue) => queue.id === id)?.parent;
  while (parent && found.length < 20) {
    const queue = queues.find((other) => other.id === parent);
    if (!queue) break;
    found.unshift(queue);
    parent = queue.parent;
  }
  return found;
}

/** A queue and all below it: none of them can be its parent. @param {Api.Queue[]} queues @param {string} id @returns {string[]} */
export function descendants(queues, id) {
  return [id, ...queues.filter(({ parent }) => parent === id).flatMap((queue) => descendants(queues, queue.id))];
}

/** The languages that a queue can have. @param {Api.LanguageItem[]} languages @param {string | null} own @param {string} inherit @returns {Array<[string, string]>} */
export function languageOptions(languages, own, inherit) {
  const codes = new Set([...languages.map(({ code }) => code), ...(own ? [own] : []), "en", "it"]);
  return [["", inherit], ...[...codes].sort().map((code) => /** @type {[string, string]} */ ([code, languageName(code)]))];
}
