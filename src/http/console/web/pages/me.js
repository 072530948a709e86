// `/me`: one's own sessions, and how this browser shows the console.
import { html, nothing, repeat } from "../vendor/lit.js";
import { session } from "../app/session.js";
import { asProblem, request } from "../live/api.js";
import { check, select } from "../parts/controls.js";
import { Loaded, Part, prefer, preference } from "../parts/element.js";
import { badge, facts, problemBar, shown, when } from "../parts/small.js";
import { LANGUAGE_CODES, language, languageName, setLanguage, t, word } from "../words/words.js";

/** Sessions begin and end without an event. */
const SESSIONS_EVERY_MS = 5_000;

/** @typedef {{ id: string, current?: boolean, began_at?: string, used_at?: string, expires_at?: string, address?: string | null }} Own */

class Me extends Part {
  static properties = { problem: { state: true } };

  constructor() {
    super();
    /** @type {Loaded<Own[]>} */
    this.sessions = new Loaded(this, async () => (await request("GET", "/session")).data.items ?? []);
    /** @type {import("../live/api.js").Problem | null} */
    this.problem = null;
  }

  /** @override */
  connected() {
    void this.sessions.again();
    this.every(SESSIONS_EVERY_MS, () => void this.sessions.again());
  }

  /** @param {Own} own */
  async end(own) {
    if (own.current) return session.signOut();
    this.problem = null;
    try {
      await request("DELETE", `/session/${encodeURIComponent(own.id)}`);
    } catch (thrown) {
      this.problem = asProblem(thrown);
    }
    await this.sessions.again();
  }

  /** @override */
  render() {
    const { me } = session;
    if (!me) return nothing;
    const scopes = me.scopes.map(
      (scope) => html`<li>${badge("acc", "", scope)} <span class="two">${word("account", `scope_${scope}`)}</span></li>`,
    );
    return html`<div class="head"><h1>${me.name}</h1><button type="button" class="b end"
      @click=${() => void session.signOut()}>${t("sign_out")}</button></div>
      <div class="cards">
        <section class="card"><h2>${t("me.look")}</h2><div class="body">${this.look()}</div></section>
        <section class="card"><h2>${t("me.allowed")}</h2><div class="body"><ul
          class="stack tight">${scopes}</ul><p>${t(me.texts ? "me.texts" : "me.no_texts")}</p>${facts([
            [
              t("me.build"),
              html`<code
          class="wrap">${me.build}</code>`,
            ],
          ])}</div></section>
        <section class="card"><h2>${t("me.sessions")}</h2><div
          class="body">${problemBar(this.problem)}${shown(this.sessions, (list) => this.list(list))}</div></section>
      </div>`;
  }

  look() {
    const themes = /** @type {Array<[string, string]>} */ ([
      ["", t("me.theme_system")],
      ["light", t("me.theme_light")],
      ["dark", t("me.theme_dark")],
    ]);
    const set = (/** @type {"theme" | "density"} */ name) => (/** @type {string} */ value) => {
      prefer(name, value);
      document.documentElement.dataset[name] = value;
      this.requestUpdate();
    };
    return html`${select({
      id: "me-language",
      label: t("language"),
      value: language(),
      options: LANGUAGE_CODES.map((code) => [code, languageName(code)]),
      change: (code) => {
        prefer("language", code);
        setLanguage(code);
      },
    })}
      ${select({
        id: "me-theme",
        label: t("me.theme"),
        value: document.documentElement.dataset.theme ?? "",
        options: themes,
        change: set("theme"),
      })}
      ${select({
        id: "me-density",
        label: t("me.density"),
        value: document.documentElement.dataset.density ?? "",
        options: [
          ["", t("me.density_normal")],
          ["compact", t("me.density_compact")],
        ],
        change: set("density"),
      })}
      ${check({
        id: "me-keys",
        label: t("me.keys"),
        checked: preference("keys") !== "off",
        hint: t("me.keys_hint"),
        change: (on) => {
          prefer("keys", on ? "on" : "off");
          this.requestUpdate();
        },
      })}`;
  }

  /** @param {Own[]} list */
  list(list) {
    const first = [...list].sort((one, other) => Number(other.current ?? false) - Number(one.current ?? false));
    return html`<ul class="stack tight">${repeat(
      first,
      ({ id }) => id,
      (own) => html`<li class="row"><span
        class="fill wrap">${
          own.current ? badge("ok", "●", t("me.this_one")) : nothing
        } ${t("me.since")} ${when(own.began_at)}${own.used_at ? html` · ${t("me.used")} ${when(own.used_at)}` : nothing}${own.address ? html` · <code>${own.address}</code>` : nothing}${own.expires_at ? html` · ${t("until")} ${when(own.expires_at)}` : nothing}</span>
      <button type="button" class="b end" @click=${() => void this.end(own)}>${t("me.end")}</button></li>`,
    )}</ul>`;
  }
}
customElements.define("off-me", Me);
