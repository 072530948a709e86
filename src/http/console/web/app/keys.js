// Keys, and the menu that finds anything. Single keys act outside of inputs only, and can be switched off (WCAG 2.1.4).
import { html, nothing } from "../vendor/lit.js";
import { all } from "../live/api.js";
import { readNumber, showNumber } from "../live/e164.js";
import { valueOf } from "../parts/controls.js";
import { dialog } from "../parts/dialog.js";
import { Part, preference, showActive } from "../parts/element.js";
import { t, visible } from "../words/words.js";
import { go, pages } from "./routes.js";

/** What `g` and a letter open. @type {Record<string, string>} */
const GO = { c: "/calls", n: "/numbers", q: "/queues", s: "/settings/in-call-sms", p: "/presets", o: "/opt-outs", l: "/playground" };

/** @typedef {{ text: string, more: string, path: string }} Found */

export class Keys extends Part {
  static properties = { shows: { state: true }, query: { state: true }, active: { state: true } };

  constructor() {
    super();
    /** @type {"" | "find" | "help"} */
    this.shows = "";
    this.query = "";
    this.active = 0;
    /** @type {Found[]} */
    this.things = [];
    this.went = 0;
  }

  /** @override */
  connected() {
    this.hear(document, "keydown", (event) => this.press(event));
  }

  openFind() {
    this.shows = "find";
    this.query = "";
    this.active = 0;
    void this.load();
  }

  async load() {
    const [numbers, queues] = await Promise.all([all("/v1/numbers", 2000).catch(() => []), all("/v1/queues", 2000).catch(() => [])]);
    this.things = [
      ...numbers.map(({ number, label }) => ({ text: showNumber(number), more: label, path: `/numbers?q=${encodeURIComponent(number)}` })),
      ...queues.map(({ id, name }) => ({ text: name, more: t("queue"), path: `/queues/${encodeURIComponent(id)}` })),
    ];
    this.requestUpdate();
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      return this.openFind();
    }
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
      event.preventDefault();
      const within = document.activeElement?.closest("[data-form]");
      /** @type {HTMLButtonElement | null | undefined} */ (within?.querySelector("[data-set]"))?.click();
      return;
    }
    if (
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      preference("keys") === "off" ||
      isInput(event.target) ||
      document.querySelector("dialog[open]")
    )
      return;
    this.pressSingle(event);
  }

  /** @param {KeyboardEvent} event */
  pressSingle(event) {
    const recent = Date.now() - this.went < 1_500;
    this.went = 0;
    if (recent && GO[event.key]) {
      event.preventDefault();
      return go(GO[event.key]);
    }
    if (event.key === "g") this.went = Date.now();
    else if (event.key === "?") this.shows = "help";
    else if (event.key === "/") {
      const filter = /** @type {HTMLElement | null} */ (document.querySelector("[data-filter] input, input[data-filter]"));
      const presets = /** @type {HTMLElement | null} */ (document.querySelector("off-composer .chip[aria-haspopup]"));
      if (filter || presets) event.preventDefault();
      if (filter) filter.focus();
      else presets?.click();
    } else if (event.key === "j" || event.key === "k") {
      const rows = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("main [data-row]")]);
      const at = rows.indexOf(/** @type {HTMLElement} */ (document.activeElement));
      rows[Math.min(Math.max(at + (event.key === "j" ? 1 : -1), 0), rows.length - 1)]?.focus();
    }
  }

  get found() {
    const query = this.query.trim().toLowerCase();
    /** @type {Found[]} */
    const special = [];
    const number = readNumber(this.query).number;
    if (number)
      special.push({
        text: t("find.calls_of", { number: showNumber(number) }),
        more: "",
        path: `/calls?caller=${encodeURIComponent(number)}`,
      });
    if (/^[A-Za-z0-9_.:-]{3,128}$/.test(this.query.trim()))
      special.push({ text: t("find.call", { id: this.query.trim() }), more: "", path: `/calls/${encodeURIComponent(this.query.trim())}` });
    const listed = pages().map(({ path, name }) => ({ text: name, more: t("find.page"), path }));
    const compact = query.replace(/[\s+]/g, "");
    const matches = (/** @type {Found} */ { text, more }) =>
      `${text} ${more}`.toLowerCase().includes(query) || (compact !== "" && text.replace(/[\s+]/g, "").includes(compact));
    return [...[...listed, ...this.things].filter(matches), ...special].slice(0, 30);
  }

  /** @override */
  render() {
    const shut = () => (this.shows = "");
    if (this.shows === "find") return dialog(t("find.title"), () => this.finder(), shut);
    if (this.shows === "help") return dialog(t("keys.title"), () => this.help(), shut);
    return nothing;
  }

  /** @param {Found | undefined} found */
  choose(found) {
    if (!found) return;
    this.shows = "";
    go(found.path);
  }

  finder() {
    const { found } = this;
    const press = (/** @type {KeyboardEvent} */ event) => {
      const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
      if (step !== 0) {
        event.preventDefault();
        this.active = Math.min(Math.max(this.active + step, 0), found.length - 1);
        void showActive(this);
      } else if (event.key === "Enter") {
        event.preventDefault();
        this.choose(found[this.active]);
      }
    };
    return html`<input autofocus role="combobox" aria-expanded="true" aria-controls="find-list" aria-label=${t("find")}
      placeholder=${t("find")} .value=${this.query}
        aria-activedescendant=${found.length > 0 ? `find-${this.active}` : nothing}
        @input=${(/** @type {Event} */ event) => {
          this.query = valueOf(event);
          this.active = 0;
        }} @keydown=${press} />
      <div class="options" role="listbox" id="find-list" aria-label=${t("find.title")}>${found.map(
        (item, at) => html`<div role="option" id="find-${at}" aria-selected=${at === this.active ? "true" : "false"}
          @click=${() => this.choose(item)}>
          <span class="wrap">${visible(item.text)} <span class="meta">${visible(item.more)}</span></span></div>`,
      )}</div>
      ${found.length === 0 ? html`<p>${t("picker.none")}</p>` : nothing}`;
  }

  help() {
    const keys = /** @type {const} */ ([
      ["Ctrl K", "keys.find"],
      ["?", "keys.help"],
      ["g c, g n, g q, g s, g p, g o, g l", "keys.go"],
      ["j k", "keys.move"],
      ["Enter", "keys.open"],
      ["/", "keys.filter"],
      ["Esc", "keys.close"],
      ["Ctrl S", "keys.set"],
      ["Ctrl ↵", "keys.send"],
    ]);
    return html`<dl class="stack tight keys">${keys.map(
      ([key, what]) => html`<div><dt>${key.split(", ").map((one) => html`<kbd>${one}</kbd> `)}</dt><dd>${t(what)}</dd></div>`,
    )}</dl>
      <p class="meta">${t("keys.off")} <a href="/me">${t("page.me")}</a></p>
      <footer><button type="button" class="b p" autofocus @click=${() => (this.shows = "")}>${t("close")}</button></footer>`;
  }
}
customElements.define("off-keys", Keys);

/** @param {EventTarget | null} target */
function isInput(target) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}
