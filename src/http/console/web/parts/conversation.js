// `<off-conversation>`: the bubbles of a call. It follows new ones only where the reader stands at the end.
import { html, nothing, repeat } from "../vendor/lit.js";
import { asProblem, path, request } from "../live/api.js";
import { ENTRIES_MAX } from "../live/reducer.js";
import { amount, clock, t, word } from "../words/words.js";
import { beganLine, bubble, explained, stateWords } from "./bubble.js";
import { dialog, toast } from "./dialog.js";
import { Part, say } from "./element.js";
import { empty, problemBar, sentence, skeleton, strange } from "./small.js";

/** How far from its end a conversation still follows, in pixels. */
const FOLLOWS_WITHIN = 48;

export class ConversationView extends Part {
  static properties = {
    talk: { attribute: false },
    label: { attribute: false },
    canSend: { attribute: false },
    keptDays: { attribute: false },
    news: { state: true },
    why: { state: true },
  };

  constructor() {
    super();
    /** @type {import("../live/talk.js").Talk | null} */
    this.talk = null;
    this.label = "";
    this.canSend = false;
    /** How long texts are kept, where the page knows it. @type {number | null} */
    this.keptDays = null;
    this.news = 0;
    /** @type {{ id: string, explanation: Api.Explanation | null, problem: import("../live/api.js").Problem | null } | null} */
    this.why = null;
    this.follows = true;
    this.top = 0;
    this.count = 0;
    /** @type {Map<string, string> | null} what was said of each bubble; null before the first snapshot */
    this.said = null;
    /** Late texts that were told of. @type {{ talk: ConversationView["talk"], told: number }} */
    this.late = { talk: null, told: 0 };
  }

  get log() {
    return this.find(".log");
  }

  /** @override */
  connected() {
    // What changes the height without an event: photos that come in, and the window.
    const keep = () => {
      const { log } = this;
      if (log && this.follows) log.scrollTop = log.scrollHeight;
    };
    this.hear(this, "grown", keep);
    this.hear(window, "resize", keep);
  }

  /** @override */
  updated() {
    const entries = this.talk?.state.entries ?? [];
    const { log } = this;
    if (log && entries.length !== this.count) {
      const added = entries.length - this.count;
      const own = entries.at(-1)?.progress === "sending";
      this.count = entries.length;
      if (this.follows || own) {
        log.scrollTop = log.scrollHeight;
        this.news = 0;
      } else if (added > 0) this.news += added;
    } else if (log && this.follows) log.scrollTop = log.scrollHeight;
    if (this.talk?.state.call) this.tell(entries);
    this.tellLate();
  }

  /** A text after the call does not belong to it (R52), and not in it when it is loaded again: it is said as it comes. */
  tellLate() {
    const { talk } = this;
    const late = talk?.state.late ?? [];
    const told = this.late.talk === talk ? this.late.told : 0;
    for (const { at, autoReplied } of late.slice(told)) toast(t(autoReplied ? "late.replied" : "late", { at: clock(at) }));
    this.late = { talk, told: late.length };
  }

  /** Says what is new since the last time. @param {import("../live/reducer.js").Entry[]} entries */
  tell(entries) {
    const now = new Map(entries.map((entry) => [entry.key, stateWords(entry)]));
    const before = this.said;
    this.said = now;
    if (!before) return;
    for (const entry of entries) {
      const state = now.get(entry.key) ?? "";
      if (before.get(entry.key) === state || entry.progress) continue;
      const inbound = entry.message.direction === "inbound";
      if (inbound && !before.has(entry.key)) say(heard(entry.message));
      else if (!inbound && entry.message.state !== "queued" && entry.message.state !== "sending") say(state);
    }
  }

  jump() {
    const { log } = this;
    if (log) log.scrollTop = log.scrollHeight;
    this.news = 0;
    log?.focus();
  }

  /** @param {string} id */
  async explain(id) {
    this.why = { id, explanation: null, problem: null };
    try {
      const { data } = await request("GET", `${path("messages", id)}/explain`);
      this.why = { id, explanation: data, problem: null };
    } catch (thrown) {
      this.why = { id, explanation: null, problem: asProblem(thrown) };
    }
  }

  /** @param {string} id */
  async cancelText(id) {
    try {
      const { data } = await request("DELETE", path("messages", id));
      if (data)
        this.talk?.dispatch({
          do: "event",
          event: { id: `own-${id}`, cursor: "", call_sequence: null, type: "message.cancelled", at: "", call_id: null, data },
        });
      say(word("state", "cancelled"));
    } catch (thrown) {
      toast(sentence(asProblem(thrown)));
    }
  }

  /** @override */
  render() {
    const { talk } = this;
    if (!talk) return nothing;
    const { state, problem } = talk;
    if (!state.call) return problem ? problemBar(problem, () => talk.load()) : skeleton();
    const acts = {
      why: (/** @type {string} */ id) => void this.explain(id),
      cancel: (/** @type {string} */ id) => void this.cancelText(id),
      waits: talk.waits,
      keptDays: this.keptDays,
    };
    return html`${problemBar(problem, () => talk.load())}
      <div class="talk">
        <div class="log" role="log" aria-live="off" tabindex="0" aria-label=${this.label} @scroll=${this.scrolled}><ol>
          ${beganLine(state.call)}
          ${state.entries.length < ENTRIES_MAX ? nothing : html`<li class="line">${t("talk.last", { n: amount(ENTRIES_MAX) })}</li>`}
          ${state.entries.length === 0 ? html`<li>${empty(t("talk.empty"))}</li>` : nothing}
          ${repeat(
            state.entries,
            ({ key }) => key,
            (entry) => bubble(entry, acts, this.canSend),
          )}
          ${
            state.call.state === "ended"
              ? html`<li
            class="line">${
              state.call.ended_at ? t("call.ended_at", { at: clock(state.call.ended_at) }) : t("call.ended")
            }${state.call.end_reason ? html` · <bdi>${strange(word("ended", state.call.end_reason))}</bdi>` : nothing}</li>`
              : nothing
          }
        </ol></div>
        ${
          this.news > 0
            ? html`<button type="button" class="b p jump"
          @click=${this.jump}>${t("talk.news", { n: this.news })} ↓</button>`
            : nothing
        }
      </div>
      ${
        this.why
          ? dialog(
              t("explain.title"),
              () => this.whyContent(),
              () => (this.why = null),
            )
          : nothing
      }`;
  }

  scrolled() {
    const { log } = this;
    if (!log) return;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight <= FOLLOWS_WITHIN;
    // A photo that comes in moves the end away; only the reader leaves it.
    if (atEnd || log.scrollTop < this.top) this.follows = atEnd;
    this.top = log.scrollTop;
    if (atEnd) this.news = 0;
  }

  whyContent() {
    const why = this.why;
    if (!why) return nothing;
    return html`<p class="meta"><code class="wrap">${why.id}</code></p>
      ${problemBar(why.problem, () => void this.explain(why.id))}
      ${why.explanation ? explained(why.explanation) : why.problem ? nothing : skeleton(3)}
      <footer><button type="button" class="b" @click=${() => void this.explain(why.id)}>${t("refresh")}</button>
        <button type="button" class="b p" @click=${() => (this.why = null)}>${t("close")}</button></footer>`;
  }
}
customElements.define("off-conversation", ConversationView);

/** @param {Api.Message} message of the caller's */
function heard({ text, text_hidden: hidden, media }) {
  return hidden ? t("said.hidden") : t("said.caller", { text: text || t("media.count", { n: media?.length ?? 0 }) });
}
