// One call that is being looked at: its snapshot, its events, the texts that are under way, and why others wait.
import { LookAgain, all, asProblem, get, path } from "./api.js";
import { Outbox } from "./outbox.js";
import { nothingYet, reduce } from "./reducer.js";
import { live } from "./stream.js";

/** How often a text that waits is asked about, as the gateway's gauges are. */
const EXPLAIN_EVERY_MS = 2_000;
const EXPLAINED_MAX = 3;
/** Events that come together are followed by one look at the call. */
const REFRESH_AFTER_MS = 250;

/** Emits `change`. */
export class Talk extends EventTarget {
  state = nothingYet();
  /** @type {import("./api.js").Problem | null} */
  problem = null;
  /** Why texts wait, by message. @type {Map<string, Api.Explanation>} */
  waits = new Map();
  /** Texts that came back, and why. @type {Array<{ content: import("./outbox.js").Content, problem: import("./api.js").Problem }>} */
  returned = [];

  /** @param {string} callId */
  constructor(callId) {
    super();
    this.callId = callId;
    this.outbox = new Outbox(
      callId,
      (action) => this.dispatch(action),
      (content, problem) => {
        this.returned.push({ content, problem });
        this.#changed();
      },
    );
    this.#listener = (event) => this.#hear(event.detail);
    this.#reset = () => void this.load();
    this.#state = () => live.state.up && this.outbox.retry();
  }

  /** @type {(event: any) => void} */
  #listener;
  #reset;
  #state;
  #loadAgain = new LookAgain(() => this.load());
  #refreshAgain = new LookAgain(() => this.#refresh());
  /** How many events told of the call itself. */
  #told = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /** Listens, then loads: what happens in between is heard. */
  start() {
    live.addEventListener("event", this.#listener);
    live.addEventListener("reset", this.#reset);
    live.addEventListener("state", this.#state);
    this.#timer = setInterval(() => void this.#explain(), EXPLAIN_EVERY_MS);
    this.outbox.resume();
    return this.load();
  }

  stop() {
    live.removeEventListener("event", this.#listener);
    live.removeEventListener("reset", this.#reset);
    live.removeEventListener("state", this.#state);
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    this.#stopped = true;
    this.#loadAgain.stop();
    this.#refreshAgain.stop();
    this.outbox.stop();
  }

  #stopped = false;

  async load() {
    const told = this.#told;
    try {
      const where = path("calls", this.callId);
      const [{ data: call }, messages] = await Promise.all([get(where), all(`${where}/messages`, Infinity)]);
      this.problem = null;
      this.dispatch({ do: "snapshot", call, messages });
      this.#mayBeOld(told);
    } catch (thrown) {
      this.problem = asProblem(thrown);
      this.#changed();
    }
    if (!this.#stopped) this.#loadAgain.after(this.problem);
  }

  /** An answer that was under way while an event told of the call may be older than it. @param {number} told */
  #mayBeOld(told) {
    if (told !== this.#told) this.#refreshSoon();
  }

  #refreshSoon() {
    if (!this.#stopped) this.#soon ??= setTimeout(() => void this.#refresh(), REFRESH_AFTER_MS);
  }

  /** @param {import("./reducer.js").Action} action */
  dispatch(action) {
    const before = this.state;
    this.state = reduce(before, action);
    if (this.state !== before) this.#changed();
  }

  /** @param {import("./reducer.js").Event} event */
  #hear(event) {
    const { call } = this.state;
    const late = event.type === "message.late" && event.data.last_call_id === this.callId;
    // An opt-out names the person, and on some carriers the call.
    const contact =
      event.type.startsWith("contact.") &&
      (event.data.call_id === this.callId || (call?.state === "active" && event.data.contact === call.caller));
    if (event.call_id === this.callId || late) this.dispatch({ do: "event", event });
    // Number, session and usage follow the messages, and what a call may do the directory: the gateway says it.
    const own = event.call_id === this.callId && event.type.startsWith("message.");
    const directory = event.type === "directory.changed" && ["settings", "queues", "numbers", "directory"].includes(event.data.resource);
    if (event.call_id === this.callId) this.#told += 1;
    if (own || contact || directory) this.#refreshSoon();
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #soon;

  async #refresh() {
    this.#soon = undefined;
    const told = this.#told;
    try {
      const { data: call } = await get(path("calls", this.callId));
      this.dispatch({ do: "snapshot", call, messages: [] });
      this.#mayBeOld(told);
      this.#refreshAgain.after(null);
    } catch (thrown) {
      if (!this.#stopped) this.#refreshAgain.after(asProblem(thrown));
    }
  }

  async #explain() {
    if (document.visibilityState !== "visible") return;
    const queued = this.state.entries
      .filter(({ progress, message }) => progress === null && message.state === "queued")
      .slice(0, EXPLAINED_MAX);
    if (queued.length === 0 && this.waits.size === 0) return;
    const found = await Promise.all(
      queued.map(({ message }) =>
        get(`${path("messages", message.id)}/explain`).then(
          ({ data }) => /** @type {[string, Api.Explanation]} */ ([message.id, data]),
          () => null,
        ),
      ),
    );
    this.waits = new Map(found.filter((pair) => pair !== null));
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }
}
