// What every element of the console has: it renders into the page itself, so that labels, styles and the axe see one
// document, and it follows the language and whatever else it listens to as long as it stands in the page.
import { LitElement } from "../vendor/lit.js";
import { LookAgain, asProblem } from "../live/api.js";
import { onLanguage, visible } from "../words/words.js";

/** @typedef {import("../live/api.js").Problem} Problem */

export class Part extends LitElement {
  /** @type {Array<() => void>} */
  #ends = [];

  constructor() {
    super();
    this.addController({ hostUpdated: keepFocus });
  }

  /** @override */
  createRenderRoot() {
    return this;
  }

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    this.#ends.push(onLanguage(() => this.requestUpdate()));
    this.connected();
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    for (const end of this.#ends.splice(0)) end();
  }

  /** Called whenever the element comes into the page. */
  connected() {}

  /**
   * Listens as long as the element stands in the page.
   * @param {EventTarget} target
   * @param {string} name
   * @param {(event: any) => void} listener
   */
  hear(target, name, listener) {
    target.addEventListener(name, listener);
    this.#ends.push(() => target.removeEventListener(name, listener));
  }

  /** @param {() => void} work @param {number} ms while the page is looked at */
  every(ms, work) {
    const timer = setInterval(() => document.visibilityState === "visible" && work(), ms);
    this.#ends.push(() => clearInterval(timer));
  }

  /** @param {string} name @param {unknown} [detail] */
  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
  }

  /** @param {string} selector @returns {HTMLElement | null} */
  find(selector) {
    return this.renderRoot.querySelector(selector);
  }
}

/**
 * Something that is loaded: what stood there stays while it is loaded again, and when that fails. What no event will
 * bring again, because it was asked for while the gateway was away, is asked for until there is an answer.
 * @template T
 */
export class Loaded {
  /** @type {T | null} */
  data = null;
  /** @type {Problem | null} */
  problem = null;
  #turn = 0;
  #lookAgain = new LookAgain(() => this.again());
  /** @type {Promise<void>} */
  #latest = Promise.resolve();

  /** @param {Part} host @param {() => Promise<T>} load */
  constructor(host, load) {
    this.host = host;
    this.load = load;
    host.addController({ hostDisconnected: () => this.#lookAgain.stop() });
  }

  /** Loads. An answer that a later one overtook is dropped, and the later one waited for. */
  again() {
    this.#turn += 1;
    return (this.#latest = this.#load(this.#turn));
  }

  /** @param {number} turn @returns {Promise<void>} */
  async #load(turn) {
    try {
      const data = await this.load();
      if (turn !== this.#turn) return this.#latest;
      this.data = data;
      this.problem = null;
    } catch (thrown) {
      if (turn !== this.#turn) return this.#latest;
      this.problem = asProblem(thrown);
    }
    if (this.host.isConnected) this.#lookAgain.after(this.problem);
    this.host.requestUpdate();
  }
}

/** Scrolls the chosen option of a list into view, once it is rendered. @param {Part} host */
export async function showActive(host) {
  await host.updateComplete;
  // What stands in a dialog is rendered by the dialog.
  await /** @type {Part | null} */ (host.querySelector("off-dialog"))?.updateComplete;
  host.querySelector('.options [aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
}

/** @typedef {{ element: HTMLElement, above: HTMLElement[], at: number }} Place what had the focus, what it stood in, and the place of its row */

/** Where the focus is, or was when what had it vanished. @type {Place | null} */
let place = null;
document.addEventListener("focusin", () => (place = whereFocusIs()));
// A click beside everything gives the focus up; whatever else takes it away, the page did.
document.addEventListener("pointerdown", () => (place = null), true);
document.addEventListener("click", () => (place = whereFocusIs()), true);

/** @returns {Place | null} */
export function whereFocusIs() {
  const element = /** @type {HTMLElement | null} */ (document.activeElement);
  if (!element || element === document.body) return null;
  /** @type {HTMLElement[]} */
  const above = [];
  for (let up = element.parentElement; up; up = up.parentElement) above.push(up);
  const row = element.closest("tbody > tr");
  return { element, above, at: row ? [...(row.parentElement?.children ?? [])].indexOf(row) : -1 };
}

const CAN_HAVE_FOCUS = ":is(button, input, select, textarea):not(:disabled), a[href], summary, [tabindex]";

/**
 * Gives the focus back to where it was. Where that has gone, to its row or the one that came in its stead, to its form's
 * Set, or to its card, or to the page. @param {Place | null} was
 */
export function refocus(was) {
  if (!was) return;
  const { element, above, at } = was;
  const there = above.filter(({ isConnected }) => isConnected);
  const rows = there.find(({ localName }) => localName === "tbody")?.children ?? [];
  const row = there.find(({ localName }) => localName === "tr") ?? rows[Math.min(at, rows.length - 1)];
  const leads = row?.querySelector("[data-row]");
  const form = there.find((one) => one.matches("[data-form]"));
  // What stands beside a Set that has done its work would throw away what was written.
  const beside = form ? [] : [...(element.parentElement?.children ?? [])];
  // One that is being loaded has nothing yet, and is asked again when it has.
  const card = there.find((one) => one.matches("section.card"));
  const inDialog = there.find(({ localName }) => localName === "dialog")?.querySelector(CAN_HAVE_FOCUS);
  const targets = element.isConnected
    ? [element, leads, ...beside]
    : [leads, form?.querySelector("[data-set]"), inDialog, card ? card.querySelector(CAN_HAVE_FOCUS) : document.querySelector("main")];
  const target = /** @type {HTMLElement | undefined} */ (targets.find((one) => one?.matches(CAN_HAVE_FOCUS)));
  target?.focus({ preventScroll: true });
}

let looks = false;
/** What is taken away or disabled while it has the focus leaves it nowhere, so that the next key goes nowhere either. */
function keepFocus() {
  if (looks || !place || document.activeElement !== document.body) return;
  looks = true;
  // On its way from one control to the next the focus is nowhere as well.
  setTimeout(() => {
    looks = false;
    if (document.activeElement === document.body) refocus(place);
  });
}

let ids = 0;
/** An id that nothing else in the page has. @param {string} name */
export function uid(name) {
  ids += 1;
  return `${name}-${ids}`;
}

/** What comes together is said together: of two texts in a region only the last is heard. */
const SAY_AFTER_MS = 100;
/** @type {string[]} */
let toSay = [];

/** Says something once to whoever hears the page instead of seeing it. @param {string} text */
export function say(text) {
  toSay.push(visible(text));
  if (toSay.length > 1) return;
  setTimeout(() => {
    const region = document.getElementById("say");
    const all = toSay.join(". ");
    toSay = [];
    // The same words twice are heard twice.
    if (region) region.textContent = region.textContent === all ? `${all}\u00a0` : all;
  }, SAY_AFTER_MS);
}

/** What a person chose for this browser. Without storage it holds until the page is left. @param {string} name */
export function preference(name) {
  try {
    return localStorage.getItem(`offhook.${name}`);
  } catch {
    return null;
  }
}

/** @param {string} name @param {string} value */
export function prefer(name, value) {
  try {
    localStorage.setItem(`offhook.${name}`, value);
  } catch {
    // It holds until the page is left.
  }
}
