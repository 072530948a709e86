// `<off-number-form>`: a number to add or to edit (R26-R29); `<off-number-act>`: one to suspend or delete.
import { html, nothing } from "../vendor/lit.js";
import { guard } from "../app/routes.js";
import { asProblem, get, path, request, unique } from "../live/api.js";
import { readNumber, showNumber } from "../live/e164.js";
import { Form } from "../live/form.js";
import { live } from "../live/stream.js";
import { check, field, select } from "../parts/controls.js";
import { shutDialog, toast } from "../parts/dialog.js";
import { Part, say } from "../parts/element.js";
import { remove, save, saveTrouble } from "../parts/set.js";
import { problemBar, refusal, strange } from "../parts/small.js";
import { amount, duration, t, word } from "../words/words.js";

/** What a number begins with. */
const LIMITS = { segments_per_second: 1, burst: 1, segments_per_day: null, day_zone: "America/Los_Angeles" };

/** Emits `saved`, and `shut-form`. */
export class NumberForm extends Part {
  static properties = {
    number: { attribute: false },
    accounts: { attribute: false },
    wrong: { state: true },
    added: { state: true },
    busy: { state: true },
  };

  constructor() {
    super();
    /** @type {Api.Number | null} null for one to add */
    this.number = null;
    /** @type {Api.Account[]} */
    this.accounts = [];
    this.form = new Form("");
    /** Numbers as they were typed. @type {Map<string, string>} */
    this.typed = new Map();
    this.wrong = "";
    this.added = 0;
    this.busy = false;
    /** The number to add. */
    this.value = "";
  }

  /** @override */
  connected() {
    this.unguard = guard(() => this.isDirty);
    this.hear(live, "reset", () => this.number && void this.form.load());
    this.hear(live, "event", ({ detail }) => {
      if (detail.type !== "directory.changed" || !this.number) return;
      const { resource, id, by, etag } = detail.data;
      if (resource === "directory" || (resource === "numbers" && id === this.number.number)) void this.form.hear(by, etag);
    });
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.unguard?.();
    this.form.stop();
  }

  /** @override */
  willUpdate() {
    if (this.form.base) return;
    const { number, accounts } = this;
    const fresh = { label: "", account: accounts[0]?.name, purpose: "in_call", global_outbound: false, limits: LIMITS };
    // The list shows what is there, so that one can begin to type; it is sent once its ETag is known.
    this.form = number ? new Form(path("numbers", number.number), number) : new Form("", fresh);
    this.form.addEventListener("change", () => this.requestUpdate());
    if (number) void this.form.load();
  }

  get isDirty() {
    if (this.number) return this.form.isDirty();
    return this.value.trim() !== "" || this.form.value("label")?.trim() !== "";
  }

  async set() {
    const { form } = this;
    form.set("label", form.value("label").trim());
    if (!(await save(form, showNumber(this.number?.number), undefined, () => this.emit("saved")))) return;
    this.emit("saved");
    if (!form.isDirty()) this.emit("shut-form");
  }

  /** @param {boolean} another whether the dialog stays for the next one */
  async add(another) {
    if (this.busy) return;
    const { form, value } = this;
    const read = readNumber(value);
    this.wrong = word("number", read.problem);
    if (read.number === null) return this.find("#number")?.focus();
    const sent = { label: form.value("label"), global_outbound: form.value("global_outbound") };
    this.busy = true;
    form.problem = null;
    try {
      const body = { ...form.doc, label: sent.label.trim() };
      await request("PUT", path("numbers", read.number), { body, create: true });
      this.emit("saved");
      const done = t("numbers.added", { number: showNumber(read.number) });
      toast(done);
      say(done);
      // Account and limits are usually the same for the next one; what was typed of it meanwhile stays.
      if (this.value === value) this.value = "";
      for (const [name, was] of Object.entries(sent)) if (form.value(name) === was) form.set(name, form.base?.[name]);
      this.added += 1;
      if (another || this.isDirty) this.find("#number")?.focus();
      else this.emit("shut-form");
    } catch (thrown) {
      const problem = asProblem(thrown);
      if (problem.status === 412) this.wrong = t("number.exists");
      else form.problem = problem;
    }
    this.busy = false;
  }

  /** A field of a number, which shows it as it was typed. @param {string} id @param {string} name @param {string} label @param {object} options */
  amount(id, name, label, options) {
    const { form, typed } = this;
    // A lane of no burst sends nothing.
    const read = (/** @type {string} */ text) => (text.trim() === "" ? (name === "limits.burst" ? 1 : null) : Number(text));
    const value = form.value(name);
    const text = typed.get(name);
    return field({
      id,
      label,
      value: text !== undefined && read(text) === value ? text : value,
      type: "number",
      wrong: refusal(form.wrong(name)),
      input: (next) => {
        typed.set(name, next);
        form.set(name, read(next));
      },
      ...options,
    });
  }

  /** @override */
  render() {
    const { form } = this;
    const read = this.value.trim() ? readNumber(this.value) : null;
    const adds = this.number === null;
    const waits = adds ? this.busy : !form.etag || !form.isDirty() || form.saving !== null || form.conflicts.length > 0;
    return html`<form data-form @submit=${(/** @type {Event} */ event) => {
      event.preventDefault();
      void (adds ? this.add(false) : this.set());
    }}>
      ${saveTrouble(form)}
      ${
        adds
          ? field({
              id: "number",
              label: t("number"),
              value: this.value,
              type: "tel",
              required: true,
              focus: true,
              wrong: this.wrong,
              hint: read?.number ? showNumber(read.number) : t("number.hint"),
              input: (value) => {
                Object.assign(this, { value, wrong: "" });
                this.requestUpdate();
              },
            })
          : nothing
      }
      ${field({
        id: "number-label",
        label: t("number.label"),
        value: form.value("label"),
        required: true,
        hint: t("number.label_hint"),
        wrong: refusal(form.wrong("label")),
        input: (label) => form.set("label", label),
      })}
      ${select({
        id: "number-account",
        label: t("number.account"),
        value: form.value("account") ?? "",
        options: this.accounts.map(({ name, carrier }) => [name, `${name} (${carrier})`]),
        wrong: refusal(form.wrong("account")),
        change: (account) => form.set("account", account),
      })}
      <div class="cols">
        ${this.amount("number-rate", "limits.segments_per_second", t("number.rate"), { min: 0, step: "any", hint: t("number.rate_hint") })}
        ${this.amount("number-burst", "limits.burst", t("number.burst"), { min: 1, step: "1", hint: t("number.burst_hint") })}
        ${this.amount("number-day", "limits.segments_per_day", t("number.day"), { min: 1, step: "1", hint: t("number.day_hint") })}
        ${field({
          id: "number-zone",
          label: t("number.zone"),
          value: form.value("limits.day_zone"),
          wrong: refusal(form.wrong("limits.day_zone")),
          input: (zone) => form.set("limits.day_zone", zone),
        })}
      </div>
      ${select({
        id: "number-purpose",
        label: t("number.purpose"),
        value: form.value("purpose"),
        options: [
          ["in_call", t("number.purpose_in_call")],
          ["chat", t("number.purpose_chat")],
        ],
        wrong: refusal(form.wrong("purpose")),
        change: (purpose) => form.set("purpose", purpose),
      })}
      ${check({
        id: "number-global",
        label: t("number.set_global"),
        checked: form.value("global_outbound"),
        hint: t("number.global_hint"),
        change: (global) => form.set("global_outbound", global),
      })}
      <footer>
        <button type="button" class="b" @click=${shutDialog}>${this.added > 0 ? t("close") : t("cancel")}</button>
        ${
          adds
            ? html`<button type="button" class="b" ?disabled=${waits || !this.value.trim() || !form.value("label").trim()}
          @click=${() => void this.add(true)}>${t("numbers.add_another")}</button>`
            : nothing
        }
        <button class="b p" data-set ?disabled=${waits}>${adds ? t("numbers.add") : t("set")}</button>
      </footer>
    </form>`;
  }
}
customElements.define("off-number-form", NumberForm);

/** Whether queues hold it, so that it cannot be deleted. @param {Api.Number} number */
function isUsed({ queues }) {
  return queues.inbound !== null || queues.outbound.length > 0;
}

/** `<off-number-act>`: what is asked before a number is suspended or deleted. Emits `saved`, and `shut-form`. */
class NumberAct extends Part {
  static properties = {
    number: { attribute: false },
    does: { attribute: false },
    queues: { attribute: false },
    problem: { state: true },
  };

  constructor() {
    super();
    /** @type {Api.Number | null} */
    this.number = null;
    /** @type {"suspend" | "delete"} */
    this.does = "suspend";
    /** Links to the queues that use it. @type {unknown} */
    this.queues = nothing;
    /** @type {import("../live/api.js").Problem | null} */
    this.problem = null;
    this.reason = "";
    this.until = "";
  }

  async act() {
    if (!this.number) return;
    const { number } = this.number;
    const where = path("numbers", number);
    try {
      if (this.does === "suspend") {
        const until = this.until ? { until: new Date(this.until).toISOString() } : {};
        await request("POST", `${where}/suspend`, { body: { reason: this.reason, ...until }, key: unique() });
      } else {
        const { data, etag } = await get(where);
        const verify = () => request("POST", "/v1/numbers/verify", { body: { numbers: [number] }, key: unique() });
        // What a number is put back as is not believed: its carrier is asked again.
        const restored = () => data.verification.state === "unverified" || verify();
        this.problem = await remove(where, data, etag, showNumber(number), () => this.emit("saved"), restored);
        if (this.problem) return;
      }
      this.emit("saved");
      this.emit("shut-form");
    } catch (thrown) {
      this.problem = asProblem(thrown);
    }
  }

  /** @override */
  render() {
    const { number } = this;
    if (!number) return nothing;
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.act();
    };
    const suspends = this.does === "suspend";
    return html`<form @submit=${submit}>
      ${suspends ? this.suspendFields() : this.deleteText(number)}${problemBar(this.problem)}
      <footer>
        <button type="button" class="b" ?autofocus=${!suspends} @click=${() => this.emit("shut-form")}>${t("cancel")}</button>
        <button class="b d" ?disabled=${!suspends && isUsed(number)}>${suspends ? t("suspend") : t("delete")}</button>
      </footer>
    </form>`;
  }

  suspendFields() {
    return html`<p>${t("suspend.text")}</p>
      ${field({
        id: "suspend-reason",
        label: t("reason"),
        value: this.reason,
        required: true,
        focus: true,
        input: (value) => (this.reason = value),
      })}
      ${field({
        id: "suspend-until",
        label: t("suspend.until"),
        value: this.until,
        type: "datetime-local",
        hint: t("suspend.until_hint"),
        input: (value) => (this.until = value),
      })}`;
  }

  /** @param {Api.Number} number */
  deleteText(number) {
    const used = isUsed(number);
    return html`<p>${used ? t("number.in_use") : t("number.delete_text")}</p>
      ${used ? html`<p>${this.queues}</p>` : nothing}`;
  }
}
customElements.define("off-number-act", NumberAct);

/** @typedef {{ code: string, detail: string }} Wrong */

/**
 * Why a number is not verified, if there is a reason.
 * @param {{ code?: string | null, reason?: string | null }} why
 * @returns {Wrong | null}
 */
export function wrongOf({ code, reason }) {
  return code || reason ? { code: code ?? "", detail: reason ?? "" } : null;
}

/** What a number may send, with its burst where it has one. @param {Api.Limits} limits */
export function limitText({ segments_per_second: rate, burst, segments_per_day: day }) {
  return html`${rate === null ? t("number.no_limit") : `${amount(rate)}/s`}${
    rate !== null && burst > 1 ? html` <div class="meta">${t("number.limit_burst", { n: amount(burst) })}</div>` : nothing
  }${day === null ? nothing : html` <div class="meta">${t("number.limit_day", { amount: amount(day) })}</div>`}`;
}

/** What waits for its turn on a number. @param {Api.Lane} lane */
export function laneText({ queued, oldest_ready_ms: oldest }) {
  if (queued === 0) return "0";
  return html`<span title=${t("segments", { n: queued })}>${amount(queued)}</span>
    <div class="meta keep">${t("number.lane_for", { time: duration(oldest ?? 0) })}</div>`;
}

/** The queues of a number, each a link. @param {Api.Number} number @param {Api.Queue[]} all */
export function queuesOf({ queues }, all) {
  const name = (/** @type {string} */ id) => all.find((queue) => queue.id === id)?.name ?? id;
  const link = (/** @type {string} */ id, /** @type {number} */ at) =>
    html`${at > 0 ? " · " : ""}<a href="/queues/${encodeURIComponent(id)}">${strange(name(id))}</a>`;
  if (!queues.inbound && queues.outbound.length === 0) return "–";
  return html`${queues.inbound ? html`<div class="of">${t("number.in")} ${link(queues.inbound, 0)}</div>` : nothing}${queues.outbound.length > 0 ? html`<div class="of">${t("number.out")} ${queues.outbound.map(link)}</div>` : nothing}`;
}
