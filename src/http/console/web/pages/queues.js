// `/queues` and `/queues/{id}`: the tree of queues, and a queue's switch, language and numbers (R19-R23, R31, R62, R63).
import { html, nothing, repeat } from "../vendor/lit.js";
import { go, guard } from "../app/routes.js";
import { session } from "../app/session.js";
import { all, asProblem, get, path, request } from "../live/api.js";
import { showNumber } from "../live/e164.js";
import { Form, slug } from "../live/form.js";
import { live } from "../live/stream.js";
import { field, radios, select } from "../parts/controls.js";
import { ask, dialog, shutDialog } from "../parts/dialog.js";
import { Loaded, Part } from "../parts/element.js";
import { remove, save, setCard } from "../parts/set.js";
import { badge, empty, problemBar, refusal, row, sentence, shown, skeleton, strange, table } from "../parts/small.js";
import { languageName, t } from "../words/words.js";
import { ancestors, descendants, languageOptions, whyNot } from "../parts/picker.js";

/** Queues below their parents. @param {Api.Queue[]} queues @returns {Array<{ queue: Api.Queue, depth: number }>} */
export function tree(queues) {
  const known = new Set(queues.map(({ id }) => id));
  const below = (/** @type {string | null} */ parent, /** @type {number} */ depth, /** @type {string[]} */ above) => {
    /** @type {Array<{ queue: Api.Queue, depth: number }>} */
    const found = [];
    for (const queue of queues) {
      const its = queue.parent !== null && known.has(queue.parent) ? queue.parent : null;
      if (its !== parent || above.includes(queue.id)) continue;
      found.push({ queue, depth }, ...below(queue.id, depth + 1, [...above, queue.id]));
    }
    return found;
  };
  return below(null, 0, []);
}

/** What a queue's switch says, and what follows from it. @param {Api.Queue} queue */
function switchBadge({ in_call_sms: own, effective }) {
  const state = effective.in_call_sms ? t("on") : t("off");
  return badge(effective.in_call_sms ? "ok" : "", effective.in_call_sms ? "●" : "○", own === null ? t("queue.inherits", { state }) : state);
}

class Queues extends Part {
  static properties = { adds: { state: true }, problem: { state: true }, idWrong: { state: true } };

  constructor() {
    super();
    /** @type {Loaded<{ queues: Api.Queue[], on: boolean }>} */
    this.list = new Loaded(this, async () => {
      const [queues, settings] = await Promise.all([all("/v1/queues"), get("/v1/settings")]);
      return { queues, on: settings.data.in_call_sms === true };
    });
    this.adds = false;
    /** @type {import("../live/api.js").Problem | null} */
    this.problem = null;
    this.name = "";
    this.queueId = "";
    this.parent = "";
    this.idWrong = "";
  }

  /** @override */
  connected() {
    void this.list.again();
    this.unguard = guard(() => this.isDirty);
    this.hear(live, "reset", () => void this.list.again());
    this.hear(live, "event", ({ detail }) => detail.type === "directory.changed" && void this.list.again());
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.unguard?.();
  }

  get isDirty() {
    return this.adds && `${this.name}${this.queueId}`.trim() !== "";
  }

  shutForm() {
    Object.assign(this, { adds: false, problem: null, name: "", queueId: "", parent: "", idWrong: "" });
  }

  /** @override */
  render() {
    return html`<div class="head"><h1>${t("page.queues")}</h1>${
      session.can("admin")
        ? html`<button type="button" class="b p end"
      @click=${() => (this.adds = true)}>${t("queues.add")}</button>`
        : nothing
    }</div>
      <div class="stack">${shown(this.list, (data) => this.page(data))}</div>`;
  }

  /** @param {{ queues: Api.Queue[], on: boolean }} data */
  page({ queues, on }) {
    const heads = [t("queue"), t("page.in_call_sms"), t("language"), t("queue.inbound"), t("queue.outbound")];
    const numbers = (/** @type {string[]} */ list) =>
      list.length === 0 ? "–" : list.map((number) => html`<span class="num">${showNumber(number)}</span> `);
    const rows = repeat(
      tree(queues),
      ({ queue }) => queue.id,
      ({ queue, depth }) =>
        row([
          [
            heads[0],
            html`<div class="tree d${Math.min(depth, 3)}"><a data-row dir="auto" href="/queues/${encodeURIComponent(queue.id)}">${strange(queue.name)}</a> <span
              class="meta">${queue.id}</span></div>`,
          ],
          [heads[1], switchBadge(queue)],
          [heads[2], languageName(queue.effective.language)],
          [heads[3], numbers(queue.inbound_numbers)],
          [heads[4], numbers(queue.outbound_numbers)],
        ]),
    );
    return html`${
      on
        ? nothing
        : html`<div class="bar warn"><span>${t("queues.switch_off")}</span><a class="warnc"
      href="/settings/in-call-sms">${t("page.in_call_sms")}</a></div>`
    }
      ${
        queues.length === 0
          ? html`<div
        class="card">${empty(t("queues.none"), html`<p class="meta">${t("queues.none_how")}</p>`)}</div>`
          : table(t("page.queues"), heads, /** @type {any} */ (rows))
      }
      ${
        this.adds
          ? dialog(
              t("queues.add"),
              () => this.addForm(queues),
              () => this.shutForm(),
              { isDirty: () => this.isDirty },
            )
          : nothing
      }`;
  }

  /** @param {Api.Queue[]} queues */
  addForm(queues) {
    const submit = async (/** @type {Event} */ event) => {
      event.preventDefault();
      const id = this.queueId.trim() || slug(this.name);
      this.problem = null;
      // None can be made of a name without Latin letters.
      this.idWrong = id ? "" : t("queue.id_needed");
      if (!id) return this.find("#queue-id")?.focus();
      try {
        await request("PUT", path("queues", id), {
          body: { name: this.name.trim(), parent: this.parent || null, in_call_sms: null },
          create: true,
        });
        this.shutForm();
        void go(`/queues/${encodeURIComponent(id)}`);
      } catch (thrown) {
        this.problem = asProblem(thrown);
      }
    };
    const set = (/** @type {Partial<Queues>} */ values) => {
      Object.assign(this, values);
      this.requestUpdate();
    };
    return html`<form @submit=${submit}>${
      this.problem?.status === 412
        ? html`<p class="wrong"
      role="alert">${t("queues.exists")}</p>`
        : problemBar(this.problem)
    }
      ${field({ id: "queue-name", label: t("queue.name"), value: this.name, required: true, focus: true, input: (name) => set({ name }) })}
      ${field({
        id: "queue-id",
        label: t("queue.id"),
        value: this.queueId,
        placeholder: slug(this.name),
        hint: t("queue.id_hint"),
        wrong: this.idWrong,
        input: (queueId) => set({ queueId, idWrong: "" }),
      })}
      ${select({
        id: "queue-parent-new",
        label: t("queue.parent"),
        value: this.parent,
        options: [["", t("queue.no_parent")], ...queues.map(({ id, name }) => /** @type {[string, string]} */ ([id, name]))],
        change: (parent) => set({ parent }),
      })}
      <footer><button type="button" class="b" @click=${shutDialog}>${t("cancel")}</button><button class="b p"
        ?disabled=${!this.name.trim()}>${t("queues.add")}</button></footer></form>`;
  }
}
customElements.define("off-queues", Queues);

class QueuePage extends Part {
  static properties = { queueId: { attribute: false } };

  constructor() {
    super();
    this.queueId = "";
    /** @type {Form | null} */
    this.form = null;
    /** @type {Loaded<{ queues: Api.Queue[], numbers: Api.Number[], languages: Api.LanguageItem[], on: boolean, language: string }>} */
    this.around = new Loaded(this, async () => {
      const [queues, numbers, languages, settings] = await Promise.all([
        all("/v1/queues"),
        all("/v1/numbers"),
        all("/v1/languages"),
        get("/v1/settings"),
      ]);
      return { queues, numbers, languages, on: settings.data.in_call_sms === true, language: settings.data.default_language };
    });
  }

  /** @override */
  connected() {
    void this.around.again();
    this.unguard = guard(() => this.form?.isDirty() ?? false);
    this.hear(live, "reset", () => this.again());
    this.hear(live, "event", ({ detail }) => {
      if (detail.type === "number.verification_changed") void this.around.again();
      if (detail.type !== "directory.changed") return;
      void this.around.again();
      const { resource, id, by, etag } = detail.data;
      if ((resource === "queues" && id === this.queueId) || resource === "directory") void this.form?.hear(by, etag);
    });
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.unguard?.();
    this.form?.stop();
  }

  again() {
    void this.around.again();
    void this.form?.load();
  }

  /** @override */
  willUpdate() {
    const wanted = path("queues", this.queueId);
    if (this.form?.path === wanted) return;
    this.form?.stop();
    this.form = new Form(wanted);
    this.form.addEventListener("change", () => this.requestUpdate());
    void this.form.load();
  }

  /** @override */
  render() {
    const { form } = this;
    const around = this.around.data;
    if (!form?.base || !around) {
      if (form?.problem?.status === 404)
        return html`<div class="head"><h1>${t("queue")} <code class="wrap">${this.queueId}</code></h1></div><div
          class="card">${empty(t("queue.not_found"), html`<a class="b" href="/queues">${t("page.queues")}</a>`)}</div>`;
      const problem = form?.problem ?? this.around.problem;
      return problem ? problemBar(problem, () => this.again()) : skeleton();
    }
    const above = ancestors(around.queues, this.queueId);
    return html`<div class="head"><h1><a href="/queues">${t("page.queues")}</a> › ${above.map(
      ({ id, name }) => html`<a
      href="/queues/${encodeURIComponent(id)}">${strange(name)}</a> › `,
    )}${strange(form.base.name)}</h1>${switchBadge(/** @type {Api.Queue} */ (form.base))}
        ${session.can("admin") ? html`<button type="button" class="b d end" @click=${this.delete}>${t("delete")}</button>` : nothing}</div>
      ${
        around.on
          ? nothing
          : html`<div class="bar warn"><span>${t("queues.switch_off")}</span><a class="warnc"
        href="/settings/in-call-sms">${t("page.in_call_sms")}</a></div>`
      }
      ${setCard(form, {
        title: t("queue"),
        paths: PATHS,
        canSet: session.can("admin"),
        content: this.fields(form, around),
        set: () => void save(form, form.value("name"), PATHS).then(() => this.around.again()),
      })}`;
  }

  /** @param {Form} form @param {NonNullable<QueuePage["around"]["data"]>} around */
  fields(form, { queues, numbers, languages, on, language }) {
    const disabled = !session.can("admin");
    const parent = queues.find(({ id }) => id === form.value("parent"));
    const inherited = parent ? parent.effective.in_call_sms : on;
    const state = t(inherited ? "on" : "off").toLowerCase();
    const own = form.value("in_call_sms");
    const nameOf = (/** @type {string} */ id) => queues.find((queue) => queue.id === id)?.name ?? id;
    const wrong = (/** @type {string} */ path) => refusal(form.wrong(path));
    const numbersOf = (/** @type {"inbound" | "outbound"} */ role) => /** @type {string[]} */ (form.value(`${role}_numbers`) ?? []);
    const label = (/** @type {Api.Number} */ { number, label }) => `${showNumber(number)} ${label}`;
    const options = (/** @type {"inbound" | "outbound"} */ role) =>
      numbers.map((number) => {
        const reason = whyNot(number, role, this.queueId, nameOf, numbersOf("outbound"));
        return { value: number.number, text: label(number), reason };
      });
    const held = () => [...new Set([...numbersOf("inbound"), ...numbersOf("outbound")])];
    const choose = (/** @type {"inbound" | "outbound"} */ role, /** @type {string[]} */ numbers) => {
      form.set(`${role}_numbers`, numbers);
      // A default that the queue has no more would be refused.
      if (!held().includes(form.value("default_outbound"))) form.set("default_outbound", null);
    };
    const pick = (
      /** @type {"inbound" | "outbound"} */ role,
      /** @type {string} */ hint,
    ) => html`<off-picker .fieldId=${`queue-${role}`} .label=${t(role === "inbound" ? "queue.inbound" : "queue.outbound")}
      .chosen=${numbersOf(role)} .options=${options(role)}
      .hint=${hint} .wrong=${wrong(`${role}_numbers`)} .disabled=${disabled} @choose=${(/** @type {CustomEvent<string[]>} */ event) =>
        choose(role, event.detail)}></off-picker>`;
    const below = descendants(queues, this.queueId);
    return html`<div class="cols">
        ${field({
          id: "queue-name",
          label: t("queue.name"),
          value: form.value("name"),
          required: true,
          disabled,
          wrong: wrong("name"),
          input: (value) => form.set("name", value),
        })}
        ${select({
          id: "queue-parent",
          label: t("queue.parent"),
          value: form.value("parent") ?? "",
          disabled,
          wrong: wrong("parent"),
          options: [
            ["", t("queue.no_parent")],
            ...queues.filter(({ id }) => !below.includes(id)).map(({ id, name }) => /** @type {[string, string]} */ ([id, name])),
          ],
          change: (value) => form.set("parent", value || null),
        })}
        ${select({
          id: "queue-language",
          label: t("language"),
          value: form.value("language") ?? "",
          disabled,
          wrong: wrong("language"),
          options: languageOptions(
            languages,
            form.value("language"),
            t("queue.inherit_language", { language: languageName(parent?.effective.language ?? language, "inside") }),
          ),
          change: (value) => form.set("language", value || null),
        })}
      </div>
      ${radios({
        name: "queue-switch",
        legend: t("queue.switch"),
        value: own === null ? "" : String(own),
        disabled: disabled || !on,
        hint: on ? "" : t("queues.switch_off"),
        options: [
          ["", parent ? t("queue.inherit_from", { queue: parent.name, state }) : t("queue.inherit", { state })],
          ["true", t("on")],
          ["false", t("off")],
        ],
        change: (value) => form.set("in_call_sms", value === "" ? null : value === "true"),
      })}
      <div class="cols">${pick("inbound", t("queue.inbound_hint"))}${pick("outbound", t("queue.outbound_hint"))}</div>
      ${select({
        id: "queue-default",
        label: t("queue.default"),
        value: form.value("default_outbound") ?? "",
        disabled,
        wrong: wrong("default_outbound"),
        options: [
          ["", t("queue.no_default")],
          ...held().map((number) => {
            const known = numbers.find((other) => other.number === number);
            return /** @type {[string, string]} */ ([number, known ? label(known) : showNumber(number)]);
          }),
        ],
        change: (value) => form.set("default_outbound", value || null),
      })}`;
  }

  async delete() {
    const { form } = this;
    if (
      !form?.base ||
      !(await ask({ title: t("delete.title", { what: form.base.name }), text: t("queue.delete_text"), action: t("delete"), danger: true }))
    )
      return;
    const problem = await remove(form.path, form.base, form.etag, form.base.name, () => {
      form.reset();
      form.stop();
      return go("/queues");
    });
    // It shows what somebody else changed, so that one can decide again.
    if (problem?.status === 412) void form.load();
    if (problem) void ask({ title: sentence(problem), text: problem.detail, action: t("close") });
  }
}
customElements.define("off-queue", QueuePage);

const PATHS = ["name", "parent", "in_call_sms", "language", "inbound_numbers", "outbound_numbers", "default_outbound"];
