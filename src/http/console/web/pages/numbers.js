// `/numbers`: add, verify, edit, suspend and delete our numbers; and the activation of the first one (R15-R17, R25-R32).
import { html, nothing, repeat } from "../vendor/lit.js";
import { query, setQuery } from "../app/routes.js";
import { session } from "../app/session.js";
import { all, asProblem, get, path, request, unique } from "../live/api.js";
import { readNumber, showNumber } from "../live/e164.js";
import { live } from "../live/stream.js";
import { field } from "../parts/controls.js";
import { ask, dialog, toast } from "../parts/dialog.js";
import { Loaded, Part, say } from "../parts/element.js";
import { badge, copyButton, empty, phoneNumber, problemBar, refusal, row, shown, strange, table, when } from "../parts/small.js";
import { t } from "../words/words.js";
import { laneText, limitText, queuesOf, wrongOf } from "./number-form.js";

/** Numbers verified by one request, so that rows settle one after another. */
const AT_ONCE = 20;

/** @typedef {{ numbers: Api.Number[], accounts: Api.Account[], queues: Api.Queue[], activation: boolean }} Data */

class Numbers extends Part {
  static properties = {
    filter: { state: true },
    chosen: { state: true },
    verifying: { state: true },
    open: { state: true },
    problem: { state: true },
    only: { state: true },
    activationWrong: { state: true },
  };

  constructor() {
    super();
    /** @type {Loaded<Data>} */
    this.list = new Loaded(this, async () => {
      const [numbers, accounts, queues, settings] = await Promise.all([
        all("/v1/numbers"),
        all("/v1/accounts"),
        all("/v1/queues"),
        get("/v1/settings"),
      ]);
      return { numbers, accounts, queues, activation: settings.data.activation_required === true };
    });
    this.filter = query("q");
    /** @type {Set<string>} */
    this.chosen = new Set();
    /** @type {Set<string>} */
    this.verifying = new Set();
    /** Why the last verification of a number came to nothing. @type {Map<string, import("./number-form.js").Wrong>} */
    this.notes = new Map();
    /** @type {{ does: "add" | "edit" | "suspend" | "delete", number?: Api.Number } | null} */
    this.open = null;
    /** @type {import("../live/api.js").Problem | null} */
    this.problem = null;
    this.activating = "";
    this.activationWrong = /** @type {unknown} */ ("");
  }

  /** @override */
  connected() {
    void this.list.again();
    this.hear(live, "reset", () => void this.list.again());
    this.hear(live, "event", ({ detail }) => {
      const directory =
        detail.type === "directory.changed" && ["numbers", "queues", "directory", "settings", "accounts"].includes(detail.data.resource);
      if (directory) void this.list.again();
      else if (detail.type === "number.verification_changed") void this.settled(detail.data.number);
    });
    // Lanes and suspensions have no events: they are looked at, where one answer has all numbers.
    this.every(5_000, () => (this.list.data?.numbers.length ?? 0) <= 500 && void this.list.again());
  }

  /** One of several that are being verified is done. @param {string} number */
  async settled(number) {
    await this.list.again();
    this.verifying = new Set([...this.verifying].filter((other) => other !== number));
  }

  get canChange() {
    return session.can("admin");
  }

  /** @param {Data} data */
  visible({ numbers }) {
    const query = this.filter.toLowerCase().replace(/[\s()+-]/g, "");
    return numbers.filter(
      ({ number, label, account }) =>
        query === "" ||
        number.includes(query) ||
        `${label}${account}`
          .toLowerCase()
          .replace(/[\s()+-]/g, "")
          .includes(query),
    );
  }

  /** Cannot be undone, so several numbers are asked about first; a single one is named by its button. @param {string[]} numbers */
  async verifyChosen(numbers) {
    const n = numbers.length;
    if (n === 1 || (await ask({ title: t("verify.title", { n }), text: t("verify.text"), action: t("verify") })))
      await this.verify(numbers);
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
        for (const { number, state, ...why } of data.results ?? []) {
          if (state === "verified") verified += 1;
          const wrong = wrongOf(why);
          if (wrong) this.notes.set(number, wrong);
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
    if (!number || !/^\+1\d{10}$/.test(number)) return void (this.activationWrong = t("activation.wrong"));
    this.activationWrong = "";
    this.problem = null;
    try {
      if (!data.numbers.some((other) => other.number === number)) {
        await request("PUT", path("numbers", number), {
          // Two of one label could not be told apart, where the one before was not ours.
          body: {
            label: data.numbers.length === 0 ? t("activation.label") : `${t("number")} ${data.numbers.length + 1}`,
            account: data.accounts[0]?.name ?? "main",
          },
          create: true,
        });
      }
      await this.verify([number]);
      const failed = this.list.data?.numbers.find((other) => other.number === number);
      if (failed && failed.verification.state !== "verified")
        this.activationWrong = refusal(this.notes.get(number) ?? wrongOf(failed.verification), "unverified") ?? t("number.failed");
      else toast(t("activation.done", { number: showNumber(number) }));
    } catch (thrown) {
      this.problem = asProblem(thrown);
    }
  }

  /** @override */
  render() {
    return html`<div class="head"><h1>${t("page.numbers")}</h1></div><div
      class="stack">${shown(this.list, (data) => this.page(data))}</div>`;
  }

  /** @param {Data} data */
  page(data) {
    const visible = this.visible(data);
    const chosen = [...this.chosen];
    const unverified = visible.filter(({ verification }) => verification.state !== "verified").map(({ number }) => number);
    return html`${data.activation ? this.activation(data) : nothing}${problemBar(this.problem)}
      <div class="row foot">
        <div data-filter>${field({
          id: "numbers-filter",
          label: t("filter"),
          value: this.filter,
          type: "search",
          input: (value) => {
            this.filter = value;
            setQuery({ q: value });
          },
        })}</div>
        ${
          this.canChange
            ? html`<span class="row end">
          <span class="cards-only">${this.selectAll(visible, t("numbers.select_all"))}</span>
          <button type="button" class="b" ?disabled=${unverified.length === 0}
            @click=${() => (this.chosen = new Set(unverified))}>${t("numbers.select_unverified")}</button>
          <button type="button" class="b" ?disabled=${chosen.length === 0}
            @click=${() => void this.verifyChosen(chosen)}>${t("verify")} (${chosen.length})</button>
          <button type="button" class="b ${data.activation ? "" : "p"}" @click=${() => (this.open = { does: "add" })}>${t("numbers.add")}</button></span>`
            : nothing
        }
      </div>
      ${
        data.numbers.length === 0
          ? html`<div class="card">${empty(t(data.activation ? "numbers.none_active" : "numbers.none"))}</div>`
          : visible.length === 0
            ? html`<div
        class="card">${empty(t("numbers.none_found"))}</div>`
            : this.rows(visible, data)
      }
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
      ${field({
        id: "activation",
        label: t("activation.number"),
        value: this.activating,
        type: "tel",
        autocomplete: "off",
        placeholder: "+1 206 555 0100",
        wrong: this.activationWrong,
        input: (value) => Object.assign(this, { activating: value, activationWrong: "" }),
        disabled: !this.canChange,
      })}
      <div class="row"><button class="b p"
        ?disabled=${!this.canChange || this.verifying.size > 0}>${this.verifying.size > 0 ? t("number.asking") : t("activate")}</button></div>
    </form></section>`;
  }

  /** @param {Api.Number[]} numbers @param {Data} data */
  rows(numbers, data) {
    const heads = [
      t("number"),
      t("number.label"),
      t("number.status"),
      "SMS",
      "MMS",
      t("page.queues"),
      t("number.limit"),
      t("number.lane"),
      "",
    ];
    const first = this.canChange ? [this.selectAll(numbers, html`<span class="hide">${t("numbers.select_all")}</span>`)] : [];
    const rows = repeat(
      numbers,
      ({ number }) => number,
      (number) => {
        const { verification } = number;
        const mark = (/** @type {boolean} */ has) =>
          verification.state === "unverified"
            ? "–"
            : has
              ? html`<span class="okc">✓<span class="hide"> ${t("yes")}</span></span>`
              : html`–<span class="hide"> ${t("no")}</span>`;
        /** @type {Array<[string, unknown]>} */
        const cells = [
          [
            heads[0],
            html`${phoneNumber(number.number, true)} ${number.global_outbound ? badge("", "", t("number.global")) : nothing}${number.purpose === "chat" ? badge("", "", t("number.chat")) : nothing}`,
          ],
          [heads[1], html`<span class="label" dir="auto">${strange(number.label)}</span> <span class="meta">${number.account}</span>`],
          [heads[2], html`<div class="state">${this.status(number)}</div>`],
          [heads[3], mark(verification.sms)],
          [heads[4], mark(verification.mms)],
          [heads[5], queuesOf(number, data.queues)],
          [heads[6], html`<div class="num">${limitText(number.limits)}</div>`],
          [heads[7], laneText(number.lane)],
          [heads[8], this.canChange || session.can("operate") ? this.acts(number) : nothing],
        ];
        if (this.canChange)
          cells.unshift([
            "",
            html`<label class="check"><input type="checkbox" .checked=${this.chosen.has(number.number)}
              @change=${() => this.choose(number.number)} /><span
              class="hide">${t("select", { what: showNumber(number.number) })}</span></label>`,
          ]);
        return row(cells);
      },
    );
    return table(
      t("page.numbers"),
      [...first, ...heads.slice(0, -1), html`<span class="hide">${t("acts")}</span>`],
      /** @type {any} */ (rows),
    );
  }

  /** In the head of the table, or above the cards, which have none. @param {Api.Number[]} numbers @param {unknown} label */
  selectAll(numbers, label) {
    const every = numbers.length > 0 && numbers.every(({ number }) => this.chosen.has(number));
    return html`<label class="check"><input type="checkbox" .checked=${every}
      @change=${() => (this.chosen = every ? new Set() : new Set(numbers.map(({ number }) => number)))} />${label}</label>`;
  }

  /** @param {string} number */
  choose(number) {
    const chosen = new Set(this.chosen);
    if (!chosen.delete(number)) chosen.add(number);
    this.chosen = chosen;
  }

  /** @param {Api.Number} number */
  status({ number, verification, suspended, account }) {
    const { state } = verification;
    const webhook = this.list.data?.accounts.find(({ name }) => name === account)?.webhooks.messages;
    const wrong = this.notes.get(number) ?? wrongOf(verification);
    return html`${
      this.verifying.has(number)
        ? badge("", "…", t("number.asking"))
        : state === "verified"
          ? badge("ok", "✓", t("number.verified"))
          : state === "failed"
            ? badge("bad", "!", t("number.failed"))
            : badge("warn", "○", t("number.unverified"))
    }
      ${
        suspended
          ? html`<div>${badge("warn", "‖", t("number.suspended"))} <span
        class="meta">${strange(suspended.reason)} ${suspended.until ? html`${t("until")} ${when(suspended.until)}` : nothing}</span></div>`
          : nothing
      }
      ${wrong && !this.verifying.has(number) ? html`<p class="meta wrap">${refusal(wrong, "unverified")}</p>` : nothing}
      ${
        state === "failed" && wrong?.code === "webhook_elsewhere" && webhook
          ? html`<p
        class="meta wrap">${t("number.set_webhook")} <code>${webhook}</code> ${copyButton(webhook)}</p>`
          : nothing
      }`;
  }

  /** @param {Api.Number} number */
  acts(number) {
    const name = html`<span class="hide"> ${showNumber(number.number)}</span>`;
    const verified = number.verification.state === "verified";
    return html`<span class="row acts">
      ${
        this.canChange && !verified
          ? html`<button type="button" class="link"
        @click=${() => void this.verify([number.number])}>${t("verify")}${name}</button>`
          : nothing
      }
      ${
        this.canChange
          ? html`<button type="button" class="link"
        @click=${() => (this.open = { does: "edit", number })}>${t("edit")}${name}</button>`
          : nothing
      }
      ${
        session.can("operate")
          ? number.suspended
            ? html`<button type="button" class="link" @click=${() => void this.act(number, "resume", {})}>${t("resume")}${name}</button>`
            : html`<button type="button" class="link"
              @click=${() => (this.open = { does: "suspend", number })}>${t("suspend")}${name}</button>`
          : nothing
      }
      ${
        this.canChange
          ? html`<button type="button" class="link badc"
        @click=${() => (this.open = { does: "delete", number })}>${t("delete")}${name}</button>`
          : nothing
      }</span>`;
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
    const shut = () => {
      this.open = null;
      this.problem = null;
    };
    if (!open) return nothing;
    const again = () => void this.list.again();
    if (open.does === "add" || open.does === "edit") {
      return dialog(
        open.does === "add" ? t("numbers.add") : showNumber(open.number?.number),
        () =>
          html`<off-number-form .number=${open.number ?? null} .accounts=${data.accounts} @saved=${again}
            @shut-form=${shut}></off-number-form>`,
        shut,
        { isDirty: () => /** @type {import("./number-form.js").NumberForm | null} */ (this.find("off-number-form"))?.isDirty ?? false },
      );
    }
    const number = /** @type {Api.Number} */ (open.number);
    const shown = showNumber(number.number);
    const title = open.does === "suspend" ? t("suspend.title", { number: shown }) : t("delete.title", { what: shown });
    const content = () =>
      html`<off-number-act .number=${number} .does=${open.does} .queues=${queuesOf(number, data.queues)} @saved=${again}
        @shut-form=${shut}></off-number-act>`;
    return dialog(title, content, shut);
  }
}
customElements.define("off-numbers", Numbers);
