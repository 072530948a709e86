// `/numbers`: add, verify, edit, suspend and delete our numbers; and the activation of the first one (R15-R17, R25-R32).
import { html, nothing, repeat } from "../vendor/lit.js";
import { query, setQuery } from "../app/routes.js";
import { session } from "../app/session.js";
import { all, asProblem, get, path, request, unique } from "../live/api.js";
import { readNumber, showNumber } from "../live/e164.js";
import { live } from "../live/stream.js";
import { field } from "../parts/controls.js";
import { dialog, toast } from "../parts/dialog.js";
import { Loaded, Part, say } from "../parts/element.js";
import { remove } from "../parts/set.js";
import { badge, copyButton, empty, phoneNumber, problemBar, row, shown, table, when } from "../parts/small.js";
import { amount, duration, t } from "../words/words.js";
import "./number-form.js";

/** Numbers verified by one request, so that rows settle one after another. */
const AT_ONCE = 20;

/** @typedef {{ numbers: Api.Number[], accounts: Api.Account[], queues: Api.Queue[], activation: boolean }} Data */

class Numbers extends Part {
  static properties = { filter: { state: true }, chosen: { state: true }, verifying: { state: true }, open: { state: true }, problem: { state: true }, only: { state: true } };

  constructor() {
    super();
    /** @type {Loaded<Data>} */
    this.list = new Loaded(this, async () => {
      const [numbers, accounts, queues, settings] = await Promise.all([all("/v1/numbers"), all("/v1/accounts"), all("/v1/queues"), get("/v1/settings")]);
      return { numbers, accounts, queues, activation: settings.data.activation_required === true };
    });
    this.filter = query("q");
    /** @type {Set<string>} */
    this.chosen = new Set();
    /** @type {Set<string>} */
    this.verifying = new Set();
    /** What the carrier could not be asked about. @type {Map<string, string>} */
    this.notes = new Map();
    /** @type {{ does: "add" | "edit" | "suspend" | "delete", number?: Api.Number } | null} */
    this.open = null;
    /** @type {import("../live/api.js").Problem | null} */
    this.problem = null;
    this.activating = "";
    this.activationWrong = "";
    this.until = "";
    this.reason = "";
  }

  /** @override */
  connected() {
    void this.list.again();
    this.hear(live, "reset", () => void this.list.again());
    this.hear(live, "event", ({ detail }) => {
      const directory = detail.type === "directory.changed" && ["numbers", "queues", "directory", "settings", "accounts"].includes(detail.data.resource);
      if (directory || detail.type === "number.verification_changed") void this.list.again();
    });
  }

  get canChange() {
    return session.can("admin");
  }

  /** @param {Data} data */
  visible({ numbers }) {
    const query = this.filter.toLowerCase().replace(/[\s()+-]/g, "");
    return numbers.filter(({ number, label, account }) => query === "" || number.includes(query) || `${label}${account}`.toLowerCase().replace(/[\s()+-]/g, "").includes(query));
  }

  /** @param {string[]} numbers */
  async verify(numbers) {
    this.problem = null;
    this.chosen = new Set();
    this.verifying = new Set([...this.verifying, ...numbers]);
    let verified = 0;
    for (let from = 0; from < numbers.length; from += AT_ONCE) {
      const some = numbers.slice(from, from + AT_ONCE);
      try {
        const { data } = await request("POST", "/v1/numbers/verify", { body: { numbers: some }, key: unique() });
        for (const { number, state, reason } of data.results ?? []) {
          if (state === "verified") verified += 1;
          if (reason) this.notes.set(number, reason);
          else this.notes.delete(number);
        }
      } catch (thrown) {
        this.problem = asProblem(thrown);
      }
      this.verifying = new Set([...this.verifying].filter((number) => !some.includes(number)));
      await this.list.again();
    }
    if (!this.problem) say(t("numbers.verified_said", { n: verified, all: numbers.length }));
  }

  /** Adds the first number and verifies it, in one go (R16). @param {Data} data */
  async activate(data) {
    const typed = this.activating.trim();
    const { number } = readNumber(typed.startsWith("+") || typed.startsWith("00") ? typed : `+1${typed}`);
    if (!number || !/^\+1\d{10}$/.test(number)) {
      this.activationWrong = t("activation.wrong");
      return this.requestUpdate();
    }
    this.activationWrong = "";
    this.problem = null;
    try {
      if (!data.numbers.some((other) => other.number === number)) {
        await request("PUT", path("numbers", number), { body: { label: t("activation.label"), account: data.accounts[0]?.name ?? "main" }, create: true });
      }
      await this.verify([number]);
      const failed = this.list.data?.numbers.find((other) => other.number === number);
      if (failed && failed.verification.state !== "verified") this.activationWrong = this.notes.get(number) ?? failed.verification.reason ?? t("number.failed");
      else toast(t("activation.done", { number: showNumber(number) }));
    } catch (thrown) {
      this.problem = asProblem(thrown);
    }
    this.requestUpdate();
  }

  /** @override */
  render() {
    return html`<div class="head"><h1>${t("page.numbers")}</h1></div><div class="stack">${shown(this.list, (data) => this.page(data))}</div>`;
  }

  /** @param {Data} data */
  page(data) {
    const visible = this.visible(data);
    const chosen = [...this.chosen];
    const unverified = visible.filter(({ verification }) => verification.state !== "verified").map(({ number }) => number);
    return html`${data.activation ? this.activation(data) : nothing}${problemBar(this.problem)}
      <div class="row foot">
        <div data-filter>${field({ id: "numbers-filter", label: t("filter"), value: this.filter, type: "search", input: (value) => { this.filter = value; setQuery({ q: value }); } })}</div>
        ${this.canChange ? html`<span class="row end">
          <button type="button" class="b" ?disabled=${unverified.length === 0} @click=${() => (this.chosen = new Set(unverified))}>${t("numbers.select_unverified")}</button>
          <button type="button" class="b" ?disabled=${chosen.length === 0} @click=${() => void this.verify(chosen)}>${t("verify")} (${chosen.length})</button>
          <button type="button" class="b p" @click=${() => (this.open = { does: "add" })}>${t("numbers.add")}</button></span>` : nothing}
      </div>
      ${data.numbers.length === 0 ? html`<div class="card">${empty(t("numbers.none"))}</div>` : visible.length === 0 ? html`<div class="card">${empty(t("numbers.none_found"))}</div>` : this.rows(visible, data)}
      ${this.openDialog(data)}`;
  }

  /** @param {Data} data */
  activation(data) {
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.activate(data);
    };
    return html`<section class="card"><h2>${t("activation.title")}</h2><form class="body" @submit=${submit}>
      <p>${t("activation.text")}</p>
      ${field({ id: "activation", label: t("activation.number"), value: this.activating, type: "tel", autocomplete: "off", placeholder: "+1 206 555 0100", wrong: this.activationWrong, input: (value) => (this.activating = value), disabled: !this.canChange })}
      <div class="row"><button class="b p" ?disabled=${!this.canChange || this.verifying.size > 0}>${this.verifying.size > 0 ? t("number.asking") : t("activate")}</button></div>
    </form></section>`;
  }

  /** @param {Api.Number[]} numbers @param {Data} data */
  rows(numbers, data) {
    const every = numbers.length > 0 && numbers.every(({ number }) => this.chosen.has(number));
    const heads = [t("number"), t("number.label"), t("number.status"), "SMS", "MMS", t("page.queues"), t("number.limit"), t("number.lane"), ""];
    const first = this.canChange
      ? [html`<label class="check"><input type="checkbox" .checked=${every} @change=${() => (this.chosen = every ? new Set() : new Set(numbers.map(({ number }) => number)))} /><span class="hide">${t("numbers.select_all")}</span></label>`]
      : [];
    const rows = repeat(numbers, ({ number }) => number, (number) => {
      const { verification } = number;
      const mark = (/** @type {boolean} */ has) => (verification.state === "unverified" ? "–" : has ? html`<span class="okc">✓<span class="hide"> ${t("yes")}</span></span>` : html`–<span class="hide"> ${t("no")}</span>`);
      /** @type {Array<[string, unknown]>} */
      const cells = [
        [heads[0], html`${phoneNumber(number.number)} ${number.global_outbound ? badge("", "", t("number.global")) : nothing}${number.purpose === "chat" ? badge("", "", t("number.chat")) : nothing}`],
        [heads[1], html`<span class="label">${number.label}</span> <span class="meta">${number.account}</span>`],
        [heads[2], this.status(number)],
        [heads[3], mark(verification.sms)],
        [heads[4], mark(verification.mms)],
        [heads[5], this.queuesOf(number, data)],
        [heads[6], html`<span class="num">${limitText(number.limits)}</span>`],
        [heads[7], html`<span class="num">${number.lane.queued === 0 ? "0" : `${amount(number.lane.queued)}, ${duration(number.lane.oldest_ready_ms ?? 0)}`}</span>`],
        [heads[8], this.canChange || session.can("operate") ? this.acts(number) : nothing],
      ];
      if (this.canChange) cells.unshift(["", html`<label class="check"><input type="checkbox" .checked=${this.chosen.has(number.number)} @change=${() => this.choose(number.number)} /><span class="hide">${t("select", { what: showNumber(number.number) })}</span></label>`]);
      return row(cells);
    });
    return table(t("page.numbers"), [...first, ...heads.slice(0, -1), html`<span class="hide">${t("acts")}</span>`], /** @type {any} */ (rows));
  }

  /** @param {string} number */
  choose(number) {
    const chosen = new Set(this.chosen);
    if (!chosen.delete(number)) chosen.add(number);
    this.chosen = chosen;
  }

  /** @param {Api.Number} number */
  status({ number, verification, suspended, account }) {
    const { state, reason } = verification;
    const webhook = this.list.data?.accounts.find(({ name }) => name === account)?.webhooks.messages;
    const note = this.notes.get(number) ?? reason;
    return html`${this.verifying.has(number)
      ? badge("", "…", t("number.asking"))
      : state === "verified"
        ? badge("ok", "✓", t("number.verified"))
        : state === "failed"
          ? badge("bad", "!", t("number.failed"))
          : badge("warn", "○", t("number.unverified"))}
      ${suspended ? html`<div>${badge("warn", "‖", t("number.suspended"))} <span class="meta">${suspended.reason} ${suspended.until ? html`${t("until")} ${when(suspended.until)}` : nothing}</span></div>` : nothing}
      ${note && !this.verifying.has(number) ? html`<p class="meta wrap">${note}</p>` : nothing}
      ${state === "failed" && note && /webhook/i.test(note) && webhook ? html`<p class="meta wrap">${t("number.set_webhook")} <code>${webhook}</code> ${copyButton(webhook)}</p>` : nothing}`;
  }

  /** @param {Api.Number} number @param {Data} data */
  queuesOf({ queues }, data) {
    const name = (/** @type {string} */ id) => data.queues.find((queue) => queue.id === id)?.name ?? id;
    const link = (/** @type {string} */ id) => html`<a href="/queues/${encodeURIComponent(id)}">${name(id)}</a> `;
    if (!queues.inbound && queues.outbound.length === 0) return "–";
    return html`${queues.inbound ? html`${t("number.in")} ${link(queues.inbound)}` : nothing}${queues.outbound.length > 0 ? html`<div>${t("number.out")} ${queues.outbound.map(link)}</div>` : nothing}`;
  }

  /** @param {Api.Number} number */
  acts(number) {
    const name = html`<span class="hide"> ${showNumber(number.number)}</span>`;
    const verified = number.verification.state === "verified";
    return html`<span class="row acts">
      ${this.canChange && !verified ? html`<button type="button" class="link" @click=${() => void this.verify([number.number])}>${t("verify")}${name}</button>` : nothing}
      ${this.canChange ? html`<button type="button" class="link" @click=${() => (this.open = { does: "edit", number })}>${t("edit")}${name}</button>` : nothing}
      ${session.can("operate")
        ? number.suspended
          ? html`<button type="button" class="link" @click=${() => void this.act(number, "resume", {})}>${t("resume")}${name}</button>`
          : html`<button type="button" class="link" @click=${() => (this.open = { does: "suspend", number })}>${t("suspend")}${name}</button>`
        : nothing}
      ${this.canChange ? html`<button type="button" class="link badc" @click=${() => (this.open = { does: "delete", number })}>${t("delete")}${name}</button>` : nothing}</span>`;
  }

  /** @param {Api.Number} number @param {"suspend" | "resume"} what @param {object} body */
  async act(number, what, body) {
    this.problem = null;
    try {
      await request("POST", `${path("numbers", number.number)}/${what}`, { body, key: unique() });
      this.open = null;
    } catch (thrown) {
      this.problem = asProblem(thrown);
    }
    await this.list.again();
  }

  /** @param {Data} data */
  openDialog(data) {
    const { open } = this;
    const shut = () => { this.open = null; this.problem = null; };
    if (!open) return nothing;
    const again = () => void this.list.again();
    if (open.does === "add" || open.does === "edit") {
      return dialog(open.does === "add" ? t("numbers.add") : showNumber(open.number?.number), () => html`<off-number-form .number=${open.number ?? null} .accounts=${data.accounts} @saved=${again} @shut-form=${shut}></off-number-form>`, shut, { isDirty: () => /** @type {import("./number-form.js").NumberForm | null} */ (this.find("off-number-form"))?.isDirty ?? false });
    }
    const number = /** @type {Api.Number} */ (open.number);
    if (open.does === "suspend") return dialog(t("suspend.title", { number: showNumber(number.number) }), () => this.suspendForm(number), shut);
    return dialog(t("delete.title", { what: showNumber(number.number) }), () => this.deleteForm(number, data), shut);
  }

  /** @param {Api.Number} number */
  suspendForm(number) {
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.act(number, "suspend", { reason: this.reason, ...(this.until ? { until: new Date(this.until).toISOString() } : {}) });
    };
    return html`<form @submit=${submit}><p>${t("suspend.text")}</p>${problemBar(this.problem)}
      ${field({ id: "suspend-reason", label: t("reason"), value: this.reason, required: true, focus: true, input: (value) => (this.reason = value) })}
      ${field({ id: "suspend-until", label: t("suspend.until"), value: this.until, type: "datetime-local", hint: t("suspend.until_hint"), input: (value) => (this.until = value) })}
      <footer><button type="button" class="b" @click=${() => (this.open = null)}>${t("cancel")}</button><button class="b d">${t("suspend")}</button></footer></form>`;
  }

  /** @param {Api.Number} number @param {Data} data */
  deleteForm(number, data) {
    const used = number.queues.inbound !== null || number.queues.outbound.length > 0;
    const act = async () => {
      const { etag } = await get(path("numbers", number.number)).catch(() => ({ etag: null }));
      this.problem = await remove(path("numbers", number.number), { label: number.label, account: number.account, purpose: number.purpose, global_outbound: number.global_outbound, limits: number.limits }, etag, showNumber(number.number), () => this.list.again());
      if (!this.problem) this.open = null;
    };
    return html`<p>${used ? t("number.in_use") : t("number.delete_text")}</p>${used ? html`<p>${this.queuesOf(number, data)}</p>` : nothing}${problemBar(this.problem)}
      <footer><button type="button" class="b" autofocus @click=${() => { this.open = null; this.problem = null; }}>${t("cancel")}</button><button type="button" class="b d" @click=${act}>${t("delete")}</button></footer>`;
  }
}
customElements.define("off-numbers", Numbers);

/** `1/s b1`. @param {Api.Limits} limits */
function limitText({ segments_per_second: rate, burst, segments_per_day: day }) {
  return `${rate === null ? t("number.no_limit") : `${rate}/s b${burst}`}${day === null ? "" : ` ${amount(day)}/d`}`;
}

/** Why a number cannot be taken by a queue; null if it can (R18, R19, R21, R27, R31). @param {Api.Number} number @param {"inbound" | "outbound"} role @param {string} queue @param {(id: string) => string} nameOf */
export function whyNot(number, role, queue, nameOf) {
  if (number.purpose === "chat") return t("picker.chat");
  if (number.global_outbound) return t("picker.global");
  if (number.verification.state !== "verified") return t(number.verification.state === "failed" ? "picker.failed" : "picker.unverified");
  const { inbound, outbound } = number.queues;
  if (role === "inbound" && inbound && inbound !== queue) return t("picker.taken", { queue: nameOf(inbound) });
  const holders = outbound.filter((id) => id !== queue);
  if (role === "inbound" && !inbound && holders.length > 0) return t("picker.outbound_only", { queue: holders.map(nameOf).join(", ") });
  return null;
}

