// `<off-number-form>`: a number to add or to edit (R26-R29).
import { html, nothing } from "../vendor/lit.js";
import { asProblem, get, path, request } from "../live/api.js";
import { readNumber, showNumber } from "../live/e164.js";
import { check, field, select } from "../parts/controls.js";
import { Part, say } from "../parts/element.js";
import { undo } from "../parts/set.js";
import { problemBar } from "../parts/small.js";
import { toast } from "../parts/dialog.js";
import { t, word } from "../words/words.js";

/** Emits `saved`, and `shut-form`. */
export class NumberForm extends Part {
  static properties = { number: { attribute: false }, accounts: { attribute: false }, problem: { state: true }, wrong: { state: true }, added: { state: true } };

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
    Object.assign(this, { label: number.label, account: number.account, purpose: number.purpose, global: number.global_outbound, rate: String(limits.segments_per_second ?? ""), burst: String(limits.burst), day: String(limits.segments_per_day ?? ""), zone: limits.day_zone });
    this.requestUpdate();
  }

  get isDirty() {
    const { number, label, account } = this;
    return number ? label !== number.label || account !== number.account : this.value.trim() !== "" || label.trim() !== "";
  }

  get body() {
    const whole = (/** @type {string} */ text) => (text.trim() === "" ? null : Number(text));
    return {
      label: this.label.trim(), account: this.account || this.accounts[0]?.name, purpose: this.purpose, global_outbound: this.global,
      limits: { segments_per_second: whole(this.rate), burst: whole(this.burst) ?? 1, segments_per_day: whole(this.day), day_zone: this.zone },
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
      const { etag } = await request("PUT", path("numbers", read.number), this.number ? { body: this.body, ifMatch: this.etag } : { body: this.body, create: true });
      this.emit("saved");
      const before = this.number;
      toast(t(before ? "saved" : "numbers.added", { number: showNumber(read.number) }), before ? { label: t("undo"), act: () => void undo(path("numbers", before.number), before, etag, () => this.emit("saved")) } : undefined);
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
    const set = (/** @type {Partial<NumberForm>} */ values) => { Object.assign(this, values); this.requestUpdate(); };
    const adds = this.number === null;
    return html`<form @submit=${(/** @type {Event} */ event) => { event.preventDefault(); void this.save(false); }}>
      ${problemBar(this.problem)}
      ${adds ? field({ id: "number", label: t("number"), value: this.value, type: "tel", required: true, focus: true, wrong: this.wrong, hint: read?.number ? showNumber(read.number) : t("number.hint"), input: (value) => set({ value, wrong: "" }) }) : nothing}
      ${field({ id: "number-label", label: t("number.label"), value: this.label, required: true, hint: t("number.label_hint"), wrong: this.fieldWrong("label"), input: (label) => set({ label }) })}
      ${select({ id: "number-account", label: t("number.account"), value: this.account || (this.accounts[0]?.name ?? ""), options: this.accounts.map(({ name, carrier }) => [name, `${name} (${carrier})`]), wrong: this.fieldWrong("account"), change: (account) => set({ account }) })}
      <div class="cols">
        ${field({ id: "number-rate", label: t("number.rate"), value: this.rate, type: "number", min: 0, step: "any", hint: t("number.rate_hint"), wrong: this.fieldWrong("limits.segments_per_second"), input: (rate) => set({ rate }) })}
        ${field({ id: "number-burst", label: t("number.burst"), value: this.burst, type: "number", min: 1, step: "1", wrong: this.fieldWrong("limits.burst"), input: (burst) => set({ burst }) })}
        ${field({ id: "number-day", label: t("number.day"), value: this.day, type: "number", min: 1, step: "1", hint: t("number.day_hint"), wrong: this.fieldWrong("limits.segments_per_day"), input: (day) => set({ day }) })}
        ${field({ id: "number-zone", label: t("number.zone"), value: this.zone, wrong: this.fieldWrong("limits.day_zone"), input: (zone) => set({ zone }) })}
      </div>
      ${select({ id: "number-purpose", label: t("number.purpose"), value: this.purpose, options: [["in_call", t("number.purpose_in_call")], ["chat", t("number.purpose_chat")]], wrong: this.fieldWrong("purpose"), change: (purpose) => set({ purpose }) })}
      ${check({ id: "number-global", label: t("number.set_global"), checked: this.global, hint: t("number.global_hint"), change: (global) => set({ global }) })}
      <footer>
        <button type="button" class="b" @click=${() => this.emit("shut-form")}>${this.added > 0 ? t("close") : t("cancel")}</button>
        ${adds ? html`<button type="button" class="b" ?disabled=${!this.value.trim() || !this.label.trim()} @click=${() => void this.save(true)}>${t("numbers.add_another")}</button>` : nothing}
        <button class="b p">${adds ? t("numbers.add") : t("set")}</button>
      </footer>
    </form>`;
  }
}
customElements.define("off-number-form", NumberForm);
