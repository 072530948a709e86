// What every element of the console has: it renders into the page itself, so that labels, styles and the axe see one
// document, and it follows the language and whatever else it listens to as long as it stands in the page.
import { LitElement } from "../vendor/lit.js";
import { LookAgain, asProblem } from "../live/api.js";
import { onLanguage } from "../words/words.js";

/** @typedef {import("../live/api.js").Problem} Problem */

export class Part extends LitElement {
  /** @type {Array<() => void>} */
  #ends = [];

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

let ids = 0;
/** An id that nothing else in the page has. @param {string} name */
export function uid(name) {
  ids += 1;
  return `${name}-${ids}`;
}

/** Says something once to whoever hears the page instead of seeing it. @param {string} text */
export function say(text) {
  const region = document.getElementById("say");
  if (!region) return;
  // The same words twice are heard twice.
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
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
