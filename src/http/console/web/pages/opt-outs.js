// `/opt-outs`: who must not be texted. Removing one is a person's responsibility, and cannot be undone (A46).
import { html, nothing, repeat } from "../vendor/lit.js";
import { guard, query, setQuery } from "../app/routes.js";
import { session } from "../app/session.js";
import { asProblem, get, path, request } from "../live/api.js";
import { readNumber, showNumber } from "../live/e164.js";
import { live } from "../live/stream.js";
import { field } from "../parts/controls.js";
import { dialog, shutDialog, toast } from "../parts/dialog.js";
import { Loaded, Part } from "../parts/element.js";
import { empty, phoneNumber, problemBar, row, shown, table, when } from "../parts/small.js";
import { t, word } from "../words/words.js";

const PAGE = 100;

class OptOuts extends Part {
  static properties = { open: { state: true }, problem: { state: true }, search: { state: true }, busy: { state: true } };

  constructor() {
    super();
    this.search = query("number");
    /** @type {Loaded<{ items: Api.PersonOptOut[], next: string | null }>} */
    this.list = new Loaded(this, () => this.load());
    /** How many are shown. Whatever changes, so many are looked at again. */
    this.wanted = PAGE;
    this.busy = false;
    /** @type {{ does: "add" } | { does: "remove", person: Api.PersonOptOut } | null} */
    this.open = null;
    /** @type {import("../live/api.js").Problem | null} */
    this.problem = null;
    this.number = "";
    this.reason = "";
    this.digits = "";
    this.wrong = "";
  }

  /** @override */
  connected() {
    void this.list.again();
    this.unguard = guard(() => this.isDirty);
    this.hear(live, "reset", () => void this.list.again());
    this.hear(live, "event", ({ detail }) => detail.type.startsWith("contact.") && void this.list.again());
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.unguard?.();
  }

  get isDirty() {
    return !!this.open && `${this.number}${this.reason}${this.digits}`.trim() !== "";
  }

  async load() {
    const { number } = readNumber(this.search);
    /** @type {Api.PersonOptOut[]} */
    const items = [];
    let next = "";
    do {
      const limit = String(Math.min(this.wanted - items.length, 500));
      const params = new URLSearchParams({ limit, ...(number ? { number } : {}), ...(next ? { cursor: next } : {}) });
      const { data } = await get(`/v1/opt-outs?${params}`);
      items.push(...(data.items ?? []));
      next = data.next_cursor ?? "";
    } while (next && items.length < this.wanted);
    return { items, next: next || null };
  }

  async more() {
    this.wanted = (this.list.data?.items.length ?? 0) + PAGE;
    this.busy = true;
    await this.list.again();
    this.busy = false;
  }

  /** @override */
  render() {
    const problem = this.search.trim() ? readNumber(this.search).problem : null;
    return html`<div class="head"><h1>${t("page.opt_outs")}</h1>${
      session.can("admin")
        ? html`<button type="button" class="b p end"
      @click=${() => this.show({ does: "add" })}>${t("opt_outs.add")}</button>`
        : nothing
    }</div>
      <div class="stack"><p>${t("opt_outs.text")}</p>
        <div class="row foot"><div data-filter>${field({
          id: "opt-out-search",
          label: t("number"),
          value: this.search,
          type: "search",
          hint: problem ? word("number", problem) : "",
          input: (value) => {
            this.search = value;
            setQuery({ number: value });
            this.wanted = PAGE;
            if (!value.trim() || readNumber(value).number) void this.list.again();
          },
        })}</div></div>
        ${shown(this.list, (list) => this.rows(list))}</div>
      ${
        this.open
          ? dialog(
              this.open.does === "add" ? t("opt_outs.add") : t("opt_outs.remove_title", { number: showNumber(this.open.person.number) }),
              () => this.form(),
              () => (this.open = null),
              { isDirty: () => this.isDirty },
            )
          : nothing
      }`;
  }

  /** @param {NonNullable<OptOuts["open"]>} open */
  show(open) {
    Object.assign(this, { number: "", reason: "", digits: "", wrong: "", problem: null, open });
  }

  /** @param {{ items: Api.PersonOptOut[], next: string | null }} list */
  rows({ items, next }) {
    if (items.length === 0)
      return html`<div class="card">${this.search.trim() ? empty(t("opt_outs.none_found")) : empty(t("opt_outs.none"), html`<p class="meta">${t("opt_outs.none_how")}</p>`)}</div>`;
    const heads = [t("number"), t("opt_outs.scope"), t("opt_outs.since"), t("opt_outs.by"), ""];
    const rows = repeat(
      items,
      ({ number }) => number,
      (person) =>
        row([
          [heads[0], phoneNumber(person.number, true)],
          [
            heads[1],
            person.everywhere ? t("opt_outs.everywhere") : html`<span class="num">${person.our_numbers.map(showNumber).join(", ")}</span>`,
          ],
          [heads[2], when(person.since)],
          [heads[3], word("by", person.by)],
          [
            heads[4],
            session.can("admin")
              ? html`<button type="button" class="link badc"
                @click=${() => this.show({ does: "remove", person })}>${t("opt_outs.remove")}<span
                class="hide"> ${showNumber(person.number)}</span></button>`
              : nothing,
          ],
        ]),
    );
    return html`${table(
      t("page.opt_outs"),
      [
        ...heads.slice(0, 4),
        html`<span
      class="hide">${t("acts")}</span>`,
      ],
      /** @type {any} */ (rows),
    )}${
      next
        ? html`<button type="button" class="b" ?disabled=${this.busy}
      @click=${this.more}>${t("more")}</button>`
        : nothing
    }`;
  }

  form() {
    const { open } = this;
    if (!open) return nothing;
    const set = (/** @type {Partial<OptOuts>} */ values) => {
      Object.assign(this, values);
      this.requestUpdate();
    };
    const reason = field({
      id: "opt-out-reason",
      label: t("reason"),
      value: this.reason,
      required: open.does === "remove",
      input: (reason) => set({ reason }),
    });
    if (open.does === "add") {
      return html`<form @submit=${(/** @type {Event} */ event) => {
        event.preventDefault();
        void this.add();
      }}>${problemBar(this.problem)}
        ${field({
          id: "opt-out-number",
          label: t("number"),
          value: this.number,
          type: "tel",
          required: true,
          focus: true,
          wrong: this.wrong,
          hint: t("number.hint"),
          input: (number) => set({ number, wrong: "" }),
        })}${reason}
        <footer><button type="button" class="b" @click=${shutDialog}>${t("cancel")}</button><button
          class="b p">${t("opt_outs.add")}</button></footer></form>`;
    }
    const last = open.person.number.slice(-4);
    return html`<form @submit=${(/** @type {Event} */ event) => {
      event.preventDefault();
      void this.drop(open.person);
    }}><p>${t("opt_outs.remove_text")}</p>${problemBar(this.problem)}
      ${reason}${field({
        id: "opt-out-digits",
        label: t("opt_outs.digits", { number: showNumber(open.person.number) }),
        value: this.digits,
        required: true,
        input: (digits) => set({ digits }),
      })}
      <footer><button type="button" class="b" @click=${shutDialog}>${t("cancel")}</button><button class="b d"
        ?disabled=${this.digits.trim() !== last || !this.reason.trim()}>${t("opt_outs.remove")}</button></footer></form>`;
  }

  async add() {
    const { number, problem } = readNumber(this.number);
    if (number === null) {
      this.wrong = word("number", problem);
      return this.requestUpdate();
    }
    await this.act(
      "PUT",
      path("opt-outs", number),
      { body: { everywhere: true, our_numbers: [], ...(this.reason.trim() ? { reason: this.reason.trim() } : {}) } },
      t("opt_outs.added", { number: showNumber(number) }),
    );
  }

  /** @param {Api.PersonOptOut} person */
  drop(person) {
    return this.act(
      "DELETE",
      `${path("opt-outs", person.number)}?reason=${encodeURIComponent(this.reason.trim())}`,
      {},
      t("opt_outs.removed", { number: showNumber(person.number) }),
    );
  }

  /** @param {string} method @param {string} where @param {import("../live/api.js").Options} options @param {string} done */
  async act(method, where, options, done) {
    this.problem = null;
    try {
      await request(method, where, options);
      this.open = null;
      toast(done);
    } catch (thrown) {
      this.problem = asProblem(thrown);
    }
    await this.list.again();
  }
}
customElements.define("off-opt-outs", OptOuts);
