// Texts of this browser that the gateway has not answered for. Each has an Idempotency-Key that survives a reload, so
// a text whose fate is unknown is asked about again until there is an answer, and is never sent twice.
import { asProblem, path, request, unique } from "./api.js";

/** @typedef {{ preset: string, language?: string | null } | { text: string }} Content */
/** @typedef {{ ref: string, key: string, body: Record<string, unknown>, message: any, unsure: boolean }} Item */
/** @typedef {import("./reducer.js").Action} Action */
/** @typedef {{ getItem(key: string): string | null, setItem(key: string, value: string): void, removeItem(key: string): void }} Storage */

const BACK_OFF_MAX_MS = 15_000;
/** The gateway itself says after 10 s that an outcome is not known; without any answer nothing is known after this. */
const ANSWER_WITHIN_MS = 15_000;

export class Outbox {
  /** @type {Item[]} */
  #items = [];
  #stopped = false;

  /**
   * @param {string} callId
   * @param {(action: Action) => void} dispatch
   * @param {(content: Content, problem: import("./api.js").Problem) => void} giveBack a text that was not taken
   * @param {{ storage?: Storage | null, post?: typeof request, wait?: (ms: number) => Promise<void> }} [outside] replaced in tests
   */
  constructor(callId, dispatch, giveBack, outside = {}) {
    this.callId = callId;
    this.dispatch = dispatch;
    this.giveBack = giveBack;
    this.storage = outside.storage === undefined ? safeStorage() : outside.storage;
    this.post = outside.post ?? request;
    this.wait = outside.wait ?? ((ms) => this.#sleep(ms));
  }

  /** Ends the waits for another try. @type {Set<() => void>} */
  #wakes = new Set();

  /** @param {number} ms @returns {Promise<void>} */
  #sleep(ms) {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wakes.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#wakes.add(wake);
    });
  }

  /** The gateway is there again: what waits for another try goes now. */
  retry() {
    for (const wake of this.#wakes) wake();
  }

  /** Takes up what an earlier page of this tab left. */
  resume() {
    try {
      this.#items = JSON.parse(this.storage?.getItem(this.#name) ?? "[]");
    } catch {
      this.#items = [];
    }
    for (const item of this.#items) {
      // The earlier page may have sent it.
      item.unsure = true;
      this.dispatch({ do: "send", message: item.message });
      this.dispatch({ do: "unknown", ref: item.ref });
      void this.#deliver(item);
    }
  }

  stop() {
    this.#stopped = true;
  }

  /**
   * @param {Content} content
   * @param {{ agent: string | null, text: string, kind: string }} shown
   */
  send(content, { agent, text, kind }) {
    const ref = unique();
    const body = { ...content, client_ref: ref, ...(agent ? { agent } : {}) };
    const message = {
      id: "",
      call_id: this.callId,
      direction: "outbound",
      kind,
      state: "queued",
      text,
      agent,
      client_ref: ref,
      media: [],
      warnings: [],
      error: null,
      segments: 0,
      created_at: new Date().toISOString(),
    };
    const item = { ref, key: unique(), body, message, unsure: false };
    this.#items.push(item);
    this.#keep();
    this.dispatch({ do: "send", message: /** @type {any} */ (message) });
    return this.#deliver(item);
  }

  /** @param {Item} item */
  async #deliver(item) {
    for (let tries = 0; !this.#stopped; tries += 1) {
      try {
        const { data } = await this.#post(item);
        this.#forget(item);
        return this.dispatch({ do: "accepted", ref: item.ref, message: data });
      } catch (thrown) {
        const problem = asProblem(thrown);
        if (!mayBeTaken(problem, item.unsure)) {
          this.#forget(item);
          this.dispatch({ do: "refused", ref: item.ref });
          return this.giveBack(/** @type {Content} */ (item.body), problem);
        }
        item.unsure = true;
        this.#keep();
        this.dispatch({ do: "unknown", ref: item.ref });
        await this.wait(problem.retryAfterMs ?? Math.min(BACK_OFF_MAX_MS, 1000 * 2 ** Math.min(tries, 4)));
      }
    }
  }

  /** @param {Item} item */
  async #post({ body, key }) {
    const stopping = new AbortController();
    const timer = setTimeout(() => stopping.abort(), ANSWER_WITHIN_MS);
    try {
      return await this.post("POST", `${path("calls", this.callId)}/messages`, { body, key, signal: stopping.signal });
    } finally {
      clearTimeout(timer);
    }
  }

  get #name() {
    return `offhook.outbox.${this.callId}`;
  }

  /** @param {Item} item */
  #forget(item) {
    this.#items = this.#items.filter((other) => other !== item);
    this.#keep();
  }

  #keep() {
    try {
      if (this.#items.length > 0) this.storage?.setItem(this.#name, JSON.stringify(this.#items));
      else this.storage?.removeItem(this.#name);
    } catch {
      // Without storage a reload loses what is under way; the gateway's events show whether it was taken.
    }
  }
}

/**
 * Whether the gateway may have taken the text. A 503 says that it did not take this try, which says nothing of an
 * earlier one.
 * @param {import("./api.js").Problem} problem
 * @param {boolean} unsure
 */
export function mayBeTaken({ status, code }, unsure) {
  if (status === 0 || status === 504 || code === "idempotency_in_progress") return true;
  return status >= 500 && (unsure || status === 502 || status === 500);
}

/** @returns {Storage | null} */
function safeStorage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}
