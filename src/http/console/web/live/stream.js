// Live events: one stream a person in a browser, read by the tab that holds a lock; their other tabs hear it from that tab.
// A page that listens first and then loads its snapshot misses nothing, because the stream began before the snapshot.
import { asProblem, problemOf, renewSession, sessionKey } from "./api.js";

/** The gateway repeats its position after 15 s of silence; after twice that the connection is dead. */
const SILENCE_MS = 35_000;
const BACK_OFF_MAX_MS = 30_000;
/** A connection that lasted this long was a good one: after it the next try comes soon. */
const STEADY_MS = 3_000;

/** @typedef {import("./reducer.js").Event} Event */
/** @typedef {{ up: boolean, since: number, retryAt: number | null }} State since when, and when it is tried again */

/**
 * Parses `text/event-stream`, in pieces that may end anywhere.
 * @returns {(piece: string) => Array<{ id: string | null, data: string }>}
 */
export function parser() {
  let rest = "";
  return (piece) => {
    rest += piece;
    const blocks = rest.split(/\r\n\r\n|\n\n|\r\r/);
    rest = blocks.pop() ?? "";
    return blocks.map((block) => {
      /** @type {string | null} */
      let id = null;
      const data = [];
      for (const line of block.split(/\r\n|\n|\r/)) {
        const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
        if (field === "id") id = value;
        if (field === "data") data.push(value);
      }
      return { id, data: data.join("\n") };
    });
  };
}

/** How long to wait before the next try: 1 s doubled each time, with jitter. @param {number} tries @param {number} [random] */
export function backOff(tries, random = Math.random()) {
  return Math.min(BACK_OFF_MAX_MS, 1000 * 2 ** Math.min(tries, 5)) * (0.5 + random / 2);
}

/** Emits `event` (detail: Event), `reset` (snapshots are to be loaded again) and `state`. */
export class Live extends EventTarget {
  /** @type {State} */
  state = { up: true, since: Date.now(), retryAt: null };
  /** The last position heard of. */
  #cursor = "";
  #leads = false;
  /** Whose events: a tab that stays open in its person's name neither feeds the tabs of who signs in next, nor hears them. */
  #person = "";
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /** @type {AbortController | null} */
  #connection = null;
  #heardAt = 0;
  /** @type {(() => void) | null} */
  #wake = null;

  /**
   * Hears the person's other tabs, before a page is loaded: what comes between its snapshot and `start` is not missed.
   * @param {string} person
   */
  open(person) {
    this.#person = person;
    // Without locks (plain HTTP off loopback) each tab has a stream of its own.
    if (!navigator.locks || typeof BroadcastChannel === "undefined") return;
    this.#channel ??= new BroadcastChannel(`offhook-live-1 ${person}`);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
  }

  close() {
    this.#channel?.close();
    this.#channel = null;
  }

  /** @param {string} cursor the position of the first answer that this tab got */
  start(cursor) {
    this.#cursor ||= cursor;
    const look = () => this.#look();
    for (const event of ["focus", "pageshow"]) addEventListener(event, look);
    // A connection of the network before says nothing more, and may not break either.
    addEventListener("online", () => (this.state.up ? this.#connection?.abort() : look()));
    document.addEventListener("visibilitychange", look);
    setInterval(look, 5_000);
    if (navigator.locks) {
      this.#tell({ is: "hello" });
      void navigator.locks.request(`offhook-stream ${this.#person}`, () => this.#lead(() => true));
    } else {
      // Only the tab that is looked at streams.
      void this.#lead(() => document.visibilityState === "visible");
    }
  }

  /** Reads the stream as long as this tab lives. @param {() => boolean} may */
  async #lead(may) {
    this.#leads = true;
    let tries = 0;
    for (;;) {
      while (!may()) await this.#sleep(3_600_000);
      const began = Date.now();
      const wait = await this.#connect();
      // A tab that was hidden is not cut off: it takes up where it was when it is looked at.
      if (!may()) continue;
      tries = Date.now() - began > STEADY_MS ? 0 : tries + 1;
      const ms = wait ?? backOff(tries - 1);
      this.#setState({ up: false, since: this.state.up ? Date.now() : this.state.since, retryAt: Date.now() + ms });
      if (ms > 0) await this.#sleep(ms);
    }
  }

  /** One connection. @returns {Promise<number | null>} how long to wait before the next, if the gateway said so */
  async #connect() {
    this.#connection = new AbortController();
    this.#heardAt = Date.now();
    try {
      const after = this.#cursor || "now";
      const headers = { Accept: "text/event-stream", "X-Offhook-Key": sessionKey() };
      const response = await fetch(`/v1/events?after=${encodeURIComponent(after)}`, {
        headers,
        signal: this.#connection.signal,
        cache: "no-store",
      });
      if (!response.ok) return await this.#refused(response);
      if (!response.body || !response.headers.get("Content-Type")?.startsWith("text/event-stream")) return null;
      this.#setState({ up: true, since: Date.now(), retryAt: null });
      if (after === "now") this.#emit({ is: "reset", cursor: "" });
      await this.#read(response.body);
    } catch {
      // A connection that broke is opened again after what was heard last.
    }
    return null;
  }

  /** @param {Response} response */
  async #refused(response) {
    const problem = await problemOf(response);
    if (problem.status === 401) {
      await renewSession();
      return 0;
    }
    if (problem.status === 410 || problem.code === "cursor_invalid") {
      // Too old, or of another journal: begin now, and load what is shown again.
      this.#cursor = "";
      return 0;
    }
    return asProblem(problem).retryAfterMs;
  }

  /** @param {ReadableStream<Uint8Array>} body */
  async #read(body) {
    const parse = parser();
    const text = new TextDecoder();
    const reader = body.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      this.#heardAt = Date.now();
      for (const { id, data } of parse(text.decode(value, { stream: true }))) {
        const event = data === "" ? null : read(data);
        if (event) this.#emit({ is: "event", event, cursor: id ?? event.cursor });
        else if (id) this.#emit({ is: "cursor", cursor: id });
      }
    }
  }

  /** Looks whether the connection still lives: after a sleep of the machine nothing else does. */
  #look() {
    if (!this.#leads) return;
    if (this.state.up && Date.now() - this.#heardAt > SILENCE_MS) this.#connection?.abort();
    if (
      !this.state.up &&
      navigator.onLine &&
      document.visibilityState === "visible" &&
      this.state.retryAt !== null &&
      this.state.retryAt < Date.now()
    )
      this.#wake?.();
    if (navigator.locks) return;
    if (document.visibilityState === "visible") this.#wake?.();
    else this.#connection?.abort();
  }

  /** Tries at once. */
  retry() {
    if (this.#leads) this.#wake?.();
    else this.#tell({ is: "retry" });
  }

  /** @param {number} ms */
  #sleep(ms) {
    return new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** @param {State} state */
  #setState(state) {
    this.state = state;
    this.#tell({ is: "state", state });
    this.dispatchEvent(new CustomEvent("state"));
  }

  /** @param {any} said */
  #emit(said) {
    this.#tell(said);
    this.#pass(said);
  }

  /** @param {any} said */
  #tell(said) {
    this.#channel?.postMessage(said);
  }

  /** What another tab says. @param {any} said */
  #hear(said) {
    if (this.#leads) {
      if (said.is === "hello") this.#tell({ is: "state", state: this.state });
      if (said.is === "retry") this.#wake?.();
      return;
    }
    if (said.is === "state") {
      this.state = said.state;
      this.dispatchEvent(new CustomEvent("state"));
    } else this.#pass(said);
  }

  /** @param {any} said */
  #pass({ is, event, cursor }) {
    if (cursor !== undefined) this.#cursor = cursor;
    if (is === "event") this.dispatchEvent(new CustomEvent("event", { detail: event }));
    if (is === "reset") this.dispatchEvent(new CustomEvent("reset"));
  }
}

/** @param {string} data @returns {Event | null} null for what is no event */
function read(data) {
  try {
    const event = JSON.parse(data);
    return typeof event?.id === "string" && typeof event.type === "string" && event.data ? event : null;
  } catch {
    return null;
  }
}

/** The events of this browser. */
export const live = new Live();
