// Dialogs, questions and toasts. The browser's own <dialog> keeps the focus inside, makes the page behind it inert and
// closes on Escape.
import { html, nothing } from "../vendor/lit.js";
import { t, visible } from "../words/words.js";
import { Part, refocus, uid, whereFocusIs } from "./element.js";

/** Dialogs that are open, the topmost last. @type {Dialog[]} */
const open = [];

/** What is outside of an open dialog is inert: what is said, and what can be undone, moves into it. @param {ParentNode} [from] */
function moveRegions(from = document) {
  const host = open.at(-1)?.dialog ?? document.body;
  for (const region of from.querySelectorAll("off-toasts, #say")) if (region.parentNode !== host) host.append(region);
}

/** `<off-dialog>`: shown as long as it stands in the page; emits `shut` when a person closes it. */
export class Dialog extends Part {
  static properties = {
    label: { attribute: false },
    content: { attribute: false },
    kind: { attribute: false },
    stays: { attribute: false },
    isDirty: { attribute: false },
  };

  constructor() {
    super();
    this.label = "";
    this.kind = "";
    /** Whether it has no way out but what it asks for. */
    this.stays = false;
    /** Whether closing it would lose something. */
    this.isDirty = () => false;
    /** @type {() => unknown} */
    this.content = () => nothing;
    this.titleId = uid("dialog");
    /** What opened it. */
    this.from = whereFocusIs();
  }

  /** @override */
  async firstUpdated() {
    // What is inside renders first, so that the field with `autofocus` is there to get the focus.
    const inside = [...(this.dialog?.querySelectorAll("*") ?? [])];
    await Promise.all(inside.map((element) => (element instanceof Part ? element.updateComplete : null)));
    this.#show();
  }

  #show() {
    if (!this.isConnected) return;
    this.dialog?.showModal();
    open.push(this);
    moveRegions();
  }

  #leave() {
    if (open.includes(this)) open.splice(open.indexOf(this), 1);
    // The page has lost sight of them where this element has left it.
    moveRegions(this);
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.#leave();
    // The browser gives the focus back where a dialog is closed, not where it is taken away.
    if (document.activeElement === document.body) refocus(this.from);
  }

  async closed() {
    this.#leave();
    const stays =
      this.stays || (this.isDirty() && !(await ask({ title: t("leave.title"), text: t("leave.text"), action: t("leave"), danger: true })));
    if (!stays) this.emit("shut");
    else this.#show();
  }

  get dialog() {
    return /** @type {HTMLDialogElement | null} */ (this.find("dialog"));
  }

  /** @override */
  render() {
    return html`<dialog class=${this.kind} aria-labelledby=${this.titleId} @close=${this.closed}>
      <div class="inside"><h2 id=${this.titleId} class="wrap">${visible(this.label)}</h2>${this.content()}</div>
    </dialog>`;
  }
}
customElements.define("off-dialog", Dialog);

/**
 * A dialog from the side of a page's template.
 * @param {string} label @param {() => unknown} content @param {(() => void) | null} shut null for one that stays
 * @param {{ kind?: string, isDirty?: () => boolean }} [options]
 */
export function dialog(label, content, shut, { kind = "", isDirty = () => false } = {}) {
  return html`<off-dialog .label=${label} .content=${content} .kind=${kind} .stays=${shut === null} .isDirty=${isDirty} @shut=${(
    /** @type {Event} */ event,
  ) => {
    event.stopPropagation();
    shut?.();
  }}></off-dialog>`;
}

/** Closes the dialog of a button as Escape would: it asks where something would be lost. @param {Event} event */
export function shutDialog(event) {
  /** @type {HTMLElement} */ (event.currentTarget).closest("dialog")?.close();
}

/**
 * Asks before what cannot be undone, naming what will happen.
 * @param {{ title: string, text: unknown, action: string, danger?: boolean }} question
 * @returns {Promise<boolean>}
 */
export function ask({ title, text, action, danger = false }) {
  const element = new Dialog();
  const { promise, resolve } = later();
  element.label = title;
  element.content = () => html`<p class="wrap">${typeof text === "string" ? visible(text) : text}</p>
    <footer>
      <button type="button" class="b" autofocus @click=${() => element.dialog?.close()}>${t("cancel")}</button>
      <button type="button" class="b ${danger ? "d" : "p"}" @click=${() => {
        resolve(true);
        element.dialog?.close();
      }}>${action}</button>
    </footer>`;
  element.addEventListener("shut", () => {
    resolve(false);
    element.remove();
  });
  document.body.append(element);
  return promise;
}

/** @returns {{ promise: Promise<boolean>, resolve: (value: boolean) => void }} */
function later() {
  /** @type {(value: boolean) => void} */
  let resolve = () => {};
  const promise = new Promise((/** @type {(value: boolean) => void} */ settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** How long a change can be undone. */
const TOAST_MS = 10_000;

/** @typedef {{ text: string, label?: string, act?: () => void }} Toast */

class Toasts extends Part {
  constructor() {
    super();
    /** @type {Toast[]} */
    this.items = [];
  }

  /** @param {Toast} item */
  add(item) {
    this.items = [...this.items.slice(-3), item];
    this.requestUpdate();
    setTimeout(() => this.drop(item), TOAST_MS);
  }

  /** @param {Toast} item */
  drop(item) {
    // One that is being used stays until the focus leaves it.
    if (this.contains(document.activeElement)) return void setTimeout(() => this.drop(item), TOAST_MS);
    this.items = this.items.filter((other) => other !== item);
    this.requestUpdate();
  }

  /** @override */
  render() {
    return html`<div class="toasts" role="status">${this.items.map(
      (item) =>
        html`<div class="toast"><span class="wrap">${visible(item.text)}</span>${
          item.act
            ? html`<button type="button" class="link" @click=${() => {
                this.items = this.items.filter((other) => other !== item);
                this.requestUpdate();
                item.act?.();
              }}>${item.label}</button>`
            : nothing
        }</div>`,
    )}</div>`;
  }
}
customElements.define("off-toasts", Toasts);

/** @param {string} text @param {{ label: string, act: () => void }} [action] */
export function toast(text, action) {
  const toasts = /** @type {Toasts | null} */ (document.querySelector("off-toasts"));
  toasts?.add({ text, ...action });
}
