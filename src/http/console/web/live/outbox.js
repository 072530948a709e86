// Texts of this browser that the gateway has not answered for. Each has an Idempotency-Key that survives a reload, so
// a text whose fate is unknown is asked about again until there is an answer, and is never sent twice.
import { Problem, asProblem, path, request, unique } from "./api.js";

/** @typedef {{ preset: string, language?: string | null } | { text: string }} Content */
/** @typedef {{ ref: string, key: string, body: Record<string, unknown>, message: any, unsure: boolean }} Item */
/** @typedef {import("./reducer.js").Action} Action */
/** @typedef {{ getItem(key: string): string | null, setItem(key: string, value: string): void, removeItem(key: string): void }} Storage */

const BACK_OFF_MAX_MS = 15_000;
/** The gateway itself says after 10 s that an outcome is not known; without any answer nothing is known after this. */
const ANSWER_WITHIN_MS = 15_000;

export class Outbox {
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
    this.#takeBack();
    for (const item of this.#read(this.#sent)) {
      // The earlier page may have sent it.
      item.unsure = true;
      this.dispatch({ do: "send", message: item.message });
      this.dispatch({ do: "unknown", ref: item.ref });
      void this.#deliver(item, true);
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
    this.#keep(item);
    this.dispatch({ do: "send", message: /** @type {any} */ (message) });
    return this.#deliver(item);
  }

  /** @param {Item} item @param {boolean} [shared] whether an earlier page of this tab may still wait for its answer */
  async #deliver(item, shared = false) {
    for (let tries = 0; !this.#stopped; tries += 1) {
      if (shared && !this.#isListed(item)) return this.#takeBack();
      try {
        const { data } = await this.#post(item);
        this.#forget(item);
        return this.dispatch({ do: "accepted", ref: item.ref, message: data });
      } catch (thrown) {
        const problem = asProblem(thrown);
        if (!mayBeTaken(problem, item.unsure)) return this.#refused(item, problem, shared);
        item.unsure = true;
        this.#keep(item);
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

  /** @param {Item} item @param {import("./api.js").Problem} problem @param {boolean} shared */
  #refused(item, problem, shared) {
    const listed = this.#isListed(item);
    this.#forget(item);
    if (this.#stopped) {
      // Nobody looks at this call any more: the text waits for whoever opens it again.
      const { status, code, detail } = problem;
      if (listed)
        this.#write(this.#back, [...this.#read(this.#back), { ref: item.ref, content: item.body, problem: { status, code, detail } }]);
      return;
    }
    // What was refused to an earlier page as well comes back once.
    if (shared && !listed) return this.#takeBack();
    this.dispatch({ do: "refused", ref: item.ref });
    this.giveBack(/** @type {Content} */ (item.body), problem);
  }

  /** Gives back what was refused after an earlier page of this tab had been left. */
  #takeBack() {
    const found = this.#read(this.#back);
    this.#write(this.#back, []);
    for (const { ref, content, problem } of found) {
      this.dispatch({ do: "refused", ref });
      this.giveBack(content, new Problem(problem.status, problem));
    }
  }

  get #sent() {
    return `offhook.outbox.${this.callId}`;
  }

  get #back() {
    return `offhook.returned.${this.callId}`;
  }

  /** The tab's list is what counts: a page that was left and the one after it both see to it. @param {Item} item */
  #isListed(item) {
    return this.#read(this.#sent).some(({ ref }) => ref === item.ref);
  }

  /** @param {Item} item */
  #keep(item) {
    const list = this.#read(this.#sent);
    const at = list.findIndex(({ ref }) => ref === item.ref);
    this.#write(this.#sent, at < 0 ? [...list, item] : list.with(at, item));
  }

  /** @param {Item} item */
  #forget(item) {
    this.#write(
      this.#sent,
      this.#read(this.#sent).filter(({ ref }) => ref !== item.ref),
    );
  }

  /** @param {string} name @returns {any[]} */
  #read(name) {
    try {
      return JSON.parse(this.storage?.getItem(name) ?? "[]");
    } catch {
      return [];
    }
  }

  /** @param {string} name @param {any[]} list */
  #write(name, list) {
    try {
      if (list.length > 0) this.storage?.setItem(name, JSON.stringify(list));
      else this.storage?.removeItem(name);
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
