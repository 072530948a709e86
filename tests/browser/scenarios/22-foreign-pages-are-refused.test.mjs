// A page of another port of the same host, open in the very browser that is signed in: it gets the cookie on its requests,
// and nothing else. What it tries is refused, and changes nothing.
import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { after, before, test } from "node:test";
import { browser, gateway } from "./gateway.mjs";
import { directory } from "./set.mjs";

/** @typedef {{ method: string, path: string, headers: Record<string, string>, body?: string }} Sent */

/** @type {Awaited<ReturnType<typeof gateway>>} */
let world;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {import("playwright-core").Page} the console's */
let own;
/** @type {import("playwright-core").Page} another site's */
let foreign;
let key = "";
/** The gateway's door with the metrics. */
let ops = "";
/** The foreign page's server. */
const site = createServer((_request, response) => {
  response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>Foreign</title><h1>Foreign</h1>");
});

before(async () => {
  chrome = await browser();
  world = await gateway({
    directory: directory(),
    config: (text) => {
      ops = `http://${/ops = "([^"]+)"/.exec(text)?.[1]}`;
      return text;
    },
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", () => resolve(null)));
  own = await chrome.page(await world.link(), { path: "/settings/in-call-sms" });
  key = await own.evaluate(() => localStorage.getItem("offhook.key") ?? "");
  assert.ok(key);
  // The same browser context: what it knows of the host, the foreign page has too. It speaks for itself, so it is not
  // watched as the console's pages are.
  foreign = await own.context().newPage();
  foreign.removeAllListeners("console");
  own.context().removeAllListeners("request");
  await foreign.goto(`http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (site.address()).port}/`);
});
after(async () => {
  site.close();
  site.closeAllConnections();
  await chrome?.close();
  await world?.close();
});

/** What a change would show in. */
async function state() {
  const parts = [];
  for (const path of ["/v1/directory", "/v1/calls", "/v1/opt-outs"]) parts.push((await world.platform("GET", path)).body);
  return JSON.stringify(parts);
}

/** Those of the context's cookies that the console's server gave. */
async function cookie() {
  const all = await own.context().cookies(world.origin);
  const [{ name, value, httpOnly, sameSite }] = all.filter(({ name }) => name.startsWith("offhook-"));
  assert.deepEqual([httpOnly, sameSite], [true, "Strict"]);
  return `${name}=${value}`;
}

/** A request without a browser. @param {Partial<Sent> & { host?: string }} sent @returns {Promise<{ status: number, code: string, detail: string }>} */
function ask({ method = "GET", path = "/v1/me", headers = {}, host, body }) {
  const { hostname, port } = new URL(world.origin);
  return new Promise((resolve, reject) => {
    const sending = request(
      { hostname, port, method, path, headers: { ...headers, ...(host ? { Host: host } : {}) } },
      async (response) => {
        let text = "";
        for await (const piece of response) text += piece;
        const { code = "", detail = "" } = text.startsWith("{") ? JSON.parse(text) : {};
        resolve({ status: response.statusCode ?? 0, code, detail });
      },
    );
    sending.on("error", reject);
    sending.end(body);
  });
}

/** How many requests the console refused because of their origin. */
async function refusedSoFar() {
  const metrics = await (await fetch(`${ops}/metrics`)).text();
  const line = metrics.split("\n").find((line) => line.startsWith("offhook_api_requests_total{") && line.includes('"foreign_origin"'));
  return Number(line?.split(" ").at(-1) ?? 0);
}

const SWITCH_OFF = JSON.stringify({ in_call_sms: false });

test("fetches of a page on another port or site are refused and change nothing", async () => {
  const was = await state();
  const tries = /** @type {Array<[string, RequestInit]>} */ ([
    ["/v1/me", {}],
    ["/v1/settings", { method: "PUT", body: SWITCH_OFF }],
    ["/v1/settings", { method: "POST", body: SWITCH_OFF }],
    ["/v1/calls/x/end", { method: "POST", body: "{}" }],
    ["/session", { method: "POST", body: JSON.stringify({ name: "anna", password: "x" }) }],
    ["/session", { method: "DELETE" }],
    ["/v1/numbers/+12065550100", { method: "DELETE" }],
  ]);
  const { port } = /** @type {import("node:net").AddressInfo} */ (site.address());
  // To a browser, another name is another site as well.
  for (const host of ["localhost", "127.0.0.1"]) {
    await foreign.goto(`http://${host}:${port}/`);
    for (const [path, init] of tries) {
      const before = await refusedSoFar();
      const read = await foreign.evaluate(
        async ([url, init]) => {
          const said = [];
          for (const more of [
            { mode: "no-cors" },
            { mode: "cors" },
            { mode: "cors", headers: { "Content-Type": "application/json", "X-Offhook-Key": "x" } },
          ]) {
            const answer = await fetch(url, { ...init, ...more, credentials: "include" }).catch(() => null);
            said.push(answer === null || answer.type === "opaque" ? "" : await answer.text());
          }
          return said.join("");
        },
        /** @type {[string, any]} */ ([world.origin + path, init]),
      );
      assert.equal(read, "", `${path} was read`);
      // One with CORS and one without, or the two questions that browsers ask before they send what is unusual.
      assert.ok((await refusedSoFar()) >= before + 2, `${init.method ?? "GET"} ${path} reached the gateway and was refused`);
    }
  }
  assert.equal(await state(), was);
});

test("forms frames and windows of another port do nothing", async () => {
  const was = await state();
  const { origin } = world;
  const posted = foreign.context().waitForEvent("response", (response) => response.url() === `${origin}/v1/settings`);
  await foreign.evaluate(
    ([origin, body]) => {
      const frame = document.createElement("iframe");
      frame.name = "target";
      const form = document.createElement("form");
      Object.assign(form, { method: "post", action: `${origin}/v1/settings`, target: "target", enctype: "text/plain" });
      const field = document.createElement("input");
      Object.assign(field, { name: body, value: "" });
      form.append(field);
      document.body.append(frame, form);
      form.submit();
    },
    [origin, SWITCH_OFF],
  );
  const answer = await posted;
  assert.equal(answer.status(), 403);
  // Ports are no sites: the browser sent the cookie along, and it was no use.
  assert.match((await answer.request().allHeaders()).cookie ?? "", /offhook-\d+=/);
  // The sign-in page and the console cannot be put into a frame.
  for (const path of ["/", "/sign-in", "/settings/in-call-sms"]) {
    const loaded = foreign.context().waitForEvent("response", (response) => response.url() === origin + path);
    await foreign.evaluate((url) => {
      const frame = document.createElement("iframe");
      frame.src = url;
      document.body.append(frame);
    }, origin + path);
    const headers = await (await loaded).allHeaders();
    assert.equal(headers["x-frame-options"], "DENY");
    assert.match(headers["content-security-policy"], /frame-ancestors 'none'/);
  }
  for (const frame of foreign.frames().slice(1))
    assert.ok(!frame.url().startsWith(`${origin}/`) || !(await frame.content()).includes("off-app"), frame.url());
  // A window that it opens is the console's own, out of its reach.
  const opens = foreign.context().waitForEvent("page");
  await foreign.evaluate((url) => void window.open(url), `${origin}/sign-in`);
  const opened = await opens;
  await opened.waitForLoadState();
  assert.equal(await opened.evaluate(() => window.opener), null);
  await opened.close();
  assert.equal(await state(), was);
});

test("another host name is refused and the key to set is named", async () => {
  for (const host of ["evil.test", `evil.test:${new URL(world.origin).port}`, "127.0.0.1:1", "127.0.0.1"]) {
    const refused = await ask({ path: "/", host });
    assert.deepEqual([refused.status, refused.code], [421, "wrong_host"], host);
    assert.match(refused.detail, /set console\.public_url/);
  }
  // A page whose name was made to lead here has the visitor's cookie at best.
  const rebound = await ask({ path: "/v1/me", host: "evil.test", headers: { Cookie: await cookie(), "X-Offhook-Key": key } });
  assert.deepEqual([rebound.status, rebound.code], [421, "wrong_host"]);
});

test("a cookie without its key is nobody", async () => {
  const was = await state();
  const mine = { Cookie: await cookie(), "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json" };
  assert.equal((await ask({ headers: { ...mine, "X-Offhook-Key": key } })).status, 200, "with the key it is anna");
  for (const headers of [
    mine,
    { ...mine, "X-Offhook-Key": "" },
    { ...mine, "X-Offhook-Key": "0".repeat(64) },
    { ...mine, Cookie: "", "X-Offhook-Key": key },
  ])
    for (const [method, path] of [
      ["GET", "/v1/calls"],
      ["GET", "/v1/events?after=now"],
      ["PUT", "/v1/settings"],
      ["GET", "/session"],
      ["DELETE", "/session"],
    ]) {
      const refused = await ask({ method, path, headers, body: method === "PUT" ? SWITCH_OFF : undefined });
      assert.deepEqual([refused.status, refused.code], [401, "unauthorized"], `${method} ${path}`);
    }
  // A key in a query or a form is no key, and a bearer's token signs no person in.
  const odd = await ask({ path: `/v1/me?key=${key}`, headers: { ...mine, Authorization: `Bearer ${key}` } });
  assert.equal(odd.status, 401);
  assert.equal(await state(), was);
  // The session of the console's own page is as it was.
  await own.reload();
  await own.getByRole("heading", { name: "In-call SMS" }).first().waitFor();
});
