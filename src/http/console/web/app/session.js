// Who is signed in. A session that ends while somebody works is signed in again in a dialog over the page, so that
// nothing typed is lost.
import { html, nothing } from "../vendor/lit.js";
import { LookAgain, Problem, asProblem, get, keepKey, onSessionEnd, request, sessionKey, shareKey, sharedKey, whose } from "../live/api.js";
import { live } from "../live/stream.js";
import { field } from "../parts/controls.js";
import { Part } from "../parts/element.js";
import { problemBar } from "../parts/small.js";
import { t } from "../words/words.js";

/** @typedef {Api.Me} Me */

/** Emits `change` when somebody signs in or out, and when a sign-in is asked for. */
class Session extends EventTarget {
  /** @type {Me | null} null before the first sign-in */
  me = null;
  /** The position of the first answer: the stream begins there. */
  cursor = "";
  asks = false;
  /** How many days the gateway keeps texts and calls, where it has said it. @type {number | null} */
  keptDays = null;
  /** @type {Array<() => void>} */
  #waiting = [];

  constructor() {
    super();
    onSessionEnd(() => this.#ask());
    // Another tab signed in.
    globalThis.addEventListener?.("storage", (event) => {
      if (event.key === "offhook.key" && event.newValue) void this.#follow();
    });
  }

  #followAgain = new LookAgain(() => this.#follow());

  /** @returns {Promise<void>} */
  #ask() {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      // Another tab may have signed in since.
      void this.#follow();
    });
  }

  /**
   * Takes over the session that another tab began, if it is this person's. Another person gets a page of their own:
   * nothing that waits here is sent in their name.
   * @returns {Promise<void>}
   */
  async #follow() {
    const key = sharedKey();
    try {
      const me = key && key !== sessionKey() ? await whose(key) : null;
      this.#followAgain.after(null);
      if (key !== sharedKey()) return this.#follow();
      if (me && this.me && me.name !== this.me.name) {
        // Who does not want to leave what they typed signs in again.
        this.#show();
        return location.assign("/");
      }
      if (me) {
        keepKey(key);
        return this.#signedIn(me);
      }
    } catch (thrown) {
      this.#followAgain.after(asProblem(thrown));
    }
    if (this.#waiting.length > 0) this.#show();
  }

  #show() {
    if (this.asks) return;
    this.asks = true;
    this.dispatchEvent(new CustomEvent("change"));
  }

  /** @param {Me | null} me with the scopes of now */
  #signedIn(me) {
    if (me && this.me) this.me = me;
    this.asks = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
    this.dispatchEvent(new CustomEvent("change"));
  }

  /** Asks who one is; waits for a sign-in where nobody is. */
  async load() {
    const { data, cursor } = await get("/v1/me");
    ownTab(data.name);
    live.open(data.name);
    this.me = data;
    this.cursor = cursor ?? "";
    this.dispatchEvent(new CustomEvent("change"));
  }

  /** @param {{ name: string, password: string } | { link: string }} proof */
  async signIn(proof) {
    const before = this.me?.name;
    const { data } = await request("POST", "/session", { body: proof });
    const key = String(data.key ?? "");
    const me = await whose(key).catch(() => undefined);
    // A key is nobody's without its cookie, which some browsers are told not to take.
    if (me === null) throw new Problem(401, { code: "no_cookie" });
    // Another person gets a page of their own, not what the one before left open.
    if (before && data.name && data.name !== before) {
      shareKey(key);
      return location.assign("/");
    }
    keepKey(key);
    this.#signedIn(me ?? null);
  }

  /** @param {unknown} days */
  keeps(days) {
    if (typeof days !== "number" || days === this.keptDays) return;
    this.keptDays = days;
    this.dispatchEvent(new CustomEvent("change"));
  }

  async signOut() {
    await request("DELETE", "/session").catch(() => null);
    keepKey("");
    location.assign("/sign-in");
  }

  /** @param {Api.Scope} scope */
  can(scope) {
    return this.me?.scopes.includes(scope) ?? false;
  }
}

export const session = new Session();

/** `<off-sign-in>`: name and password. */
class SignIn extends Part {
  static properties = {
    name: { state: true },
    password: { state: true },
    problem: { state: true },
    busy: { state: true },
    wait: { state: true },
  };

  constructor() {
    super();
    this.name = session.me?.name ?? "";
    this.password = "";
    /** @type {import("../live/api.js").Problem | null} */
    this.problem = null;
    this.busy = false;
    this.wait = 0;
    /** A one-time link that was not looked at yet: the gateway was away, or wants to wait. */
    this.link = "";
  }

  /** @override */
  connected() {
    this.every(1000, () => {
      if (this.wait === 0) return;
      this.wait -= 1;
      if (this.wait === 0 && this.link) void this.try({ link: this.link });
    });
    // A link that is pasted where this page is open already only changes its fragment.
    this.hear(window, "hashchange", () => this.useLink());
    this.useLink();
  }

  useLink() {
    const link = /^#k=(.+)$/.exec(location.hash)?.[1];
    if (!link) return;
    // A link works once: it is not to stay in the history.
    history.replaceState(null, "", location.pathname + location.search);
    void this.try({ link });
  }

  /** @param {{ name: string, password: string } | { link: string }} proof */
  async try(proof) {
    this.busy = true;
    this.problem = null;
    try {
      await session.signIn(proof);
    } catch (thrown) {
      this.problem = asProblem(thrown);
      this.link = "link" in proof && this.problem.status !== 401 ? proof.link : "";
      this.wait = Math.ceil((this.problem.retryAfterMs ?? 0) / 1000);
      this.password = "";
      await this.updateComplete;
      this.find("#sign-in-password")?.focus();
    }
    this.busy = false;
  }

  /** @override */
  render() {
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      if (!this.busy && this.wait === 0) void this.try({ name: this.name.trim(), password: this.password });
    };
    return html`<form class="stack" @submit=${submit}>
      ${problemBar(this.problem, this.link && this.wait === 0 ? () => void this.try({ link: this.link }) : null)}
      ${field({
        id: "sign-in-name",
        label: t("sign_in.name"),
        value: this.name,
        input: (value) => (this.name = value),
        autocomplete: "username",
        required: true,
        focus: !this.name,
      })}
      ${field({
        id: "sign-in-password",
        label: t("sign_in.password"),
        value: this.password,
        input: (value) => (this.password = value),
        type: "password",
        autocomplete: "current-password",
        required: true,
        focus: !!this.name,
      })}
      ${this.wait > 0 ? html`<p class="badc">${t("retry_in", { n: this.wait })}</p>` : nothing}
      <button class="b p" ?disabled=${this.busy || this.wait > 0}>${t("sign_in")}</button>
      <details class="two"><summary>${t("sign_in.nobody")}</summary><p>${t("sign_in.how")}</p><pre
        class="code">offhook console password NAME
offhook console link --as NAME</pre></details>
    </form>`;
  }
}
customElements.define("off-sign-in", SignIn);

/** Drafts of somebody else, and texts that they had under way, are not this person's to send. @param {string} name */
function ownTab(name) {
  try {
    const before = sessionStorage.getItem("offhook.who");
    if (before !== null && before !== name) sessionStorage.clear();
    sessionStorage.setItem("offhook.who", name);
  } catch {
    // Without storage nothing is left of anybody.
  }
}
