// `/playground` (demo only): caller and agent in one window, beside what the gateway did.
import { html, nothing } from "../vendor/lit.js";
import { query, setQuery } from "../app/routes.js";
import { all, asProblem, get, path, request, unique } from "../live/api.js";
import { showNumber } from "../live/e164.js";
import { live } from "../live/stream.js";
import { Talk } from "../live/talk.js";
import { callState, sessionBadge } from "../parts/bubble.js";
import { check, field, select, tabs } from "../parts/controls.js";
import { ask, dialog } from "../parts/dialog.js";
import { Loaded, Part, prefer, preference, say } from "../parts/element.js";
import { badge, empty, problemBar, skeleton } from "../parts/small.js";
import { language, languageName, t } from "../words/words.js";
import "./phone.js";
import "../parts/composer.js";
import "../parts/conversation.js";

/** @typedef {{ number: string, name?: string | null }} Phone */

class Playground extends Part {
  static properties = {
    tab: { state: true },
    problem: { state: true },
    transfers: { state: true },
    waits: { state: true },
    consent: { state: true },
  };

  constructor() {
    super();
    this.tab = "agent";
    /** @type {import("../live/api.js").Problem | null} */
    this.problem = null;
    this.transfers = false;
    this.waits = false;
    this.consent = true;
    /** @type {Loaded<{ phones: Phone[], queues: Api.Queue[], numbers: Api.Number[], presets: Api.Preset[] }>} */
    this.stage = new Loaded(this, async () => {
      const [phones, queues, numbers, presets] = await Promise.all([
        get("/demo/phones"),
        all("/v1/queues"),
        all("/v1/numbers"),
        all("/v1/presets"),
      ]);
      return { phones: phones.data.items ?? [], queues, numbers, presets };
    });
    this.caller = query("phone");
    this.queue = "";
    this.agent = "agent-17";
    this.newAgent = "";
    this.newQueue = "";
    /** @type {Talk | null} */
    this.talk = null;
  }

  /** @override */
  connected() {
    void this.begin();
    this.hear(live, "reset", () => void this.stage.again());
    this.hear(live, "event", ({ detail }) => detail.type === "directory.changed" && void this.stage.again());
  }

  async begin() {
    await this.stage.again();
    const { data } = this.stage;
    if (!data || !this.isConnected) return;
    this.caller ||= data.phones[0]?.number ?? "";
    const usable = data.queues.filter(({ effective, inbound_numbers }) => effective.in_call_sms && inbound_numbers.length > 0);
    this.queue ||= (usable.find(({ effective }) => effective.language === language()) ?? usable[0] ?? data.queues[0])?.id ?? "";
    const call = query("call");
    if (call) this.follow(call);
    else await this.findCall();
    this.requestUpdate();
  }

  /** A call that this phone is already on. */
  async findCall() {
    const { caller } = this;
    const { data } = await get(`/v1/calls?state=active&limit=1&caller=${encodeURIComponent(caller)}`).catch(() => ({ data: null }));
    // Another phone may have been chosen meanwhile, or its call begun.
    if (data?.items?.[0] && caller === this.caller && !this.talk) this.follow(data.items[0].id);
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.talk?.stop();
  }

  /** @param {string} id */
  follow(id) {
    // Whoever left meanwhile needs no call, nor its address.
    if (!this.isConnected) return;
    this.talk?.stop();
    this.talk = new Talk(id);
    this.talk.addEventListener("change", () => this.changed());
    setQuery({ call: id });
    void this.talk.start();
    this.changed();
  }

  changed() {
    // A call that the address names is on the phone of its caller.
    const { caller } = this.call ?? {};
    if (caller && !query("phone") && this.stage.data?.phones.some(({ number }) => number === caller)) this.caller = caller;
    const entries = this.talk?.state.entries ?? [];
    if (entries.some(({ message }) => message.state === "delivered")) this.done("text");
    if (entries.some(({ message }) => message.direction === "inbound")) this.done("reply");
    this.requestUpdate();
    for (const part of /** @type {NodeListOf<Part>} */ (this.querySelectorAll("off-conversation, off-composer"))) part.requestUpdate();
  }

  get call() {
    return this.talk?.state.call ?? null;
  }

  get active() {
    return this.call?.state === "active" ? this.call : null;
  }

  async ring() {
    const id = `play-${unique().slice(0, 8)}`;
    const language = this.stage.data?.queues.find(({ id }) => id === this.queue)?.effective.language;
    const agent = this.waits ? null : this.agent;
    const body = {
      caller: this.caller,
      queue: this.queue,
      phase: this.waits ? "waiting" : "connected",
      wait_sms_consent: this.waits && this.consent,
      agent,
      ...(language ? { language } : {}),
    };
    if (!(await this.put(id, body)) || body.caller !== this.caller) return;
    this.follow(id);
    this.tab = "agent";
    say(t("play.rings"));
  }

  /** @param {string} id @param {object} body */
  async put(id, body) {
    this.problem = null;
    try {
      await request("PUT", path("calls", id), { body });
      return true;
    } catch (thrown) {
      this.problem = asProblem(thrown);
      return false;
    }
  }

  /** @param {object} changes */
  async change(changes) {
    const { active } = this;
    if (!active) return;
    const { caller, queue, language, phase, agent, call_type, wait_sms_consent } = active;
    await this.put(active.id, { caller, queue, language, phase, agent, call_type, wait_sms_consent, ...changes });
  }

  async hangUp() {
    const { active } = this;
    const question = { title: t("play.hang_up_title"), text: t("play.hang_up_text"), action: t("play.hang_up"), danger: true };
    if (!active || !(await ask(question))) return;
    try {
      await request("POST", `${path("calls", active.id)}/end`, { body: { reason: "agent_hangup" }, key: unique() });
    } catch (thrown) {
      this.problem = asProblem(thrown);
    }
  }

  /** A hint vanishes once it was followed. @param {string} hint */
  done(hint) {
    if (preference(`hint.${hint}`) !== "done") prefer(`hint.${hint}`, "done");
  }

  /** @override */
  render() {
    const { data, problem } = this.stage;
    if (!data) return problem ? problemBar(problem, () => void this.begin()) : skeleton();
    const { call } = this;
    return html`<div class="head"><h1>${t("page.playground")}</h1>
        ${
          call
            ? html`<span
          class="pill">${t("call")} <code>${call.id}</code></span>${callState(call)}${
            call.queue ? badge("", "", this.queueName(call.queue)) : nothing
          }`
            : nothing
        }
        ${
          this.active
            ? html`<span class="row end">
          ${
            this.active.phase === "waiting"
              ? html`<button type="button" class="b p"
            @click=${() => void this.change({ phase: "connected", agent: this.agent })}>${t("play.answer")}</button>`
              : nothing
          }
          <button type="button" class="b" @click=${this.openTransfer}>${t("play.transfer")}</button>
          <button type="button" class="b d" @click=${this.hangUp}>${t("play.hang_up")}</button></span>`
            : nothing
        }
      </div>
      ${problemBar(this.problem)}${problemBar(problem, () => this.stage.again())}${this.hint()}
      ${tabs({
        label: t("page.playground"),
        kind: "narrow",
        items: [
          ["phone", t("play.tab.phone")],
          ["agent", t("play.tab.agent")],
          ["gateway", t("play.tab.gateway")],
        ],
        selected: this.tab,
        choose: (tab) => (this.tab = tab),
      })}
      <div class="play">
        <off-phone ?data-off=${this.tab !== "phone"} .number=${this.caller} .phones=${data.phones} .to=${this.to(data)}
          @phone=${(/** @type {CustomEvent<string>} */ event) => this.choosePhone(event.detail)}
          @added=${() => void this.stage.again()}></off-phone>
        <section class="card" ?data-off=${this.tab !== "agent"} aria-label=${t("play.agent")}>${this.adapter(data)}</section>
        <off-gateway ?data-off=${this.tab !== "gateway"} .callId=${call?.id ?? ""}></off-gateway>
      </div>
      ${
        this.transfers
          ? dialog(
              t("play.transfer"),
              () => this.transferForm(data),
              () => (this.transfers = false),
            )
          : nothing
      }`;
  }

  hint() {
    const seen = (/** @type {string} */ hint) => preference(`hint.${hint}`) === "done";
    const hint =
      !this.active && !seen("text")
        ? t("play.hint.ring")
        : this.active && !seen("text")
          ? t("play.hint.text")
          : this.active && !seen("reply")
            ? t("play.hint.reply")
            : "";
    return hint ? html`<div class="bar acc">${hint}</div>` : nothing;
  }

  /** @param {string} id */
  queueName(id) {
    return this.stage.data?.queues.find((queue) => queue.id === id)?.name ?? id;
  }

  /** Where the phone's texts go: the number it was texted from, else one that the queue answers on. @param {NonNullable<Playground["stage"]["data"]>} stage */
  to(stage) {
    const queue = stage.queues.find(({ id }) => id === (this.active?.queue ?? this.queue));
    return this.active?.our_number ?? queue?.inbound_numbers[0] ?? "";
  }

  /** @param {string} number */
  choosePhone(number) {
    this.caller = number;
    this.talk?.stop();
    this.talk = null;
    setQuery({ phone: number, call: "" });
    void this.findCall().then(() => this.requestUpdate());
    this.requestUpdate();
  }

  /** @param {NonNullable<Playground["stage"]["data"]>} stage */
  adapter(stage) {
    const { call, talk } = this;
    const label = stage.numbers.find(({ number }) => number === call?.our_number)?.label;
    return html`<h2>${t("play.agent")} ${call?.language ? badge("", "", languageName(call.language)) : nothing}${call?.our_number ? badge("", "", t("call.from_number", { number: label ?? showNumber(call.our_number) })) : nothing}
        ${call ? html`<span class="end">${sessionBadge(call)}</span>` : nothing}</h2>
      ${talk ? html`<off-conversation .talk=${talk} .label=${t("talk")} .canSend=${true}></off-conversation>` : nothing}
      ${
        call && talk
          ? html`<off-composer .talk=${talk} .presets=${stage.presets}
        .agent=${call.agent}></off-composer>`
          : nothing
      }
      ${call?.state === "ended" || !talk ? this.ringForm(stage) : nothing}`;
  }

  /** @param {NonNullable<Playground["stage"]["data"]>} stage */
  ringForm(stage) {
    return html`<form class="comp stack" @submit=${(/** @type {Event} */ event) => {
      event.preventDefault();
      void this.ring();
    }}>
      ${this.talk ? nothing : empty(t("play.no_call"))}
      <div class="cols">
        ${select({
          id: "ring-queue",
          label: t("queue"),
          value: this.queue,
          options: stage.queues.map(({ id, name }) => [id, name]),
          change: (value) => {
            this.queue = value;
            this.requestUpdate();
          },
        })}
        ${field({ id: "ring-agent", label: t("call.agent"), value: this.agent, input: (value) => (this.agent = value) })}
      </div>
      ${check({ id: "ring-waits", label: t("play.waits"), checked: this.waits, change: (on) => (this.waits = on) })}
      ${
        this.waits
          ? check({ id: "ring-consent", label: t("play.consent"), checked: this.consent, change: (on) => (this.consent = on) })
          : nothing
      }
      <div class="row"><button class="b p">${t("play.ring", { number: showNumber(this.caller) })}</button></div>
    </form>`;
  }

  openTransfer() {
    this.newQueue = this.active?.queue ?? "";
    this.newAgent = this.active?.agent ?? "";
    this.transfers = true;
  }

  /** @param {NonNullable<Playground["stage"]["data"]>} stage */
  transferForm(stage) {
    const submit = async (/** @type {Event} */ event) => {
      event.preventDefault();
      const { newAgent } = this;
      if (
        !newAgent.trim() &&
        this.active?.agent &&
        !(await ask({ title: t("play.no_agent"), text: t("play.no_agent_text"), action: t("play.transfer") }))
      )
        return;
      this.transfers = false;
      await this.change({ queue: this.newQueue, agent: newAgent.trim() || null });
    };
    return html`<form @submit=${submit}>
      ${select({
        id: "transfer-queue",
        label: t("queue"),
        value: this.newQueue,
        options: stage.queues.map(({ id, name }) => [id, name]),
        change: (value) => (this.newQueue = value),
      })}
      ${field({
        id: "transfer-agent",
        label: t("call.agent"),
        value: this.newAgent,
        hint: t("play.agent_hint"),
        input: (value) => (this.newAgent = value),
      })}
      <footer><button type="button" class="b" @click=${() => (this.transfers = false)}>${t("cancel")}</button><button
        class="b p">${t("play.transfer")}</button></footer>
    </form>`;
  }
}
customElements.define("off-playground", Playground);
