import assert from "node:assert/strict";
import { test } from "node:test";
import {
  LookAgain,
  Problem,
  all,
  callsPath,
  isPassing,
  keepKey,
  leaves,
  onSessionEnd,
  path,
  request,
  sessionKey,
} from "../../../src/http/console/web/live/api.js";

/** @param {Array<Response | Error>} answers @returns {any[]} what was asked */
function answers(...answers) {
  /** @type {any[]} */
  const asked = [];
  globalThis.fetch = async (url, init) => {
    asked.push({ url, ...init, headers: Object.fromEntries(/** @type {Headers} */ (init?.headers)) });
    const next = answers.shift();
    if (!next || next instanceof Error) throw next ?? new TypeError("no more");
    return next;
  };
  return asked;
}
const json = (/** @type {any} */ body, /** @type {number} */ status = 200, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers });

test("each request carries the key and is repeated after a session was renewed", async () => {
  keepKey("old");
  onSessionEnd(async () => keepKey("new"));
  const asked = answers(json({ code: "unauthorized" }, 401), json({ id: 1 }));
  await request("PUT", "/v1/settings", { body: { a: 1 }, ifMatch: '"7"', key: "k" });
  assert.deepEqual(
    asked.map(({ headers }) => headers["x-offhook-key"]),
    ["old", "new"],
  );
  assert.deepEqual(
    asked.map(({ body, headers }) => [body, headers["if-match"], headers["idempotency-key"]]),
    Array(2).fill(['{"a":1}', '"7"', "k"]),
  );
});

test("a wrong password is not a session that ended", async () => {
  answers(json({ code: "unauthorized" }, 401));
  await assert.rejects(request("POST", "/session", { body: {} }), (/** @type {Problem} */ problem) => problem.status === 401);
});

test("many requests at the end of a session ask once", async () => {
  keepKey("old");
  let asks = 0;
  /** @type {Promise<void> | null} */
  let one = null;
  onSessionEnd(
    () =>
      (one ??= new Promise((resolve) => {
        asks += 1;
        setTimeout(() => {
          keepKey("new");
          resolve();
        }, 5);
      })),
  );
  globalThis.fetch = async (_url, init) =>
    /** @type {Headers} */ (init?.headers).get("X-Offhook-Key") === "new" ? json({ ok: true }) : json({ code: "unauthorized" }, 401);
  await Promise.all([1, 2, 3].map(() => request("GET", "/v1/me")));
  assert.deepEqual([asks, sessionKey()], [1, "new"]);
});

test("answers that make no sense are problems, not crashes", async () => {
  for (const [answer, code] of /** @type {[Response | Error, string][]} */ ([
    [new Response("<html>proxy</html>"), "odd_answer"],
    [new Response(""), "odd_answer"],
    [new Response('{"items": ['), "odd_answer"],
    [new Response("<html>bad gateway</html>", { status: 502 }), "odd_answer"],
    [json("text", 500), "odd_answer"],
    [new TypeError("failed"), "network"],
    [json({ code: "brand_new", detail: "d", errors: "no list" }, 409), "brand_new"],
  ])) {
    answers(answer);
    await assert.rejects(
      request("GET", "/v1/settings"),
      (/** @type {Problem} */ problem) => problem instanceof Problem && problem.code === code && Array.isArray(problem.errors),
      code,
    );
  }
});

test("a list is read to its end, and a path is escaped", async () => {
  const asked = answers(json({ items: [1, 2], next_cursor: "c" }), json({ items: [3], next_cursor: null }));
  assert.deepEqual(await all("/v1/presets?language=it"), [1, 2, 3]);
  assert.deepEqual(
    asked.map(({ url }) => url),
    ["/v1/presets?language=it&limit=500", "/v1/presets?language=it&limit=500&cursor=c"],
  );
  assert.equal(path("numbers", "+1206", "a/b?"), "/v1/numbers/%2B1206/a%2Fb%3F");
});

test("a retry after is in milliseconds", async () => {
  answers(json({ code: "rate_limited" }, 429, { "Retry-After": "3" }));
  await assert.rejects(request("GET", "/v1/x"), (/** @type {Problem} */ problem) => problem.retryAfterMs === 3000);
});

test("a look that failed for a passing reason is taken again, and a refused one is not", () => {
  const waits = /** @type {number[]} */ ([]);
  const before = globalThis.setTimeout;
  globalThis.setTimeout = /** @type {any} */ ((/** @type {() => void} */ _look, /** @type {number} */ ms) => waits.push(ms));
  try {
    const again = new LookAgain(() => null);
    const away = new Problem(0, { code: "network" });
    for (let n = 0; n < 6; n += 1) again.after(away);
    assert.deepEqual(waits.splice(0), [500, 1000, 2000, 4000, 5000, 5000]);
    // One that succeeds begins from the start.
    again.after(null);
    assert.deepEqual(waits, []);
    again.after(away);
    assert.deepEqual(waits.splice(0), [500]);
    again.after(new Problem(503, { code: "overloaded" }, new Headers({ "Retry-After": "3" })));
    assert.deepEqual(waits.splice(0), [3000]);
    for (const status of [400, 403, 404, 410, 422]) again.after(new Problem(status, { code: "not_found" }));
    assert.deepEqual(waits, []);
  } finally {
    globalThis.setTimeout = before;
  }
  assert.deepEqual(
    [0, 429, 500, 503, 504, 404, 401].map((status) => isPassing(new Problem(status, {}))),
    [true, true, true, true, true, false, false],
  );
});

const FILTERS = { caller: "", queue: "", agent: "", state: "", day: "" };

test("a day on which the clock changes is asked for as a whole", () => {
  const before = process.env.TZ;
  process.env.TZ = "Europe/Rome";
  try {
    for (const [day, since, until] of [
      ["2026-10-25", "2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z"],
      ["2026-03-29", "2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"],
      ["2026-11-30", "2026-11-29T23:00:00.000Z", "2026-11-30T23:00:00.000Z"],
    ]) {
      const { searchParams } = new URL(callsPath({ ...FILTERS, day }, 50, ""), "http://localhost");
      assert.deepEqual([searchParams.get("since"), searchParams.get("until")], [since, until]);
    }
  } finally {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  }
  assert.equal(
    callsPath({ ...FILTERS, caller: " +1 206 555 0142", agent: " anna " }, 50, "c"),
    "/v1/calls?limit=50&caller=%2B12065550142&agent=anna&cursor=c",
  );
});

test("a call that begins is new only where the filters leave it", () => {
  const call = /** @type {any} */ ({ caller: "+12065550142", queue: "support", agent: "anna" });
  for (const [filter, left] of /** @type {[object, boolean][]} */ ([
    [{}, true],
    [{ caller: "+1 206 555 0142" }, true],
    [{ caller: "+1 206 55" }, false],
    [{ caller: "anonymous" }, false],
    [{ agent: " anna " }, true],
    [{ agent: "bruno" }, false],
    [{ queue: "billing" }, false],
    [{ state: "ended" }, false],
    [{ day: "1999-12-31" }, false],
  ]))
    assert.equal(leaves({ ...FILTERS, ...filter }, call), left, JSON.stringify(filter));
  assert.ok(leaves({ ...FILTERS, caller: "anonymous" }, { ...call, caller: "anonymous" }));
});
