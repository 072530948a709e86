// The playground's sides: `<off-phone>`, a phone of the simulated carrier, and `<off-gateway>`, what the gateway did.
import { html, nothing, repeat } from "../vendor/lit.js";
import { Problem, asProblem, get, request, unique } from "../live/api.js";
import { showNumber } from "../live/e164.js";
import { newestFirst } from "../live/reducer.js";
import { live } from "../live/stream.js";
import { select } from "../parts/controls.js";
import { Loaded, Part } from "../parts/element.js";
import { empty, problemBar, strange } from "../parts/small.js";
import { clock, duration, t, word } from "../words/words.js";

const INBOX_EVERY_MS = 1_000;
const FILE_MAX_BYTES = 5_000_000;
const EVENTS_MAX = 200;

/** @typedef {{ direction: "in" | "out", from: string, to: string, text: string | null, media?: number, at: string }} InboxItem */

class PhoneView extends Part {
  static properties = {
    number: { attribute: false },
    phones: { attribute: false },
    to: { attribute: false },
    text: { state: true },
    problem: { state: true },
  };

  constructor() {
    super();
    this.number = "";
    /** @type {Array<{ number: string, name?: string | null }>} */
    this.phones = [];
    this.to = "";
    this.text = "";
    /** @type {import("../live/api.js").Problem | null} */
    this.problem = null;
    /** @type {Loaded<InboxItem[]>} */
    this.inbox = new Loaded(this, async () => (await get(`/demo/phones/${encodeURIComponent(this.number)}/inbox`)).data.items ?? []);
    this.loadedOf = "";
    this.count = 0;
  }

  /** @override */
  connected() {
    this.every(INBOX_EVERY_MS, () => this.number && void this.inbox.again());
    this.hear(live, "event", ({ detail }) => detail.type.startsWith("message.") && this.number && void this.inbox.again());
  }

  /** @override */
  willUpdate() {
    if (this.loadedOf === this.number || !this.number) return;
    this.loadedOf = this.number;
    this.inbox.data = null;
    void this.inbox.again();
  }

  /** @override */
  updated() {
    const log = this.find(".log");
    const length = this.inbox.data?.length ?? 0;
    if (log && length !== this.count) log.scrollTop = log.scrollHeight;
    this.count = length;
  }

  /** @param {{ text?: string, photos?: number, video?: boolean, file?: { content_type: string, data: string } }} message */
  async send(message) {
    this.problem = null;
    const last = this.inbox.data?.findLast(({ direction }) => direction === "in");
    try {
      await request("POST", `/demo/phones/${encodeURIComponent(this.number)}/texts`, {
        body: { to: this.to || last?.from, text: "", photos: 0, video: false, ...message },
        key: unique(),
      });
      if (message.text === this.text) this.text = "";
      await this.inbox.again();
    } catch (thrown) {
      this.problem = asProblem(thrown);
    }
  }

  /** @param {Event} event */
  async sendFile(event) {
    const input = /** @type {HTMLInputElement} */ (event.target);
    const file = input.files?.[0];
    input.value = "";
    if (!file) return;
    if (file.size > FILE_MAX_BYTES) return void (this.problem = new Problem(0, { code: "too_large" }));
    const bytes = new Uint8Array(await file.arrayBuffer());
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    await this.send({ file: { content_type: file.type, data: btoa(text) } });
  }

  async addPhone() {
    try {
      const { data } = await request("POST", "/demo/phones", { body: {}, key: unique() });
      this.emit("added");
      if (data?.number) this.emit("phone", data.number);
    } catch (thrown) {
      this.problem = asProblem(thrown);
    }
  }

  /** @override */
  render() {
    const items = this.inbox.data ?? [];
    return html`<section class="card phone" aria-label=${t("play.phone")}>
      <header>
        <h2>${t("play.phone")}</h2>
        <div class="row">${select({
          id: "phone-number",
          label: t("play.phone"),
          hideLabel: true,
          value: this.number,
          options: this.phones.map(({ number, name }) => [number, `${showNumber(number)}${name ? ` ${name}` : ""}`]),
          change: (value) => this.emit("phone", value),
        })}
          <button type="button" class="b" @click=${this.addPhone} title=${t("phone.add")}><span aria-hidden="true">+</span><span
            class="hide">${t("phone.add")}</span></button></div>
      </header>
      <div class="log" role="group" tabindex="0" aria-label=${t("phone.messages")}><ol>
        ${items.length === 0 && this.inbox.data ? html`<li>${empty(t("phone.empty"))}</li>` : nothing}
        ${repeat(
          items,
          (_, at) => at,
          (item) => html`<li class="m ${item.direction === "in" ? "i" : "o"}">${
            item.media
              ? html`<span
            class="meta">▣ ${t("media.count", { n: item.media })}</span>${item.text ? html`<br />` : nothing}`
              : nothing
          }${
            item.text
              ? html`<span
            dir="auto">${strange(item.text)}</span>`
              : nothing
          }</li>
          <li class="under ${item.direction === "in" ? "l" : ""}">${clock(
            item.at,
            false,
          )} · ${item.direction === "in" ? showNumber(item.from) : t("phone.from_here")}</li>`,
        )}
      </ol></div>
      <form class="comp" @submit=${(/** @type {Event} */ event) => {
        event.preventDefault();
        if (this.text.trim()) void this.send({ text: this.text });
      }}>
        ${problemBar(this.problem)}
        <label class="hide" for="phone-text">${t("phone.write")}</label>
        <textarea id="phone-text" rows="2" dir="auto" placeholder=${t("phone.write")} .value=${this.text}
          @input=${(/** @type {Event} */ event) => (this.text = /** @type {HTMLTextAreaElement} */ (event.target).value)}
          @keydown=${(/** @type {KeyboardEvent} */ event) => {
            if (event.key === "Enter" && !event.shiftKey) {
              event.preventDefault();
              if (this.text.trim()) void this.send({ text: this.text });
            }
          }}></textarea>
        <div class="row">
          <button type="button" class="chip" @click=${() => void this.send({ text: this.text, photos: 1 })}>${t("medium.photo")}</button>
          <button type="button" class="chip" @click=${() => void this.send({ text: this.text, video: true })}>${t("medium.video")}</button>
          <button type="button" class="chip" @click=${() => this.find("input[type=file]")?.click()}>${t("phone.file")}</button>
          <input type="file" hidden accept="image/*,video/*" aria-label=${t("phone.file")} @change=${this.sendFile} />
          <button type="button" class="chip" @click=${() => void this.send({ text: "STOP" })}>STOP</button>
          <button class="b p end" ?disabled=${!this.text.trim()}>${t("send")}</button>
        </div>
      </form>
    </section>`;
  }
}
customElements.define("off-phone", PhoneView);

/** What the carrier can be like, and how the demo is told. @type {Record<string, object>} */
const MOODS = {
  well: { delay_ms: 0, answer: "ok", receipts: "normal" },
  slow: { delay_ms: 3000, answer: "ok", receipts: "normal" },
  busy: { delay_ms: 0, answer: "429", receipts: "normal" },
  down: { delay_ms: 0, answer: "503", receipts: "normal" },
  cut: { delay_ms: 0, answer: "cut", receipts: "normal" },
  late: { delay_ms: 0, answer: "ok", receipts: "late" },
  silent: { delay_ms: 0, answer: "ok", receipts: "none" },
};

class GatewayView extends Part {
  static properties = { callId: { attribute: false }, mood: { state: true }, problem: { state: true } };

  constructor() {
    super();
    this.callId = "";
    this.mood = "well";
    /** @type {import("../live/api.js").Problem | null} */
    this.problem = null;
    /** @type {import("../live/reducer.js").Event[]} newest first */
    this.events = [];
    this.loadedOf = "";
  }

  /** @override */
  connected() {
    this.hear(live, "event", ({ detail }) => this.add([detail]));
    void this.loadMood();
  }

  /** @override */
  willUpdate() {
    if (this.loadedOf === this.callId || !this.callId) return;
    this.loadedOf = this.callId;
    // What happened in the call before this page was opened.
    void get(`/v1/events?limit=${EVENTS_MAX}&call_id=${encodeURIComponent(this.callId)}`).then(
      ({ data }) => this.add(data.items ?? []),
      () => null,
    );
  }

  /** @param {import("../live/reducer.js").Event[]} found */
  add(found) {
    const all = new Map([...this.events, ...found].map((event) => [event.id, event]));
    this.events = [...all.values()].sort(newestFirst).slice(0, EVENTS_MAX);
    this.requestUpdate();
  }

  async loadMood() {
    const { data } = await get("/demo/carrier").catch(() => ({ data: null }));
    const found = Object.entries(MOODS).find(([, mood]) => data && Object.entries(mood).every(([name, value]) => data[name] === value));
    if (found) this.mood = found[0];
  }

  /** @param {string} mood */
  async setMood(mood) {
    this.mood = mood;
    this.problem = null;
    try {
      await request("PUT", "/demo/carrier", { body: MOODS[mood] });
    } catch (thrown) {
      this.problem = asProblem(thrown);
      void this.loadMood();
    }
  }

  /** @override */
  render() {
    return html`<section class="card" aria-label=${t("play.gateway")}><h2>${t("play.gateway")}</h2>
      <div class="comp">${select({
        id: "mood",
        label: t("mood"),
        value: this.mood,
        options: [
          ["well", t("mood.well")],
          ["slow", t("mood.slow")],
          ["busy", t("mood.busy")],
          ["down", t("mood.down")],
          ["cut", t("mood.cut")],
          ["late", t("mood.late")],
          ["silent", t("mood.silent")],
        ],
        change: (value) => void this.setMood(value),
      })}${problemBar(this.problem)}</div>
      ${
        this.events.length === 0
          ? empty(t("gateway.empty"))
          : html`<ol class="feed" tabindex="0" aria-label=${t("play.gateway")}>${repeat(
              this.events,
              ({ id }) => id,
              (event) => html`<li><span class="num">${clock(event.at)}</span><span><b>${event.type}</b> ${aboutEvent(event)}</span></li>`,
            )}</ol>`
      }
    </section>`;
  }
}
customElements.define("off-gateway", GatewayView);

/** What is worth knowing of an event, in a line. @param {import("../live/reducer.js").Event} event */
function aboutEvent({ type, data }) {
  /** @type {Array<string | null | undefined | false>} */
  const parts = [];
  if (type.startsWith("call.")) parts.push(data.id, data.queue, data.agent, data.end_reason);
  else if (type === "message.late") parts.push(data.auto_replied ? t("gateway.auto_replied") : t("gateway.no_reply"));
  else if (type.startsWith("message.")) {
    parts.push(
      word("kind", data.kind),
      data.segments && t("segments", { n: data.segments }),
      type === "message.queued" && data.estimated_wait_ms > 0 && t("gateway.due", { time: duration(data.estimated_wait_ms) }),
      data.error && word("problem", data.error.code),
    );
    if (data.media?.length) parts.push(t("media.count", { n: data.media.length }));
  } else if (type.startsWith("media.")) parts.push(data.medium?.content_type, data.medium?.reason && word("reason", data.medium.reason));
  else if (type === "directory.changed") parts.push(data.resource, data.id, data.by);
  else if (type.startsWith("contact.")) parts.push(showNumber(data.contact), word("by", data.by));
  else if (type.startsWith("number.")) parts.push(showNumber(data.number), word("number", data.state), data.reason);
  else if (type.startsWith("account.")) parts.push(data.account, word("account", data.reason), data.detail);
  return parts.filter(Boolean).map((part) => html`· ${strange(part)} `);
}
