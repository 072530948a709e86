// The frame of every page: who is signed in, where one is, whether events come in, and what is urgent.
import { html, nothing, repeat } from "../vendor/lit.js";
import { LookAgain, asProblem, get } from "../live/api.js";
import { live } from "../live/stream.js";
import { dialog } from "../parts/dialog.js";
import { Part, preference } from "../parts/element.js";
import { badge, empty, problemBar, skeleton, strange } from "../parts/small.js";
import { clock, setLanguage, t, visible, word } from "../words/words.js";
import { arrived, go, isAnythingDirty, mayLeave, pages, places, whereOneIs } from "./routes.js";
import { session } from "./session.js";
import "./keys.js";

/** A bar says so when events have not come in for this long. */
const LOST_AFTER_MS = 3_000;
const HEALTH_EVERY_MS = 10_000;
/** More of what waits would push the page away. */
const BARS_MAX = 4;
/** The files of other pages wait until the first page has what it needs. */
const OTHERS_AFTER_MS = 1_000;

/** @typedef {{ address: RegExp, title: () => string, load: () => Promise<unknown>, show: (id: string) => unknown }} Route */

const calls = () => import("../pages/calls.js");
const queues = () => import("../pages/queues.js");

/** Pages by address; what the parentheses match is handed over. @type {Route[]} */
const ROUTES = [
  {
    address: /^\/playground$/,
    title: () => t("page.playground"),
    load: () => import("../pages/playground.js"),
    show: () => html`<off-playground></off-playground>`,
  },
  { address: /^\/calls$/, title: () => t("page.calls"), load: calls, show: () => html`<off-calls></off-calls>` },
  { address: /^\/calls\/([^/]+)$/, title: () => t("call"), load: calls, show: (id) => html`<off-call .callId=${id}></off-call>` },
  {
    address: /^\/settings\/in-call-sms$/,
    title: () => t("page.in_call_sms"),
    load: () => import("../pages/in-call-sms.js"),
    show: () => html`<off-in-call-sms></off-in-call-sms>`,
  },
  {
    address: /^\/presets$/,
    title: () => t("page.presets"),
    load: () => import("../pages/presets.js"),
    show: () => html`<off-presets></off-presets>`,
  },
  {
    address: /^\/numbers$/,
    title: () => t("page.numbers"),
    load: () => import("../pages/numbers.js"),
    show: () => html`<off-numbers></off-numbers>`,
  },
  { address: /^\/queues$/, title: () => t("page.queues"), load: queues, show: () => html`<off-queues></off-queues>` },
  { address: /^\/queues\/([^/]+)$/, title: () => t("queue"), load: queues, show: (id) => html`<off-queue .queueId=${id}></off-queue>` },
  {
    address: /^\/opt-outs$/,
    title: () => t("page.opt_outs"),
    load: () => import("../pages/opt-outs.js"),
    show: () => html`<off-opt-outs></off-opt-outs>`,
  },
  { address: /^\/me$/, title: () => t("page.me"), load: () => import("../pages/me.js"), show: () => html`<off-me></off-me>` },
];

/** The page of an address; that of `/` depends on who signs in. @param {string} path */
function routeOf(path) {
  return ROUTES.find(({ address }) => address.test(path));
}

/** A note of the gateway in the reader's words; one that this console does not know is shown as it is. @param {string} note */
function noted(note) {
  const numbers = /^numbers: (\d+) suspended/.exec(note)?.[1];
  if (numbers) return t("numbers.suspended", { n: Number(numbers) });
  const endpoint = /^endpoint ([^:]+):/.exec(note)?.[1];
  if (endpoint) return t("note.endpoint", { name: endpoint });
  return note.startsWith("clock:") ? t("note.clock") : note;
}

class App extends Part {
  static properties = {
    menuOpen: { state: true },
    health: { state: true },
    activation: { state: true },
    now: { state: true },
    failed: { state: true },
  };

  constructor() {
    super();
    this.menuOpen = false;
    /** @type {Api.Health | null} */
    this.health = null;
    this.activation = false;
    this.now = Date.now();
    this.build = "";
    this.updated_ = false;
    /** @type {import("../live/api.js").Problem | null} */
    this.failed = null;
    this.path = location.pathname;
    /** Counts the addresses that one went to: each gets an element of its own, which reads what it shows from there. */
    this.visit = 0;
    /** Pages whose files are here. @type {Set<Route>} */
    this.here = new Set();
    /** Pages whose files did not come: the gateway is gone, or has others now. @type {Set<Route>} */
    this.missing = new Set();
  }

  /** @override */
  connected() {
    this.hear(session, "change", () => this.requestUpdate());
    this.hear(places, "change", () => this.arrive());
    this.hear(window, "popstate", () => void this.back());
    this.hear(document, "click", (event) => this.follow(event));
    this.hear(window, "beforeunload", (event) => isAnythingDirty() && event.preventDefault());
    this.hear(live, "state", () => void this.stateChanged());
    this.hear(live, "event", ({ detail }) => {
      if (detail.type === "directory.changed" || detail.type === "number.verification_changed") void this.loadSettings();
      if (detail.type.startsWith("account.")) void this.loadHealth();
    });
    this.every(1_000, () => {
      if (!live.state.up) this.now = Date.now();
    });
    this.every(HEALTH_EVERY_MS, () => void this.loadHealth());
    void this.begin();
  }

  /** Fetches a page's files, and shows it. @param {Route | undefined} route */
  async fetch(route) {
    if (!route || this.here.has(route)) return;
    try {
      await route.load();
      this.here.add(route);
      this.missing.delete(route);
    } catch {
      this.missing.add(route);
    }
    this.requestUpdate();
  }

  async begin() {
    // Files and first answer come at once.
    void this.fetch(routeOf(this.path));
    try {
      await session.load();
    } catch (thrown) {
      this.failed = /** @type {import("../live/api.js").Problem} */ (thrown);
      setTimeout(() => void this.begin(), 3_000);
      return;
    }
    this.failed = null;
    this.build = session.me?.build ?? "";
    if (["/", "/sign-in"].includes(location.pathname)) history.replaceState(null, "", session.me?.demo ? "/playground" : "/calls");
    this.arrive(false);
    await this.fetch(routeOf(this.path));
    await this.updateComplete;
    // What the page asked for goes first, then the rest, and the other pages before somebody goes there.
    setTimeout(() => {
      live.start(session.cursor);
      void this.loadSettings();
      void this.loadHealth();
      setTimeout(() => ROUTES.forEach((route) => void this.fetch(route)), OTHERS_AFTER_MS);
    });
  }

  #settingsAgain = new LookAgain(() => this.loadSettings());

  async loadSettings() {
    if (!session.me?.scopes.includes("read")) return;
    try {
      const { data } = await get("/v1/settings");
      this.activation = data.activation_required === true;
      session.keeps(data.retention_days);
      this.#settingsAgain.after(null);
    } catch (thrown) {
      this.#settingsAgain.after(asProblem(thrown));
    }
  }

  async loadHealth() {
    if (session.me?.scopes.includes("read"))
      await get("/v1/health").then(
        ({ data }) => (this.health = data),
        () => (this.health = null),
      );
  }

  async stateChanged() {
    this.requestUpdate();
    if (!live.state.up) return;
    void this.loadHealth();
    // A gateway that was upgraded meanwhile has other pages.
    const { data } = await get("/v1/me").catch(() => ({ data: null }));
    if (data?.build && this.build && data.build !== this.build) {
      this.updated_ = true;
      this.requestUpdate();
    }
  }

  /** @param {boolean} [moves] whether the focus goes to the new page */
  arrive(moves = true) {
    if (moves) this.visit += 1;
    arrived();
    this.path = location.pathname;
    this.menuOpen = false;
    void this.fetch(routeOf(this.path));
    this.requestUpdate();
    if (!moves) return;
    void this.updateComplete.then(() => {
      scrollTo(0, 0);
      this.find("main")?.focus();
    });
  }

  async back() {
    const wanted = location.pathname + location.search;
    // Only what stands behind the # has changed.
    if (wanted === whereOneIs()) return;
    if (isAnythingDirty()) {
      history.pushState(null, "", whereOneIs());
      if (!(await mayLeave())) return;
      history.replaceState(null, "", wanted);
    }
    this.arrive();
  }

  /** Links inside the console change the page without loading it. @param {MouseEvent} event */
  follow(event) {
    const link = /** @type {Element} */ (event.target).closest?.("a[href]");
    if (
      !(link instanceof HTMLAnchorElement) ||
      event.defaultPrevented ||
      event.button !== 0 ||
      event.ctrlKey ||
      event.metaKey ||
      event.shiftKey ||
      link.target ||
      link.origin !== location.origin ||
      link.hash ||
      link.download
    )
      return;
    event.preventDefault();
    void go(link.pathname + link.search);
  }

  /** @override */
  render() {
    if (!session.me)
      return session.asks || !this.failed
        ? this.signIn()
        : html`<main id="main" class="sign">${problemBar(this.failed, () => void this.begin())}</main>`;
    const route = routeOf(this.path);
    const id = decoded(route?.address.exec(this.path)?.[1] ?? "");
    document.title = `${route ? route.title() : t("not_found")} · Offhook`;
    return html`<a class="skip" href="#main" @click=${(/** @type {Event} */ event) => {
      event.preventDefault();
      this.find("main")?.focus();
    }}>${t("skip")}</a>
      ${this.top()}${this.side()}
      <main id="main" tabindex="-1">
        <div>${this.bars()}${route ? (this.here.has(route) ? repeat([this.visit], Number, () => route.show(id)) : skeleton()) : this.notFound()}</div>
      </main>
      <off-keys></off-keys>
      ${session.asks ? dialog(t("sign_in.again"), () => html`<p>${t("sign_in.kept")}</p><off-sign-in></off-sign-in>`, null) : nothing}`;
  }

  notFound() {
    return html`<div class="head"><h1>${t("not_found")}</h1></div>
      <div class="card">${empty(
        t("not_found.go"),
        html`<div class="row">${pages().map(({ path, name }) => html`<a class="b" href=${path}>${name}</a>`)}</div>`,
      )}</div>`;
  }

  signIn() {
    document.title = `${t("sign_in")} · Offhook`;
    if (!session.asks) return nothing;
    return html`<main id="main" class="sign"><div class="card"><header><h1>Offhook</h1></header><div
      class="body"><h2>${t("sign_in")}</h2><off-sign-in></off-sign-in></div></div></main>`;
  }

  top() {
    const find = () => /** @type {import("./keys.js").Keys | null} */ (this.find("off-keys"))?.openFind();
    return html`<header class="top">
      <button type="button" class="b burger" aria-expanded=${this.menuOpen ? "true" : "false"} aria-controls="menu"
        @click=${() => (this.menuOpen = !this.menuOpen)}><span aria-hidden="true">☰</span><span class="hide">${t("menu")}</span></button>
      <b>Offhook</b>
      ${session.me?.demo ? badge("acc", "", t("demo")) : nothing}
      ${
        this.health && !this.lost
          ? this.health.ready
            ? badge("ok", "●", t("ready"))
            : html`<span
        title=${this.reasons}>${badge("bad", "!", t("not_ready"))}</span>`
          : nothing
      }
      <button type="button" class="find" @click=${find}><span>${t("find")}</span><kbd aria-hidden="true">Ctrl K</kbd></button>
      <a href="/me" class="wrap">${session.me?.name}</a>
    </header>`;
  }

  side() {
    const link = (/** @type {import("./routes.js").Listed} */ { path, name }) =>
      html`<a href=${path} aria-current=${this.path === path ? "page" : this.path.startsWith(`${path}/`) ? "true" : nothing}>${name}</a>`;
    const listed = pages();
    return html`<nav id="menu" class="side ${this.menuOpen ? "open" : ""}" aria-label=${t("menu")}>
      ${listed.filter(({ group }) => group === "").map(link)}
      <h2>${t("menu.set_up")}</h2>${listed.filter(({ group }) => group === "set_up").map(link)}
      <a class="mine" href="/me" aria-current=${this.path === "/me" ? "page" : nothing}>${session.me?.name}</a>
    </nav>`;
  }

  /** Whether events have not come in for so long that what is shown may be old. */
  get lost() {
    return !live.state.up && this.now - live.state.since > LOST_AFTER_MS;
  }

  /** Why it takes nothing new. */
  get reasons() {
    return (this.health?.reasons ?? []).map((reason) => visible(word("not_ready", reason))).join("; ");
  }

  /** What holds texts though the gateway is ready: paused accounts, and what else it notes of itself. */
  waiting() {
    const { accounts = [], notes = [] } = this.health ?? {};
    const paused = accounts.filter(({ breaker, suspended }) => breaker === "open" || suspended);
    const own = paused.map(({ name, reason, detail, suspended }) => {
      const words = suspended ? [word("account", "suspended"), suspended.reason] : [word("account", reason), detail];
      return t("account.waits", { account: name, why: words.filter(Boolean).join(": ") });
    });
    const others = notes.filter((note) => !paused.some(({ name }) => note.startsWith(`account ${name}:`)));
    return [...own, ...others.map(noted)].slice(0, BARS_MAX);
  }

  bars() {
    const { since, retryAt } = live.state;
    const route = routeOf(this.path);
    return html`<div id="bars">
      ${
        this.lost
          ? html`<div class="bar bad"
        role="alert"><span>${t("live.lost", { at: clock(since) })}<span aria-hidden="true">, ${t("live.again", {
          n: Math.max(0, Math.ceil(((retryAt ?? this.now) - this.now) / 1000)),
        })}</span></span><button
        type="button" class="b end" @click=${() => live.retry()}>${t("try_again")}</button></div>`
          : nothing
      }
      ${
        route && this.missing.has(route) && !this.updated_
          ? html`<div class="bar bad" role="alert"><span>${t("code.network")}</span><button type="button"
        class="b end" @click=${() => location.reload()}>${t("reload")}</button></div>`
          : nothing
      }
      ${
        this.updated_
          ? html`<div class="bar acc" role="status"><span>${t("updated")}</span><button type="button" class="b end"
        @click=${() => location.reload()}>${t("reload")}</button></div>`
          : nothing
      }
      ${
        this.health && !this.health.ready
          ? html`<div class="bar bad" role="status"><span
        class="wrap">${t("not_ready")}: ${this.reasons}</span></div>`
          : nothing
      }
      ${this.waiting().map((text) => html`<div class="bar warn" role="status"><span class="wrap">${strange(text)}</span></div>`)}
      ${
        this.activation && this.path !== "/numbers"
          ? html`<div class="bar warn"><span>${t("activation.banner")}</span><a class="end warnc"
        href="/numbers">${t("activation.go")}</a></div>`
          : nothing
      }
    </div>`;
  }
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

setLanguage(preference("language"));
document.documentElement.dataset.theme = preference("theme") ?? "";
document.documentElement.dataset.density = preference("density") ?? "";
customElements.define("off-app", App);
