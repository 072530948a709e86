// `<off-number-form>`: a number to add or to edit (R26-R29); `<off-number-act>`: one to suspend or delete.
import { html, nothing } from "../vendor/lit.js";
import { asProblem, get, path, request, unique } from "../live/api.js";
import { readNumber, showNumber } from "../live/e164.js";
import { check, field, select } from "../parts/controls.js";
import { Part, say } from "../parts/element.js";
import { remove, undo } from "../parts/set.js";
import { problemBar, strange } from "../parts/small.js";
import { toast } from "../parts/dialog.js";
import { amount, t, word } from "../words/words.js";

/** Emits `saved`, and `shut-form`. */
export class NumberForm extends Part {
  static properties = {
    number: { attribute: false },
    accounts: { attribute: false },
    problem: { state: true },
    wrong: { state: true },
    added: { state: true },
  };

  constructor() {
    super();
    /** @type {Api.Number | null} null for one to add */
    this.number = null;
    /** @type {Api.Account[]} */
    this.accounts = [];
    /** @type {import("../live/api.js").Problem | null} */
    this.problem = null;
    this.wrong = "";
    this.added = 0;
    /** @type {string | null} */
    this.etag = null;
    /** What the form began with, once it is here. */
    this.loaded = "";
    this.value = "";
    this.label = "";
    this.account = "";
    this.purpose = "in_call";
    this.global = false;
    this.rate = "1";
    this.burst = "1";
    this.day = "";
    this.zone = "America/Los_Angeles";
  }

  /** @override */
  async firstUpdated() {
    if (!this.number) return;
    const { data, etag } = await get(path("numbers", this.number.number)).catch(() => ({ data: this.number, etag: null }));
    this.etag = etag;
    /** @type {Api.Number} */
    const number = data;
    const { limits } = number;
    Object.assign(this, {
      label: number.label,
      account: number.account,
      purpose: number.purpose,
      global: number.global_outbound,
      rate: String(limits.segments_per_second ?? ""),
      burst: String(limits.burst),
      day: String(limits.segments_per_day ?? ""),
      zone: limits.day_zone,
    });
    this.loaded = JSON.stringify(this.body);
    this.requestUpdate();
  }

  get isDirty() {
    if (this.number) return this.loaded !== "" && this.loaded !== JSON.stringify(this.body);
    return this.value.trim() !== "" || this.label.trim() !== "";
  }

  get body() {
    const whole = (/** @type {string} */ text) => (text.trim() === "" ? null : Number(text));
    return {
      label: this.label.trim(),
      account: this.account || this.accounts[0]?.name,
      purpose: this.purpose,
      global_outbound: this.global,
      limits: {
        segments_per_second: whole(this.rate),
        burst: whole(this.burst) ?? 1,
        segments_per_day: whole(this.day),
        day_zone: this.zone,
      },
    };
  }

  /** @param {boolean} another whether the dialog stays for the next one */
  async save(another) {
    this.problem = null;
    this.wrong = "";
    const read = this.number ? { number: this.number.number, problem: null } : readNumber(this.value);
    if (read.number === null) {
      this.wrong = word("number", read.problem);
      this.find("#number")?.focus();
      return;
    }
    try {
      const { etag } = await request(
        "PUT",
        path("numbers", read.number),
        this.number ? { body: this.body, ifMatch: this.etag } : { body: this.body, create: true },
      );
      this.emit("saved");
      const before = this.number;
      toast(
        t(before ? "saved" : "numbers.added", { number: showNumber(read.number) }),
        before
          ? { label: t("undo"), act: () => void undo(path("numbers", before.number), before, etag, () => this.emit("saved")) }
          : undefined,
      );
      if (!another) return this.emit("shut-form");
      // Account and limits are usually the same for the next one.
      Object.assign(this, { value: "", label: "", global: false });
      this.added += 1;
      say(t("numbers.added", { number: showNumber(read.number) }));
      this.find("#number")?.focus();
    } catch (thrown) {
      const problem = asProblem(thrown);
      if (problem.status === 412) {
        this.wrong = this.number ? "" : t("number.exists");
        if (this.number) this.problem = problem;
      } else this.problem = problem;
    }
  }

  /** What the gateway says of a field. @param {string} field */
  fieldWrong(field) {
    return this.problem?.errors.find((error) => error.field === field || error.field.startsWith(`${field}.`))?.detail ?? null;
  }

  /** @override */
  render() {
    const read = this.value.trim() ? readNumber(this.value) : null;
    const set = (/** @type {Partial<NumberForm>} */ values) => {
      Object.assign(this, values);
      this.requestUpdate();
    };
    const adds = this.number === null;
    return html`<form @submit=${(/** @type {Event} */ event) => {
      event.preventDefault();
      void this.save(false);
    }}>
      ${problemBar(this.problem)}
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
              input: (value) => set({ value, wrong: "" }),
            })
          : nothing
      }
      ${field({
        id: "number-label",
        label: t("number.label"),
        value: this.label,
        required: true,
        hint: t("number.label_hint"),
        wrong: this.fieldWrong("label"),
        input: (label) => set({ label }),
      })}
      ${select({
        id: "number-account",
        label: t("number.account"),
        value: this.account || (this.accounts[0]?.name ?? ""),
        options: this.accounts.map(({ name, carrier }) => [name, `${name} (${carrier})`]),
        wrong: this.fieldWrong("account"),
        change: (account) => set({ account }),
      })}
      <div class="cols">
        ${field({
          id: "number-rate",
          label: t("number.rate"),
          value: this.rate,
          type: "number",
          min: 0,
          step: "any",
          hint: t("number.rate_hint"),
          wrong: this.fieldWrong("limits.segments_per_second"),
          input: (rate) => set({ rate }),
        })}
        ${field({
          id: "number-burst",
          label: t("number.burst"),
          value: this.burst,
          type: "number",
          min: 1,
          step: "1",
          wrong: this.fieldWrong("limits.burst"),
          input: (burst) => set({ burst }),
        })}
        ${field({
          id: "number-day",
          label: t("number.day"),
          value: this.day,
          type: "number",
          min: 1,
          step: "1",
          hint: t("number.day_hint"),
          wrong: this.fieldWrong("limits.segments_per_day"),
          input: (day) => set({ day }),
        })}
        ${field({
          id: "number-zone",
          label: t("number.zone"),
          value: this.zone,
          wrong: this.fieldWrong("limits.day_zone"),
          input: (zone) => set({ zone }),
        })}
      </div>
      ${select({
        id: "number-purpose",
        label: t("number.purpose"),
        value: this.purpose,
        options: [
          ["in_call", t("number.purpose_in_call")],
          ["chat", t("number.purpose_chat")],
        ],
        wrong: this.fieldWrong("purpose"),
        change: (purpose) => set({ purpose }),
      })}
      ${check({
        id: "number-global",
        label: t("number.set_global"),
        checked: this.global,
        hint: t("number.global_hint"),
        change: (global) => set({ global }),
      })}
      <footer>
        <button type="button" class="b" @click=${() => this.emit("shut-form")}>${this.added > 0 ? t("close") : t("cancel")}</button>
        ${
          adds
            ? html`<button type="button" class="b" ?disabled=${!this.value.trim() || !this.label.trim()}
          @click=${() => void this.save(true)}>${t("numbers.add_another")}</button>`
            : nothing
        }
        <button class="b p">${adds ? t("numbers.add") : t("set")}</button>
      </footer>
    </form>`;
  }
}
customElements.define("off-number-form", NumberForm);

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
    const { number, label, account, purpose, global_outbound, limits } = this.number;
    const where = path("numbers", number);
    try {
      if (this.does === "suspend") {
        const until = this.until ? { until: new Date(this.until).toISOString() } : {};
        await request("POST", `${where}/suspend`, { body: { reason: this.reason, ...until }, key: unique() });
      } else {
        const { etag } = await get(where);
        const before = { label, account, purpose, global_outbound, limits };
        this.problem = await remove(where, before, etag, showNumber(number), () => this.emit("saved"));
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
        <button class="b d">${suspends ? t("suspend") : t("delete")}</button>
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
  deleteText({ queues }) {
    const used = queues.inbound !== null || queues.outbound.length > 0;
    return html`<p>${used ? t("number.in_use") : t("number.delete_text")}</p>
      ${used ? html`<p>${this.queues}</p>` : nothing}`;
  }
}
customElements.define("off-number-act", NumberAct);

/** `1/s b1`. @param {Api.Limits} limits */
export function limitText({ segments_per_second: rate, burst, segments_per_day: day }) {
  return `${rate === null ? t("number.no_limit") : `${rate}/s b${burst}`}${day === null ? "" : ` ${amount(day)}/d`}`;
}

/** The queues of a number, each a link. @param {Api.Number} number @param {Api.Queue[]} all */
export function queuesOf({ queues }, all) {
  const name = (/** @type {string} */ id) => all.find((queue) => queue.id === id)?.name ?? id;
  const link = (/** @type {string} */ id) => html`<a href="/queues/${encodeURIComponent(id)}">${strange(name(id))}</a> `;
  if (!queues.inbound && queues.outbound.length === 0) return "–";
  return html`${queues.inbound ? html`${t("number.in")} ${link(queues.inbound)}` : nothing}${queues.outbound.length > 0 ? html`<div>${t("number.out")} ${queues.outbound.map(link)}</div>` : nothing}`;
}
