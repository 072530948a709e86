// One message: its text, its photos, and under it who sent it, what it cost, when, and what became of it. And what is
// said of a whole call.
import { html, nothing, repeat } from "../vendor/lit.js";
import { LookAgain, asProblem, gatewayNow, path, raw } from "../live/api.js";
import { showNumber } from "../live/e164.js";
import { clock, duration, language, languageName, size, t, visible, word } from "../words/words.js";
import { dialog } from "./dialog.js";
import { Part } from "./element.js";
import { badge, copyButton, phoneNumber, sentence, strange, when, whyNoText } from "./small.js";

/** @typedef {import("../live/reducer.js").Entry} Entry */
/** @typedef {{ why: (id: string) => void, cancel: (id: string) => void, waits: ReadonlyMap<string, Api.Explanation>, keptDays: number | null }} Acts */

/** Icon, tone and word of each state; two ticks mean delivered, and nothing is ever called read. @type {Record<string, [string, string]>} */
const STATES = {
  sending_here: ["○", ""],
  unknown_here: ["?", "warnc"],
  queued: ["◷", ""],
  sending: ["◷", ""],
  sent: ["✓", ""],
  delivered: ["✓✓", "okc"],
  unconfirmed: ["?", "warnc"],
  undelivered: ["!", "badc"],
  failed: ["!", "badc"],
  cancelled: ["×", "warnc"],
  expired: ["!", "badc"],
};
/** Kinds that the gateway sends by itself. */
const SYSTEM = ["closing", "auto_reply", "opt_out_confirmation", "help_reply"];

/** @param {Entry} entry @returns {string} */
export function stateOf(entry) {
  if (entry.progress === "sending") return "sending_here";
  return entry.progress === "unknown" ? "unknown_here" : entry.message.state;
}

/** What became of a message, in words. @param {Entry} entry */
export function stateWords(entry) {
  const { message } = entry;
  const state = word("state", stateOf(entry));
  if (!message.error) return state;
  const why = word("problem", message.error.code);
  return t("state.because", { state, why });
}

/** @param {Entry} entry @param {Acts} acts @param {boolean} canSend */
export function bubble(entry, acts, canSend) {
  const { message } = entry;
  const inbound = message.direction === "inbound";
  const kind = inbound ? "i" : SYSTEM.includes(message.kind) ? "s" : "o";
  const media = message.media ?? [];
  return html`<li class="m ${kind} ${entry.progress ? "pending" : ""}" data-id=${message.id || entry.key}>
      ${
        media.length > 0
          ? html`<div class="tiles">${repeat(
              media,
              (medium) => medium.id,
              (medium) => html`<off-medium .medium=${medium} .hidden_=${message.text_hidden === true}></off-medium>`,
            )}</div>`
          : nothing
      }
      ${text(message, acts.keptDays)}
    </li>
    <li class="under ${inbound ? "l" : ""}">${inbound ? underInbound(message, acts) : underOutbound(entry, acts, canSend)}</li>`;
}

/** @param {Api.Message} message @param {number | null} keptDays */
function text(message, keptDays) {
  if (message.text_hidden) return html`<p class="meta">${t("text.hidden")}</p>`;
  if (message.text_expired)
    return html`<p class="meta">${keptDays === null ? t("text.expired") : t("text.expired_after", { n: keptDays })}</p>`;
  return message.text ? html`<p dir="auto">${strange(message.text)}</p>` : nothing;
}

/** @param {Api.Message} message @param {Acts} acts */
function underInbound(message, acts) {
  const photos = (message.media ?? []).length;
  return html`${photos > 0 ? html`${t("media.count", { n: photos })} · ` : nothing}${when(message.created_at, "time")}
    ${message.opt_out_keyword ? html` · <b class="warnc">${keyword(message.opt_out_keyword)}</b>` : nothing}
    ${message.reply_blocked ? html` · <span class="warnc">${t("message.reply_blocked")}</span>` : nothing}
    ${message.incomplete ? html` · <span class="warnc">${t("message.incomplete")}</span>` : nothing} · ${whyButton(message, acts)}`;
}

/** @param {string} word that acts (A46, A47) */
function keyword(word) {
  const shown = word.toUpperCase();
  return shown === "START" ? t("message.keyword_in", { word: shown }) : t("message.keyword", { word: shown });
}

/** @param {Entry} entry @param {Acts} acts @param {boolean} canSend */
function underOutbound(entry, acts, canSend) {
  const { message } = entry;
  const state = stateOf(entry);
  const [icon, tone] = STATES[state] ?? ["•", ""];
  const who = message.kind === "custom" ? message.agent || word("kind", message.kind) : word("kind", message.kind);
  const waits = state === "queued" ? acts.waits.get(message.id) : undefined;
  return html`<bdi>${strange(who)}</bdi>${message.segments > 0 ? html` · ${t("segments", { n: message.segments })}` : nothing} · ${when(message.created_at, "time")} ·
    <span class=${tone}><span aria-hidden="true">${icon} </span>${waits?.waiting_for ? waitWords(waits) : stateWords(entry)}</span>
    ${message.id ? html` · ${whyButton(message, acts)}` : nothing}
    ${
      message.id && canSend && message.state === "queued"
        ? html` · <button type="button" class="link"
      @click=${() => acts.cancel(message.id)}>${t("cancel_text")}</button>`
        : nothing
    }`;
}

/** @param {Api.Message} message @param {Acts} acts */
function whyButton({ id }, acts) {
  return html`<button type="button" class="link" @click=${() => acts.why(id)}>${t("why")}</button>`;
}

/** `Waiting 3 s: number's rate`. @param {Api.Explanation} explanation */
export function waitWords(explanation) {
  const reason = word("waits", explanation.waiting_for);
  const left = explanation.due_at ? Date.parse(explanation.due_at) - gatewayNow() : null;
  return left === null ? t("waiting_for", { reason }) : t("waiting", { time: duration(left), reason });
}

/** Why a message is where it is: the answer of explain in words. @param {Api.Explanation} explanation */
export function explained(explanation) {
  const { attempts, timeline } = explanation;
  return html`<dl class="stack tight stat">
      <div><dt>${t("explain.state")}</dt><dd>${word("state", explanation.state)}</dd></div>
      ${explanation.waiting_for ? html`<div><dt>${t("explain.waits")}</dt><dd>${waitWords(explanation)}${explanation.suspended_because ? html`: ${strange(explanation.suspended_because)}` : nothing}</dd></div>` : nothing}
      ${explanation.reason ? html`<div><dt>${t("explain.reason")}</dt><dd class="wrap" lang="en">${strange(explanation.reason)}</dd></div>` : nothing}
      ${
        explanation.lane
          ? html`<div><dt>${t("explain.lane")}</dt><dd>${phoneNumber(explanation.lane)}${
              explanation.position === null ? nothing : html` · ${t("explain.position", { n: explanation.position })}`
            }</dd></div>`
          : nothing
      }
      ${explanation.due_at ? html`<div><dt>${t("explain.due")}</dt><dd>${when(explanation.due_at)}</dd></div>` : nothing}
    </dl>
    ${
      attempts.length > 0
        ? html`<h3>${t("explain.attempts")}</h3><ol class="stack tight">${attempts.map(
            (attempt) => html`<li
      class="wrap"><span class="num">${clock(attempt.at)}</span> ${word(
        "outcome",
        attempt.outcome,
      )}${attempt.status ? html` · ${attempt.status}` : nothing} ${detail(attempt.detail)}</li>`,
          )}</ol>`
        : nothing
    }
    <h3>${t("explain.timeline")}</h3>
    <ol class="stack tight">${timeline.map(
      (item) => html`<li class="wrap"><span
      class="num">${item.at ? clock(item.at) : "–"}</span> ${word("timeline", item.event)} ${detail(item.detail, item.event)}</li>`,
    )}</ol>`;
}

/** What the gateway's English adds to its word; who reads another language is spared what says no more than that. */
const SAID_BY_WORD = ["received", "accepted", "attempt", "sent", "delivered", "unconfirmed", "due", "expires"];

/** @param {string} text @param {string} [event] */
function detail(text, event = "") {
  return language() !== "en" && SAID_BY_WORD.includes(event) ? nothing : html`<span class="meta" lang="en">${strange(text)}</span>`;
}

/** Where a call is. @param {Api.Call} call */
export function callState(call) {
  if (call.state === "ended") return badge("", "■", t("calls.ended"));
  if (call.phase === "waiting") return badge("warn", "◷", t("call.waiting"));
  return badge("ok", "●", t("call.connected"));
}

/** Whether texts are open. @param {Api.Call} call */
export function sessionBadge(call) {
  if (call.state === "ended" || call.sms.session === "closed") return badge("", "■", t("sms.closed"));
  return call.sms.can_send
    ? badge("ok", "●", t(call.sms.session === "open" ? "sms.open" : "sms.ready"))
    : badge("warn", "!", t("sms.refused"));
}

/** A withheld number is no number. @param {Api.Call} call */
export function callerOf({ caller }) {
  return caller?.startsWith("+") ? showNumber(caller) : t("call.no_caller");
}

/** @param {Api.Call} call @returns {Array<[string, unknown]>} */
export function callFacts(call) {
  return [
    [t("call.id"), html`<code class="wrap">${call.id}</code> ${copyButton(call.id)}`],
    [t("call.caller"), call.caller?.startsWith("+") ? phoneNumber(call.caller) : t("call.no_caller")],
    ...(call.alternative ? [/** @type {[string, unknown]} */ ([t("call.alternative"), phoneNumber(call.alternative)])] : []),
    [t("call.our_number"), call.our_number ? phoneNumber(call.our_number) : t("call.no_number_yet")],
    [t("call.agent"), call.agent ?? "–"],
    [t("language"), languageName(call.language) || "–"],
    [t("call.type"), call.call_type ?? "–"],
    [t("call.texts"), call.sms.refusal ? whyNoText(call.sms) : t(call.sms.session === "open" ? "sms.open" : "sms.ready")],
    [t("calls.began"), when(call.started_at)],
    ...(call.ended_at
      ? [/** @type {[string, unknown]} */ ([t("calls.ended"), html`${when(call.ended_at)} ${strange(word("ended", call.end_reason))}`])]
      : [/** @type {[string, unknown]} */ ([t("call.lease"), when(call.lease_until)])]),
  ];
}

/** @param {Api.Call} call @returns {Array<[string, unknown]>} */
export function usageFacts({ usage }) {
  return [
    [t("usage.preset"), usage.preset_sent],
    [t("usage.custom"), usage.custom_sent],
    [t("usage.smart"), usage.smart_action_sent],
    [t("usage.system"), usage.system_sent],
    [t("usage.received"), usage.received],
    [t("usage.media"), usage.media_received],
    [t("usage.segments"), usage.segments_sent],
  ];
}

/** Lines of a call that are no messages. @param {Api.Call} call */
export function beganLine(call) {
  return html`<li class="line">${call.started_at ? t("call.began", { at: clock(call.started_at) }) : t("call.began_unknown")}${call.agent ? html` · <bdi>${strange(call.agent)}</bdi>` : nothing}${call.language ? html` · ${languageName(call.language)}` : nothing}</li>`;
}

const PHOTOS = ["image/jpeg", "image/png", "image/gif"];
const VIDEOS = ["video/mp4", "video/3gpp", "video/quicktime"];

/**
 * `<off-medium>`: a photo or a video of a caller. Its bytes are fetched with the session's key and shown as a blob, so
 * that no address of theirs works without it.
 */
class Medium extends Part {
  static properties = {
    medium: { attribute: false },
    hidden_: { attribute: false },
    url: { state: true },
    problem: { state: true },
    isOpen: { state: true },
  };

  constructor() {
    super();
    /** @type {Api.Medium} */
    this.medium = { id: "", state: "pending", content_type: null };
    this.hidden_ = false;
    this.url = "";
    /** @type {import("../live/api.js").Problem | null} */
    this.problem = null;
    this.isOpen = false;
    this.fetched = "";
    this.lookAgain = new LookAgain(() => this.fetchAgain());
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.lookAgain.stop();
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = "";
    this.fetched = "";
  }

  /** @override */
  updated() {
    this.emit("grown");
    // Photos show at once; a video is fetched when somebody wants to see it.
    if (this.medium.state === "ready" && this.isPhoto && !this.hidden_) void this.fetch();
  }

  get isPhoto() {
    return PHOTOS.includes(this.medium.content_type ?? "");
  }

  get isVideo() {
    return VIDEOS.includes(this.medium.content_type ?? "");
  }

  async fetch() {
    if (this.fetched === this.medium.id) return;
    this.fetched = this.medium.id;
    this.problem = null;
    try {
      const response = await raw("GET", path("media", this.medium.id));
      const blob = await response.blob();
      this.url = URL.createObjectURL(blob);
    } catch (thrown) {
      this.problem = asProblem(thrown);
    }
    if (this.isConnected) this.lookAgain.after(this.problem);
  }

  fetchAgain() {
    this.fetched = "";
    return this.fetch();
  }

  async open() {
    await this.fetch();
    if (!this.url) return;
    if (this.isPhoto || this.isVideo) this.isOpen = true;
    else this.download();
  }

  download() {
    const link = document.createElement("a");
    link.href = this.url;
    link.download = this.medium.id;
    link.click();
  }

  /** @override */
  render() {
    const { medium } = this;
    const kind = this.isPhoto ? t("medium.photo") : this.isVideo ? t("medium.video") : t("medium.file");
    if (this.hidden_) return html`<span class="tile">${t("medium.hidden")}</span>`;
    if (medium.state === "pending") return html`<span class="tile">… ${t("medium.pending")}</span>`;
    if (medium.state === "failed")
      return html`<span class="tile" title=${medium.detail ? visible(medium.detail) : nothing}>! ${word("reason", medium.reason)}</span>`;
    if (this.problem)
      return html`<button type="button" class="tile" @click=${() => void this.fetchAgain()}>! ${sentence(this.problem)} · ${t("try_again")}</button>`;
    const bytes = medium.bytes ? ` · ${size(medium.bytes)}` : "";
    return html`<button type="button" class="tile" aria-label="${kind}${bytes}" @click=${this.open}>
        ${
          this.url && this.isPhoto
            ? html`<img src=${this.url} alt="" @load=${() => this.emit("grown")}
          />`
            : html`<span>${this.isVideo ? "▶ " : ""}${kind}${bytes}</span>`
        }
      </button>
      ${
        this.isOpen
          ? dialog(
              kind,
              () => this.view(),
              () => (this.isOpen = false),
              { kind: "view" },
            )
          : nothing
      }`;
  }

  view() {
    return html`${
      this.isPhoto
        ? html`<img src=${this.url} alt=${t("medium.photo_of_caller")} />`
        : html`<video src=${this.url} controls
      autoplay></video>`
    }
      <footer>
        <button type="button" class="b" @click=${this.download}>${t("medium.download")}</button>
        <button type="button" class="b p" @click=${() => (this.isOpen = false)}>${t("close")}</button>
      </footer>`;
  }
}
customElements.define("off-medium", Medium);
