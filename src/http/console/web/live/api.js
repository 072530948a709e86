// Requests to the gateway. Whoever calls sees an answer or a Problem; a session that has ended is signed in again
// meanwhile, and the request is repeated with its body and key.

import { wellFormed } from "./counter.js";
import { readNumber } from "./e164.js";

const KEY = "offhook.key";

/** @typedef {{ field: string, code: string, detail: string }} FieldProblem */
/**
 * @template T
 * @typedef {object} Answer
 * @property {T} data
 * @property {string | null} etag
 * @property {string | null} cursor the position that the answer was read at
 */

/** A refusal of the gateway, or what stands for one: `network` where there was no answer, `odd_answer` where it made no sense. */
export class Problem extends Error {
  /**
   * @param {number} status 0 without an answer
   * @param {Record<string, any>} body
   * @param {Headers} [headers]
   */
  constructor(status, body, headers) {
    super(String(body.detail ?? body.code ?? status));
    this.status = status;
    /** @type {string} */
    this.code = String(body.code ?? "odd_answer");
    /** @type {string} */
    this.detail = String(body.detail ?? "");
    /** @type {FieldProblem[]} */
    this.errors = Array.isArray(body.errors) ? body.errors : [];
    /** @type {string | null} */
    this.otherCall = body.other_call_id ?? null;
    const seconds = Number(headers?.get("Retry-After"));
    this.retryAfterMs = seconds > 0 ? seconds * 1000 : null;
  }
}

/** @param {unknown} thrown @returns {Problem} */
export function asProblem(thrown) {
  return thrown instanceof Problem ? thrown : new Problem(0, { code: "odd_answer", detail: String(thrown) });
}

/** Whether the same request may succeed a little later: the gateway was away, or could not. @param {Problem} problem */
export function isPassing({ status }) {
  return status === 0 || status === 429 || status >= 500;
}

/** The longest wait before a look that failed is taken again. */
const LOOK_AGAIN_MAX_MS = 5_000;

/** Looks again after a look that failed for a passing reason, until one succeeds. */
export class LookAgain {
  #tries = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {() => unknown} look */
  constructor(look) {
    this.look = look;
  }

  /** What became of the last look. @param {Problem | null} problem */
  after(problem) {
    this.stop();
    if (!problem || !isPassing(problem)) return void (this.#tries = 0);
    const ms = problem.retryAfterMs ?? Math.min(LOOK_AGAIN_MAX_MS, 500 * 2 ** this.#tries);
    this.#tries += 1;
    this.#timer = setTimeout(() => void this.look(), ms);
  }

  stop() {
    clearTimeout(this.#timer);
  }
}

/** The key that the tabs share. It stands in localStorage, which other ports of this host do not share, unlike its cookie. */
export function sharedKey() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

/** The key that this tab asks with. One that another tab brought is used once it is known whose it is. @type {string | undefined} */
let own;

export function sessionKey() {
  return (own ??= sharedKey());
}

/** @param {string} key empty to forget it */
export function keepKey(key) {
  own = key;
  shareKey(key);
}

/** For the page that comes next, and the other tabs. @param {string} key */
export function shareKey(key) {
  try {
    if (key) localStorage.setItem(KEY, key);
    else localStorage.removeItem(KEY);
  } catch {
    // Without storage the session lasts as long as this tab.
  }
}

/** @type {() => Promise<void>} */
let signInAgain = () => Promise.reject(new Problem(401, { code: "unauthorized" }));

/** @param {() => Promise<void>} ask shows the sign-in; resolves once somebody has signed in */
export function onSessionEnd(ask) {
  signInAgain = ask;
}

export function renewSession() {
  return signInAgain();
}

/** A page that is only open is not at work: what it asks for later than this after the last key or click says so. */
const AT_WORK_MS = 60_000;
let actedAt = Date.now();
for (const act of ["keydown", "pointerdown", "wheel"])
  globalThis.addEventListener?.(act, () => (actedAt = Date.now()), { capture: true, passive: true });

/**
 * @typedef {object} Options
 * @property {unknown} [body]
 * @property {string | null} [ifMatch] the ETag of what was loaded
 * @property {boolean} [create] only if it does not exist yet
 * @property {string} [key] Idempotency-Key
 * @property {AbortSignal} [signal]
 */

/** A browser's clock may be wrong: by how much it differs from the gateway's, where that is more than the second that a header has. */
let skewMs = 0;

/** @param {Response} response */
function compareClocks(response) {
  const theirs = Date.parse(response.headers.get("Date") ?? "");
  if (Number.isNaN(theirs)) return;
  const skew = theirs - Date.now();
  skewMs = Math.abs(skew) > 3_000 ? skew : 0;
}

/** The gateway's time. */
export function gatewayNow() {
  return Date.now() + skewMs;
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<Response>} with a 2xx
 */
export async function raw(method, path, options = {}) {
  for (;;) {
    const used = sessionKey();
    const response = await once(method, path, options);
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (problem.status !== 401 || path.startsWith("/session")) throw problem;
    // Another request may have signed in meanwhile.
    if (sessionKey() === used) await signInAgain();
  }
}

/** Whose a key is; null where it is nobody's. @param {string} key @returns {Promise<Api.Me | null>} */
export async function whose(key) {
  const response = await once("GET", "/v1/me", {}, key);
  if (response.ok) return json(response);
  const problem = await problemOf(response);
  if (problem.status === 401) return null;
  throw problem;
}

/** @param {string} method @param {string} path @param {Options} options @param {string} [as] the session's key */
async function once(method, path, { body, ifMatch, create, key, signal }, as = sessionKey()) {
  const headers = new Headers({ Accept: "application/json", "X-Offhook-Key": as });
  if (body !== undefined) headers.set("Content-Type", "application/json");
  if (ifMatch) headers.set("If-Match", ifMatch);
  if (create) headers.set("If-None-Match", "*");
  if (key) headers.set("Idempotency-Key", key);
  // The console asks for gauges and follows events by itself, which keeps no session alive.
  if (Date.now() - actedAt > AT_WORK_MS) headers.set("X-Offhook-Background", "1");
  try {
    const response = await fetch(path, {
      method,
      headers,
      body:
        body === undefined ? undefined : JSON.stringify(body, (_name, value) => (typeof value === "string" ? wellFormed(value) : value)),
      signal,
      cache: "no-store",
      credentials: "same-origin",
      redirect: "error",
    });
    compareClocks(response);
    return response;
  } catch (failed) {
    if (signal?.aborted) throw failed;
    throw new Problem(0, { code: "network" });
  }
}

/** @param {Response} response */
export async function problemOf(response) {
  const body = await json(response).catch(() => null);
  return new Problem(response.status, body && typeof body === "object" ? body : {}, response.headers);
}

/** @param {Response} response @returns {Promise<any>} */
async function json(response) {
  const text = await response.text().catch(() => {
    throw new Problem(0, { code: "network" });
  });
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    // A page of a proxy, or half an answer.
    throw new Problem(response.ok ? 0 : response.status, { code: "odd_answer" });
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<Answer<any>>}
 */
export async function request(method, path, options) {
  const response = await raw(method, path, options);
  const data = await json(response);
  if (data === null && method === "GET") throw new Problem(0, { code: "odd_answer" });
  return { data, etag: response.headers.get("ETag"), cursor: response.headers.get("Offhook-Cursor") };
}

/** @param {string} path @param {AbortSignal} [signal] */
export function get(path, signal) {
  return request("GET", path, { signal });
}

/** Items on all pages of a list, at most `max`. @param {string} path @param {number} [max] @returns {Promise<any[]>} */
export async function all(path, max = 5_000) {
  const items = [];
  let cursor = "";
  do {
    const { data } = await get(`${path}${path.includes("?") ? "&" : "?"}limit=500${cursor && `&cursor=${cursor}`}`);
    items.push(...(data.items ?? []));
    cursor = data.next_cursor ?? "";
  } while (cursor && items.length < max);
  return items;
}

/** A path of the API with its parts escaped. @param {...string} parts */
export function path(...parts) {
  return `/v1/${parts.map(encodeURIComponent).join("/")}`;
}

/** Visible ASCII that nobody else makes: a key of idempotency, or the reference of a text. */
export function unique() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @typedef {{ caller: string, queue: string, agent: string, state: string, day: string }} CallFilters as they are typed */

/** What is typed of a caller, as the gateway writes it. @param {CallFilters} filters */
function callerOf({ caller }) {
  return readNumber(caller).number ?? caller.trim();
}

/** The calls that filters leave. @param {CallFilters} filters @param {number} limit @param {string} cursor */
export function callsPath(filters, limit, cursor) {
  const { queue, agent, state, day } = filters;
  // A day on which the clock changes has 23 or 25 hours.
  const [since, until] = [new Date(`${day}T00:00:00`), new Date(`${day}T00:00:00`)];
  until.setDate(until.getDate() + 1);
  const span = day ? { since: since.toISOString(), until: until.toISOString() } : {};
  const all = { limit: String(limit), caller: callerOf(filters), queue, agent: agent.trim(), state, ...span, cursor };
  return `/v1/calls?${new URLSearchParams(Object.entries(all).filter(([, value]) => value))}`;
}

/** Whether filters leave a call that begins now. @param {CallFilters} filters @param {Api.Call} call */
export function leaves(filters, call) {
  const { queue, state, day } = filters;
  const [caller, agent] = [callerOf(filters), filters.agent.trim()];
  return (
    (!caller || call.caller === caller) &&
    (!queue || call.queue === queue) &&
    (!agent || call.agent === agent) &&
    state !== "ended" &&
    (!day || day === new Date().toLocaleDateString("sv"))
  );
}
