// `/calls`: live and ended calls. Rows that are shown follow the events; new ones wait behind a button, so that
// nothing moves under the pointer. `/calls/{id}`: one call's texts and photos, and what the call is.
import { html, nothing, repeat } from "../vendor/lit.js";
import { query, setQuery } from "../app/routes.js";
import { session } from "../app/session.js";
import { all, asProblem, callsPath, get, isPassing, leaves, path } from "../live/api.js";
import { readNumber, showNumber } from "../live/e164.js";
import { live } from "../live/stream.js";
import { Talk } from "../live/talk.js";
import { field, select } from "../parts/controls.js";
import { Loaded, Part } from "../parts/element.js";
import { callFacts, callState, callerOf, sessionBadge, usageFacts } from "../parts/bubble.js";
import { badge, empty, facts, problemBar, row, shown, skeleton, table, when } from "../parts/small.js";
import { amount, languageName, t } from "../words/words.js";
import "../parts/composer.js";
import "../parts/conversation.js";

const PAGE = 50;
/** Waits after a key in a filter. */
const TYPING_MS = 300;
/** Counts of texts follow the messages, which may be many: they are looked at this often at most. */
const COUNTS_EVERY_MS = 2_000;
/** Rows below the first page are asked for one by one, so many at a time. */
const COUNTS_AT_ONCE = 10;

/** New calls are counted up to here, since nobody counts those of a night. */
const NEWS_MAX = 999;

function kept() {
  const { keptDays: n } = session;
  return n === null ? t("calls.kept") : t("calls.kept_for", { n });
}

class Calls extends Part {
  static properties = { news: { state: true }, moreProblem: { state: true } };

  constructor() {
    super();
    /** Calls that events told of while an answer was waited for, which may be older. @type {Set<Map<string, Api.Call>>} */
    this.meanwhile = new Set();
    /** @type {Loaded<{ items: Api.Call[], next: string | null }>} */
    this.list = new Loaded(this, async () => {
      const { items, next, heard } = await this.firstPage();
      const newest = items[0]?.started_at ?? "";
      const isNew = (/** @type {Api.Call} */ call) =>
        !items.some(({ id }) => id === call.id) && (call.started_at ?? "") >= newest && leaves(this.filters, call);
      this.news = new Set([...heard.values()].filter(isNew).map(({ id }) => id));
      this.moreProblem = null;
      return { items, next };
    });
    this.filters = { caller: query("caller"), queue: query("queue"), agent: query("agent"), state: query("state"), day: query("day") };
    /** @type {Loaded<Api.Queue[]>} */
    this.queues = new Loaded(this, () => all("/v1/queues"));
    /** @type {Set<string>} */
    this.news = new Set();
    /** @type {import("../live/api.js").Problem | null} */
    this.moreProblem = null;
    this.loadsMore = false;
    /** Rows whose counts of texts are older than an event. @type {Set<string>} */
    this.touched = new Set();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.typing = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.counting = undefined;
  }

  /** @override */
  connected() {
    this.hear(session, "change", () => this.requestUpdate());
    this.hear(live, "event", ({ detail }) => this.heard(detail));
    this.hear(live, "reset", () => {
      void this.list.again();
      void this.queues.again();
    });
    void this.list.again();
    void this.queues.again();
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    clearTimeout(this.typing);
    clearTimeout(this.counting);
    this.counting = undefined;
  }

  /** @param {string} cursor @returns {Promise<{ items: Api.Call[], next: string | null }>} */
  async page(cursor) {
    const { data } = await get(callsPath(this.filters, PAGE, cursor));
    return { items: data.items ?? [], next: data.next_cursor ?? null };
  }

  /** The first page, with what events told of its calls meanwhile. */
  async firstPage() {
    const { found, heard } = await this.whileHearing(this.page(""));
    return { items: found.items.map((call) => heard.get(call.id) ?? call), next: found.next, heard };
  }

  /** An answer, and the calls that events told of since it was asked for. @template T @param {Promise<T>} answer */
  async whileHearing(answer) {
    /** @type {Map<string, Api.Call>} */
    const heard = new Map();
    this.meanwhile.add(heard);
    try {
      return { found: await answer, heard };
    } finally {
      this.meanwhile.delete(heard);
    }
  }

  /** @param {import("../live/reducer.js").Event} event */
  heard(event) {
    const { type, data, call_id: of } = event;
    const { data: list } = this.list;
    if (type === "directory.changed" && ["queues", "directory"].includes(data.resource)) void this.queues.again();
    if (of && type.startsWith("message.") && (this.meanwhile.size > 0 || list?.items.some(({ id }) => id === of))) this.countSoon(of);
    const isCall = type.startsWith("call.");
    if (isCall) for (const heard of this.meanwhile) heard.set(data.id, data);
    if (!list) return;
    const at = list.items.findIndex(({ id }) => id === of);
    const row = list.items[at];
    if (row) {
      list.items[at] = isCall ? data : { ...row, last_event_at: event.at };
      this.requestUpdate();
    } else if (type === "call.started" && leaves(this.filters, data)) {
      // Where nothing is shown, nothing can move.
      if (list.items.length === 0) void this.list.again();
      else if (this.news.size <= NEWS_MAX) this.news = new Set(this.news).add(data.id);
    }
  }

  /** @param {string} [id] */
  countSoon(id) {
    if (id) this.touched.add(id);
    this.counting ??= setTimeout(() => void this.count(), COUNTS_EVERY_MS);
  }

  /** Takes up what has changed in the rows, and moves nothing. */
  async count() {
    this.counting = undefined;
    const { touched } = this;
    this.touched = new Set();
    const page = await this.firstPage().catch(() => null);
    for (const call of page?.items ?? []) this.put(call);
    const onPage = new Set((page?.items ?? []).map(({ id }) => id));
    const below = [...touched].filter((id) => !onPage.has(id) && this.list.data?.items.some((call) => call.id === id));
    const again = page ? below.slice(COUNTS_AT_ONCE) : [...touched];
    const looks = page ? below.slice(0, COUNTS_AT_ONCE) : [];
    await Promise.all(
      looks.map((id) =>
        this.whileHearing(get(path("calls", id))).then(
          ({ found, heard }) => {
            this.put(heard.get(id) ?? found.data);
            if (heard.has(id)) again.push(id);
          },
          (thrown) => isPassing(asProblem(thrown)) && again.push(id),
        ),
      ),
    );
    this.requestUpdate();
    for (const id of again) this.touched.add(id);
    // What an event told is older than the texts that came after it.
    if (this.isConnected && (this.touched.size > 0 || (page?.heard.size ?? 0) > 0)) this.countSoon();
  }

  /** @param {Api.Call} call */
  put(call) {
    const items = this.list.data?.items ?? [];
    const at = items.findIndex(({ id }) => id === call.id);
    if (at >= 0) items[at] = call;
  }

  /** @param {Partial<Calls["filters"]>} changed */
  filter(changed) {
    Object.assign(this.filters, changed);
    setQuery(this.filters);
    this.requestUpdate();
    clearTimeout(this.typing);
    this.typing = setTimeout(() => void this.list.again(), TYPING_MS);
  }

  async more() {
    const list = this.list.data;
    if (!list?.next || this.loadsMore) return;
    this.loadsMore = true;
    this.requestUpdate();
    try {
      const page = await this.page(list.next);
      list.items.push(...page.items);
      list.next = page.next;
      this.moreProblem = null;
    } catch (thrown) {
      this.moreProblem = asProblem(thrown);
    }
    this.loadsMore = false;
    this.requestUpdate();
  }

  /** @override */
  render() {
    return html`<div class="head"><h1>${t("page.calls")}</h1></div>
      <div class="stack">${this.filterRow()}
        ${
          this.news.size > 0
            ? html`<div class="row"><button type="button" class="b p"
          @click=${() => void this.list.again()}>${t("calls.new", { n: this.news.size > NEWS_MAX ? `${NEWS_MAX}+` : this.news.size })}</button></div>`
            : nothing
        }
        ${shown(this.list, (list) => this.rows(list))}</div>`;
  }

  filterRow() {
    const { caller, queue, agent, state, day } = this.filters;
    const problem = caller.trim() && !/^(anonymous)$/.test(caller.trim()) ? readNumber(caller).problem : null;
    return html`<div class="cols filters">
      <div data-filter>${field({
        id: "filter-caller",
        label: t("call.caller"),
        value: caller,
        type: "search",
        hint: problem ? t("calls.whole_number") : "",
        input: (value) => this.filter({ caller: value }),
      })}</div>
      ${select({
        id: "filter-queue",
        label: t("queue"),
        value: queue,
        options: [["", t("all")], ...(this.queues.data ?? []).map(({ id, name }) => /** @type {[string, string]} */ ([id, name]))],
        change: (value) => this.filter({ queue: value }),
      })}
      ${field({
        id: "filter-agent",
        label: t("call.agent"),
        value: agent,
        type: "search",
        input: (value) => this.filter({ agent: value }),
      })}
      ${select({
        id: "filter-state",
        label: t("call.state"),
        value: state,
        options: [
          ["", t("all")],
          ["active", t("calls.active")],
          ["ended", t("calls.ended")],
        ],
        change: (value) => this.filter({ state: value }),
      })}
      ${field({ id: "filter-day", label: t("calls.day"), value: day, type: "date", input: (value) => this.filter({ day: value }) })}
    </div>`;
  }

  /** @param {{ items: Api.Call[], next: string | null }} list */
  rows({ items, next }) {
    const filtered = Object.values(this.filters).some((value) => value !== "");
    if (items.length === 0) {
      if (filtered) return html`<div class="card">${empty(t("calls.none_found"), html`<p class="meta">${kept()}</p>`)}</div>`;
      return html`<div class="card">${empty(
        t("calls.none"),
        html`<p>${t("calls.none_how")}</p><pre class="code"
        tabindex="0">${CURL}</pre>`,
      )}</div>`;
    }
    const queue = (/** @type {string | null} */ id) => this.queues.data?.find((other) => other.id === id)?.name ?? id ?? "–";
    const heads = [
      t("call.caller"),
      t("queue"),
      t("call.agent"),
      t("call.state"),
      t("language"),
      t("calls.texts"),
      t("calls.began"),
      t("calls.last_event"),
    ];
    const rows = repeat(
      items,
      (call) => call.id,
      (call) => {
        const { usage } = call;
        const sent = usage.preset_sent + usage.custom_sent + usage.smart_action_sent + usage.system_sent;
        return row([
          [heads[0], html`<a data-row class="num" href="/calls/${encodeURIComponent(call.id)}">${callerOf(call)}</a>`],
          [heads[1], queue(call.queue)],
          [heads[2], call.agent ?? "–"],
          [heads[3], callState(call)],
          [heads[4], languageName(call.language) || "–"],
          [
            heads[5],
            html`<span class="num">↑ ${amount(sent)} ↓ ${amount(usage.received)}</span><span
              class="hide"> ${t("calls.sent_received", { sent, received: usage.received })}</span>`,
          ],
          [heads[6], when(call.started_at)],
          [heads[7], when(call.last_event_at)],
        ]);
      },
    );
    return html`${table(t("page.calls"), heads, /** @type {any} */ (rows))}
      ${problemBar(this.moreProblem, () => void this.more())}
      ${next && !this.moreProblem ? html`<button type="button" class="b" ?disabled=${this.loadsMore} @click=${this.more}>${t("more")}</button>` : nothing}`;
  }
}
customElements.define("off-calls", Calls);

const CURL = `curl -X PUT http://127.0.0.1:8081/v1/calls/c-1 -H 'Authorization: Bearer TOKEN' \\
  -H 'Content-Type: application/json' -d '{ "caller": "+12065550142", "queue": "support", "agent": "agent-17" }'`;

class CallPage extends Part {
  static properties = { callId: { attribute: false } };

  constructor() {
    super();
    this.callId = "";
    /** @type {Talk | null} */
    this.talk = null;
    /** @type {Loaded<Api.Preset[]>} */
    this.presets = new Loaded(this, () => all("/v1/presets"));
    /** @type {Loaded<Api.Number[]>} */
    this.numbers = new Loaded(this, () => all("/v1/numbers"));
    /** @type {Loaded<Api.Queue[]>} */
    this.queues = new Loaded(this, () => all("/v1/queues"));
  }

  /** @override */
  connected() {
    const around = { presets: this.presets, numbers: this.numbers, queues: this.queues };
    const load = (/** @type {string} */ resource) => {
      for (const [name, list] of Object.entries(around)) if ([name, "directory"].includes(resource)) void list.again();
    };
    load("directory");
    this.hear(session, "change", () => this.requestUpdate());
    this.hear(live, "reset", () => load("directory"));
    this.hear(live, "event", ({ detail }) => detail.type === "directory.changed" && load(detail.data.resource));
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.talk?.stop();
    this.talk = null;
  }

  /** @override */
  willUpdate() {
    if (this.talk?.callId === this.callId) return;
    this.talk?.stop();
    this.talk = new Talk(this.callId);
    this.talk.addEventListener("change", () => {
      this.requestUpdate();
      for (const part of /** @type {NodeListOf<Part>} */ (this.querySelectorAll("off-conversation, off-composer"))) part.requestUpdate();
    });
    void this.talk.start();
  }

  /** @override */
  render() {
    const { talk } = this;
    const call = talk?.state.call;
    if (!talk || !call) {
      if (talk?.problem?.status === 404)
        return html`<div class="head"><h1>${t("call")} <code class="wrap">${this.callId}</code></h1></div><div
          class="card">${empty(
            t("call.not_found"),
            html`<p class="meta">${kept()}</p><a class="b"
          href="/calls">${t("page.calls")}</a>`,
          )}</div>`;
      return talk?.problem ? problemBar(talk.problem, () => talk.load()) : skeleton();
    }
    const label = this.numbers.data?.find(({ number }) => number === call.our_number)?.label;
    const queue = this.queues.data?.find(({ id }) => id === call.queue)?.name;
    const canSend = session.can("send");
    return html`<div class="head"><h1
      class="num">${callerOf(call)}</h1>${callState(call)}${
        call.queue ? badge("", "", queue ?? call.queue) : nothing
      }${sessionBadge(call)}</div>
      <div class="call">
        <section class="card" aria-label=${t("talk")}>
          <h2>${t("talk")} ${call.language ? badge("", "", languageName(call.language)) : nothing}${
            call.our_number ? badge("", "", t("call.from_number", { number: label ?? showNumber(call.our_number) })) : nothing
          }</h2>
          <off-conversation .talk=${talk} .label=${t("talk")} .canSend=${canSend} .keptDays=${session.keptDays}></off-conversation>
          ${canSend ? html`<off-composer .talk=${talk} .presets=${this.presets.data ?? []} .agent=${call.agent}></off-composer>` : nothing}
        </section>
        <aside class="stack">
          <section class="card"><h2>${t("call")}</h2><div class="body">${facts(callFacts(call))}</div></section>
          <section class="card"><h2>${t("call.usage")}</h2><div class="body">${facts(usageFacts(call))}</div></section>
        </aside>
      </div>`;
  }
}
customElements.define("off-call", CallPage);
