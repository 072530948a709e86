// A gateway in memory for the tests of the pages: the answers of the contract, with just enough behind them. What the
// real one decides is not repeated here; the browser tests against the real binary show that.
import { randomBytes } from "node:crypto";
import { seed } from "./seed.mjs";
import { measure } from "../../../src/http/console/web/live/counter.js";

/** @typedef {{ status: number, body?: any, headers?: Record<string, string> }} Answer */
/** @typedef {{ method: string, path: string, query: URLSearchParams, body: any, headers: Record<string, string | undefined> }} Request */

/** @param {number} status @param {string} code @param {string} [detail] @param {object} [more] @returns {Answer} */
export const problem = (status, code, detail = "", more = {}) => ({ status, body: { title: code, status, code, detail, ...more } });

export class Gateway {
  constructor() {
    /** @type {any[]} */
    this.events = [];
    /** @type {Set<(event: any) => void>} */
    this.listeners = new Set();
    /** @type {Map<string, any>} calls by id, newest last */
    this.calls = new Map();
    /** @type {Map<string, any>} */
    this.messages = new Map();
    /** @type {Map<string, any>} */
    this.inboxes = new Map([
      ["+12065550142", []],
      ["+12065550143", []],
      ["+393471234567", []],
    ]);
    /** @type {Map<string, any>} directory documents by path */
    this.docs = new Map();
    /** @type {Map<string, number>} */
    this.versions = new Map();
    this.version = 100;
    /** @type {Map<string, Answer>} */
    this.remembered = new Map();
    /** @type {Map<string, any>} */
    this.optOuts = new Map([
      ["+12065550199", { number: "+12065550199", everywhere: true, our_numbers: [], since: "2026-11-28T08:00:00.000Z", by: "keyword" }],
    ]);
    this.audit = /** @type {any[]} */ ([]);
    this.mood = { delay_ms: 0, answer: "ok", receipts: "normal" };
    this.me = {
      kind: "person",
      name: "anna",
      scopes: ["send", "calls", "read", "admin", "operate"],
      texts: true,
      build: "build-1",
      demo: true,
      languages: ["en", "it"],
    };
    this.health = { ready: true, reasons: [], notes: [], accounts: [], refusals: [] };
    this.step = 30;
    /** Events before this one are no longer kept. */
    this.expired = 0;
    /** Answers that a test wants instead. @type {((request: Request) => Answer | null | Promise<Answer | null>) | null} */
    this.instead = null;
    /** @type {Request[]} */
    this.seen = [];
    seed((path, doc) => this.#store(path, doc));
  }

  /** @param {string} path @param {any} doc */
  #store(path, doc) {
    this.docs.set(path, doc);
    this.versions.set(path, ++this.version);
  }

  /** @param {string} path */
  etag(path) {
    return `"${this.versions.get(path)}"`;
  }

  /** @param {string} prefix @returns {Array<[string, any]>} */
  under(prefix) {
    return [...this.docs].filter(([path]) => path.startsWith(prefix)).map(([path, doc]) => [path.slice(prefix.length), doc]);
  }

  get cursor() {
    return `c${this.events.length}`;
  }

  /** @param {string} type @param {any} data @param {string | null} [call] */
  emit(type, data, call = null) {
    const its = call === null ? null : this.events.filter(({ call_id: id }) => id === call).length + 1;
    const event = {
      id: `evt_${randomBytes(8).toString("hex")}`,
      cursor: `c${this.events.length + 1}`,
      call_sequence: its,
      type,
      at: new Date().toISOString(),
      call_id: call,
      data: structuredClone(data),
    };
    this.events.push(event);
    for (const listener of this.listeners) listener(event);
    return event;
  }

  /** Somebody else changes a document. @param {string} path @param {any} doc @param {string} [by] */
  change(path, doc, by = "bruno") {
    this.#store(path, doc);
    const [, , resource, ...id] = path.split("/");
    this.audit.unshift({
      at: new Date().toISOString(),
      actor: by,
      action: "change",
      resource: path.slice(4),
      reason: null,
      before: null,
      after: null,
    });
    this.emit("directory.changed", { resource, id: id.join("/") || null, etag: this.etag(path), by });
  }

  // What the gateway adds to a document.
  /** @param {string} path @returns {any} */
  show(path) {
    const doc = this.docs.get(path);
    const [, , kind, ...rest] = path.split("/");
    const id = rest.join("/");
    if (kind === "settings")
      return {
        ...doc,
        activation_required: !this.under("/v1/numbers/").some(
          ([number, { verification }]) => number.startsWith("+1") && verification.state === "verified",
        ),
      };
    if (kind === "numbers") {
      const queues = this.under("/v1/queues/");
      return {
        number: id,
        ...doc,
        suspended: doc.suspended ?? null,
        queues: {
          inbound: queues.find(([, queue]) => queue.inbound_numbers.includes(id))?.[0] ?? null,
          outbound: queues.filter(([, queue]) => queue.outbound_numbers.includes(id)).map(([queue]) => queue),
        },
        lane: { queued: 0, tokens: 1, oldest_ready_ms: null, paused_until: null },
      };
    }
    if (kind === "queues") return { id, ...doc, effective: this.effective(id) };
    if (kind === "presets") {
      const { encoding, segments } = measure(doc.text);
      return { language: rest[0], id: rest[1], ...doc, encoding, segments, warnings: segments > 1 ? ["over_one_segment"] : [] };
    }
    return {
      name: id,
      ...doc,
      carrier: "twilio",
      public_url: "https://sms.example.com",
      webhooks: { messages: "https://sms.example.com/carriers/main/messages", receipts: "https://sms.example.com/carriers/main/receipts" },
      report_only_until: null,
      breaker: "closed",
      paused_until: null,
      reason: null,
      detail: null,
      suspended: null,
      last_success_at: null,
    };
  }

  /** @param {string} id @returns {{ in_call_sms: boolean, language: string }} */
  effective(id) {
    const settings = this.docs.get("/v1/settings");
    const queue = this.docs.get(`/v1/queues/${id}`);
    const above =
      queue?.parent && this.docs.has(`/v1/queues/${queue.parent}`)
        ? this.effective(queue.parent)
        : { in_call_sms: settings.in_call_sms, language: settings.default_language };
    return { in_call_sms: settings.in_call_sms && (queue?.in_call_sms ?? above.in_call_sms), language: queue?.language ?? above.language };
  }

  /** @param {any} call */
  sms(call) {
    const settings = this.docs.get("/v1/settings");
    const refusal =
      call.state === "ended"
        ? "call_ended"
        : !settings.in_call_sms
          ? "in_call_sms_off"
          : !this.effective(call.queue).in_call_sms
            ? "queue_disabled"
            : this.optOuts.has(call.caller)
              ? "opted_out"
              : !call.caller.startsWith("+1") && !settings.non_us.in_call
                ? "non_us_blocked"
                : call.phase === "waiting" && !call.wait_sms_consent
                  ? "wait_consent_missing"
                  : null;
    return {
      session: call.state === "ended" ? "closed" : call.our_number ? "open" : "none",
      closed_reason: call.state === "ended" ? "call_ended" : null,
      can_send: refusal === null,
      refusal,
      custom_allowed: settings.custom_messages && !settings.presets_only,
    };
  }

  /** @param {any} call */
  showCall(call) {
    return { ...call, sms: this.sms(call) };
  }

  /** Ids rise as messages are accepted. */
  #messageId() {
    return `msg_${String(this.messages.size + 1).padStart(12, "0")}`;
  }

  /** @param {any} call @param {string} kind @param {string} text @param {object} more */
  send(call, kind, text, more = {}) {
    const { encoding, segments } = measure(text);
    if (!call.our_number) call.our_number = this.docs.get(`/v1/queues/${call.queue}`)?.inbound_numbers[0] ?? "+12065550102";
    const message = {
      id: this.#messageId(),
      call_id: call.id,
      direction: "outbound",
      kind,
      state: "queued",
      from: call.our_number,
      to: call.caller,
      text,
      encoding,
      segments,
      warnings: [],
      estimated_wait_ms: 0,
      media: [],
      agent: null,
      smart_action: null,
      client_ref: null,
      error: null,
      created_at: new Date().toISOString(),
      ...more,
    };
    this.messages.set(message.id, message);
    this.emit("message.queued", message, call.id);
    void this.#carry(message, call);
    return message;
  }

  /** @param {any} message @param {any} call */
  async #carry(message, call) {
    const rest = () => new Promise((resolve) => setTimeout(resolve, this.step + this.mood.delay_ms));
    await rest();
    if (this.mood.answer !== "ok" || message.state !== "queued") return;
    const move = (/** @type {string} */ state) => {
      message.state = state;
      const { text: _text, ...data } = message;
      this.emit(`message.${state}`, data, message.call_id);
    };
    move("sent");
    this.inboxes
      .get(message.to)
      ?.push({ direction: "in", from: message.from, to: message.to, text: message.text, media: 0, at: new Date().toISOString() });
    call.usage.segments_sent += message.segments;
    if (this.mood.receipts !== "normal") return;
    await rest();
    move("delivered");
  }

  /** A text from a phone. @param {string} from @param {{ to: string, text: string, photos?: number, video?: boolean, file?: any }} text */
  receive(from, { to, text, photos = 0, video = false, file }) {
    const kinds = [...Array(photos).fill("image/png"), ...(video ? ["video/mp4"] : []), ...(file ? [file.content_type] : [])];
    const media = kinds.map((content_type) => ({ id: `med_${randomBytes(6).toString("hex")}`, state: "pending", content_type }));
    this.inboxes.get(from)?.push({ direction: "out", from, to, text, media: media.length, at: new Date().toISOString() });
    const call = [...this.calls.values()].find(({ caller, state }) => caller === from && state === "active");
    if (/^stop$/i.test(text.trim())) {
      this.optOuts.set(from, { number: from, everywhere: true, our_numbers: [], since: new Date().toISOString(), by: "keyword" });
      setTimeout(
        () =>
          this.emit("contact.opted_out", {
            contact: from,
            our_number: to,
            keyword: "stop",
            by: "keyword",
            ...(call ? { call_id: call.id } : {}),
          }),
        this.step,
      );
    }
    if (!call) {
      const last = [...this.calls.values()].filter(({ caller }) => caller === from).at(-1);
      this.emit("message.late", { from, to, at: new Date().toISOString(), auto_replied: true, last_call_id: last?.id ?? null });
      this.inboxes.get(from)?.push({
        direction: "in",
        from: to,
        to: from,
        text: this.docs.get("/v1/settings").auto_reply.texts.en,
        media: 0,
        at: new Date().toISOString(),
      });
      return;
    }
    call.our_number ??= to;
    const message = {
      id: this.#messageId(),
      call_id: call.id,
      direction: "inbound",
      kind: "inbound",
      state: "received",
      from,
      to,
      text,
      encoding: "gsm7",
      segments: 1,
      warnings: [],
      estimated_wait_ms: null,
      media,
      agent: null,
      smart_action: null,
      client_ref: null,
      error: null,
      created_at: new Date().toISOString(),
      before_hangup: true,
      reply_blocked: false,
      opt_out_keyword: /^stop$/i.test(text.trim()) ? "STOP" : null,
    };
    this.messages.set(message.id, message);
    call.usage.received += 1;
    this.emit("message.received", message, call.id);
    for (const medium of media) {
      setTimeout(() => {
        Object.assign(medium, { state: "ready", bytes: 68, sha256: "0".repeat(64), url: `/v1/media/${medium.id}` });
        this.emit("media.ready", { message_id: message.id, medium }, call.id);
      }, this.step * 2);
    }
  }
}
