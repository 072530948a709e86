// A gateway that is newer than the page, and what stands between the two: pages of proxies, answers that are cut or empty.
// The page shows what it understands, says what it does not, loses nothing, and works again afterwards.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, gateway, until } from "./gateway.mjs";
import { CALLER, directory } from "./set.mjs";

/** @typedef {import("playwright-core").Route} Route */
/** @typedef {{ status: number, contentType: string, body: string }} Odd */

const PROXY = "<!doctype html><title>502</title><h1>Bad Gateway</h1><script>alert(1)</script>";
/** @type {Array<[string, Odd]>} */
const ODD = [
  ["an empty body", { status: 200, contentType: "application/json", body: "" }],
  ["a proxy's page", { status: 200, contentType: "text/html", body: PROXY }],
  ["a proxy's error", { status: 502, contentType: "text/html", body: PROXY }],
  ["half a JSON", { status: 200, contentType: "application/json", body: `{"items": [{"number": "+1206` }],
];
const SENSELESS = "The answer makes no sense";

/** @type {Awaited<ReturnType<typeof gateway>>} */
let world;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {import("playwright-core").Page} */
let page;

before(async () => {
  chrome = await browser();
  world = await gateway({ directory: directory() });
  const { status } = await world.platform("PUT", "/v1/calls/c-1", { caller: CALLER, queue: "support", agent: "agent-17" });
  assert.equal(status, 201);
  await world.text(CALLER, "Hello?");
  page = await chrome.page(await world.link(), { path: "/me" });
});
after(async () => {
  await chrome?.close();
  await world?.close();
});

/** Changes an answer of the gateway. @param {(document: any) => any} change @returns {(route: Route) => Promise<void>} */
const changed = (change) => async (route) => {
  const response = await route.fetch();
  await route.fulfill({ response, body: JSON.stringify(change(await response.json())) });
};

/** Presses Try again, unless the page has done so by itself since. */
async function again() {
  await page.evaluate(() => {
    const buttons = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("main .bar.bad button")]);
    buttons.find((button) => button.textContent?.trim() === "Try again")?.click();
  });
}

test("fields and states and kinds of a newer gateway are shown as they are", async () => {
  await page.route(
    "**/v1/calls/c-1",
    changed((call) => ({
      ...call,
      mood: { deep: [1] },
      call_type: "hologram",
      sms: { ...call.sms, can_send: false, refusal: "moon_phase", tide: 3 },
    })),
  );
  await page.route(
    "**/v1/calls/c-1/messages?*",
    changed(({ items, ...rest }) => ({
      ...rest,
      items: [
        ...items,
        {
          ...items[0],
          id: "msg_new",
          direction: "outbound",
          kind: "telegram",
          state: "teleported",
          text: "From afar",
          media: [{ id: "med_new", state: "warming", content_type: "image/avif" }],
        },
        {
          ...items[0],
          id: "msg_old",
          direction: "outbound",
          kind: "custom",
          state: "failed",
          text: "No",
          error: { code: "eaten", detail: "by a dog" },
        },
      ],
    })),
  );
  await page.goto(`${world.origin}/calls/c-1`);
  await page.locator("off-conversation .m.i", { hasText: "Hello?" }).waitFor();
  const under = page.locator("off-conversation .under");
  await under.filter({ hasText: "telegram" }).filter({ hasText: "teleported" }).waitFor();
  await under.filter({ hasText: "Failed: eaten" }).waitFor();
  await page.locator(".bar.closed", { hasText: "moon_phase" }).waitFor();
  await page.locator("dd", { hasText: "hologram" }).waitFor();
  await page.unrouteAll();
  await page.reload();
  await page.locator("off-composer textarea").waitFor();
});

test("events of unknown types twice or cut are passed over and the next one counts", async () => {
  const event = (/** @type {string} */ type, /** @type {number} */ n, /** @type {object} */ data) => {
    const whole = { id: `evt_${n}`, cursor: `c${n}`, call_sequence: 1000 + n, type, at: "2026-12-01T12:00:00.000Z", call_id: "c-1", data };
    return `id: c${n}\ndata: ${JSON.stringify(whole)}\n\n`;
  };
  const text = {
    id: "msg_zzz",
    call_id: "c-1",
    direction: "inbound",
    kind: "inbound",
    state: "received",
    from: CALLER,
    to: "+12065550100",
    text: "Still there",
    media: [],
    segments: 1,
    created_at: "2026-12-01T12:00:00.000Z",
  };
  const ours = { id: "msg_zzzy", direction: "outbound", kind: "custom", text: "Of ours" };
  const body = [
    ": a remark\n\n",
    event("oracle.spoke", 1, { of: ["things", null] }),
    event("message.teleported", 2, { ...text, id: "msg_yyy", state: "teleported", text: "In a new state" }),
    "data: no JSON at all\n\n",
    'data: {"id": "evt_half", "type": \n\n',
    "data: null\n\n",
    event("message.received", 3, text),
    // Twice, in the wrong order, and cut off in the middle.
    event("message.received", 3, text),
    event("message.delivered", 5, { ...text, ...ours, state: "delivered" }),
    event("message.queued", 4, { ...text, ...ours, state: "queued" }),
    event("message.received", 6, { ...text, id: "msg_zzzz", text: "Never whole" }).slice(0, -20),
  ].join("");
  /** @type {Array<string | null>} */
  const streams = [];
  await page.route("**/v1/events?after=*", (route) => {
    streams.push(new URL(route.request().url()).searchParams.get("after"));
    return streams.length === 1 ? route.fulfill({ status: 200, contentType: "text/event-stream", body }) : route.continue();
  });
  await page.reload();
  await page.locator("off-conversation .m.i", { hasText: "Still there" }).waitFor();
  await page.locator("off-conversation .m.i", { hasText: "In a new state" }).waitFor();
  await until(() => streams.length > 1, "the stream is opened again");
  assert.equal(streams[1], "c4", "after the last whole event");
  assert.equal(await page.locator("off-conversation .m", { hasText: "Still there" }).count(), 1);
  assert.equal(await page.locator("off-conversation .m", { hasText: "Never whole" }).count(), 0);
  const under = page.locator("off-conversation .m", { hasText: "Of ours" }).locator("xpath=following-sibling::li[1]");
  assert.match(await under.innerText(), /Delivered/);
  await page.unrouteAll({ behavior: "ignoreErrors" });
});

test("a list that makes no sense says so and comes when it does", async () => {
  for (const [what, odd] of ODD) {
    await page.route("**/v1/numbers?*", (route) => route.fulfill(odd));
    await page.goto(`${world.origin}/numbers`);
    const bar = page.locator("main .bar.bad", { hasText: SENSELESS });
    await bar.waitFor();
    assert.equal(await page.locator("table").count(), 0, what);
    assert.ok(!(await page.locator("main").innerText()).includes("Bad Gateway"), what);
    await page.unrouteAll();
    await again();
    await page.locator("td", { hasText: "Support A" }).waitFor();
    await bar.waitFor({ state: "detached" });
  }
});

test("what stood there stays while its answers make no sense", async () => {
  await page.route("**/v1/numbers?*", (route) => route.fulfill(ODD[3][1]));
  const put = await world.platform("PUT", "/v1/numbers/+12065550102", { label: "Pool, renamed", account: "main" });
  assert.equal(put.status, 200);
  await page.locator("main .bar.bad", { hasText: SENSELESS }).waitFor();
  await page.locator("td", { hasText: "Support A" }).waitFor();
  await page.unrouteAll();
  await again();
  await page.locator("td", { hasText: "Pool, renamed" }).waitFor();
});

test("a refusal with a code without a sentence shows what the gateway says", async () => {
  await page.goto(`${world.origin}/settings/in-call-sms`);
  const card = page.locator("section.card", { has: page.locator("h2", { hasText: "Limits of use" }) });
  await card.getByLabel("Longest wait before a text is refused (s)").fill("12");
  const refusal = { title: "New", status: 409, code: "sun_too_low", detail: "The sun is too low: wait for the morning.", hint: {} };
  const odds = /** @type {Array<[string, Odd]>} */ ([
    ["The sun is too low: wait for the morning.", { status: 409, contentType: "application/problem+json", body: JSON.stringify(refusal) }],
    ["sun_too_low", { status: 409, contentType: "application/problem+json", body: `{"code":"sun_too_low"}` }],
    [SENSELESS, ODD[2][1]],
    [SENSELESS, { status: 400, contentType: "application/json", body: "[]" }],
  ]);
  for (const [said, odd] of odds) {
    await page.route("**/v1/settings", (route) => (route.request().method() === "PUT" ? route.fulfill(odd) : route.continue()));
    await card.getByRole("button", { name: "Set", exact: true }).click();
    await card.locator(".bar.bad", { hasText: said }).waitFor();
    assert.equal(await card.getByLabel("Longest wait before a text is refused (s)").inputValue(), "12", said);
    await page.unrouteAll();
  }
  await card.getByRole("button", { name: "Set", exact: true }).click();
  await page.locator(".toast", { hasText: "Saved" }).first().waitFor();
  assert.equal((await world.platform("GET", "/v1/settings")).body.max_wait_ms, 12_000);
});

test("a text whose answer was cut or replaced by a page arrives once", async () => {
  await page.goto(`${world.origin}/calls/c-1`);
  const path = "**/v1/calls/c-1/messages";
  const odds = /** @type {Array<[string, Odd]>} */ ([
    ["cut", { status: 202, contentType: "application/json", body: `{"id": "msg_` }],
    ["a page", { status: 502, contentType: "text/html", body: PROXY }],
  ]);
  for (const [name, odd] of odds) {
    const text = `Its answer is ${name}`;
    /** @type {string[]} */
    const keys = [];
    await page.route(path, async (route) => {
      keys.push((await route.request().allHeaders())["idempotency-key"] ?? "");
      // The gateway took it; who asked does not hear so the first time.
      const response = await route.fetch();
      await route.fulfill(keys.length === 1 ? odd : { response });
    });
    await page.fill("off-composer textarea", text);
    await page.keyboard.press("Control+Enter");
    await page.locator("off-conversation .m.o:not(.pending)", { hasText: text }).waitFor();
    await until(() => world.arrived(CALLER).some((one) => one.text === text), "the text on the phone");
    await page.locator("off-conversation .under", { hasText: "Delivered" }).last().waitFor();
    assert.equal(new Set(keys).size, 1, keys.join());
    await page.unrouteAll({ behavior: "wait" });
    await page.reload();
    await page.locator("off-conversation .m.o", { hasText: text }).waitFor();
    assert.equal(await page.locator("off-conversation .m.o", { hasText: text }).count(), 1);
    assert.equal(world.arrived(CALLER).filter((one) => one.text === text).length, 1);
  }
});

test("a page that cannot learn who is there says so and goes on by itself", async () => {
  await page.route("**/v1/me", (route) => route.fulfill(ODD[2][1]));
  await page.goto(`${world.origin}/queues`);
  await page.locator(".bar.bad", { hasText: SENSELESS }).waitFor();
  await page.unrouteAll();
  await page.locator("td", { hasText: "Support" }).first().waitFor();
});
