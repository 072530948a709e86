// A text that does not go out says what holds it, and when it is due: the answer to the question that operators ask at night.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ownCarrier } from "./carrier.mjs";
import { browser, gateway, until } from "./gateway.mjs";
import { directory, verified } from "./set.mjs";

/** As near to the truth as a due time is to be. */
const NEAR_MS = 1_000;
const SLOW = "+12065550103";

/** @type {Awaited<ReturnType<typeof gateway>>} */
let world;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {Awaited<ReturnType<typeof ownCarrier>>} */
let own;
/** @type {import("playwright-core").Page} */
let page;
let callers = 0;

before(async () => {
  chrome = await browser();
  own = await ownCarrier();
  const base = directory();
  const slow = { label: "Slow", account: "main", limits: { segments_per_second: 0.5, burst: 1 }, verification: verified };
  const numbers = { ...base.numbers, [SLOW]: slow };
  const queues = { ...base.queues, slow: { name: "Slow", inbound_numbers: [SLOW], language: "en" } };
  world = await gateway({ directory: { ...base, numbers, queues }, config: own.config });
  page = await chrome.page(await world.link());
});
after(async () => {
  await chrome?.close();
  await world?.close();
  own?.carrier.close();
});

/** A call of another caller, and its page. @param {string} id @param {string} [queue] */
async function call(id, queue = "support") {
  callers += 1;
  const { status } = await world.platform("PUT", `/v1/calls/${id}`, { caller: `+1206555016${callers}`, queue, agent: "agent-17" });
  assert.equal(status, 201);
  await page.goto(`${world.origin}/calls/${id}`);
  await page.locator("off-conversation").waitFor();
}

/** An agent's text; its id. @param {string} id of the call @param {string} text */
async function send(id, text) {
  const { status, body } = await world.platform("POST", `/v1/calls/${id}/messages`, { text, agent: "agent-17" });
  assert.equal(status, 202, JSON.stringify(body));
  return /** @type {string} */ (body.id);
}

/** What the gateway says of a message once it is so. @param {string} id @param {(explanation: any) => boolean} is */
const explained = (id, is) =>
  until(
    async () => {
      const { body } = await world.platform("GET", `/v1/messages/${id}/explain`);
      return is(body) ? body : null;
    },
    () => `an explanation of ${id} that fits`,
  );

/** Opens Why? of a text. @param {string} text */
async function why(text) {
  const bubble = page.locator("off-conversation li.m", { hasText: text });
  const id = await bubble.getAttribute("data-id");
  await page.locator(`off-conversation li.m[data-id="${id}"] + li.under`).getByRole("button", { name: "Why?" }).click();
  const dialog = page.locator("dialog[open]", { hasText: "What happened" });
  await dialog.waitFor();
  return dialog;
}

/** When a dialog says that its text is due, in ms. @param {import("playwright-core").Locator} dialog */
async function dueOf(dialog) {
  const at = await dialog
    .locator("div", { has: dialog.page().locator("dt", { hasText: "Due" }) })
    .locator("dd time")
    .last()
    .getAttribute("datetime");
  return Date.parse(at ?? "");
}

/** @param {number} found @param {number} truth */
const near = (found, truth) =>
  assert.ok(Math.abs(found - truth) <= NEAR_MS, `${new Date(found).toISOString()} for ${new Date(truth).toISOString()}`);

test("a67 r24 the rate of a number is named and the due time is right", async () => {
  await call("c-rate", "slow");
  const [first, , third] = [await send("c-rate", "first"), await send("c-rate", "second"), await send("c-rate", "third")];
  const waits = await explained(third, ({ waiting_for: what }) => what === "number_rate" || what === "earlier_message");
  const begun = await explained(first, ({ attempts }) => attempts.length > 0);
  const dialog = await why("third");
  // The rate is one segment in two seconds, and two of the three go before it.
  const truth = Date.parse(begun.attempts[0].at) + 4_000;
  assert.match(await dialog.innerText(), waits.waiting_for === "number_rate" ? /number's rate/ : /an earlier message|number's rate/);
  near(await dueOf(dialog), truth);
  await dialog.getByRole("button", { name: "Close" }).click();
  await explained(third, ({ state }) => state === "sent");
  await page.locator("off-conversation .under", { hasText: "Sent" }).nth(2).waitFor();
  const last = await explained(third, ({ attempts }) => attempts.length > 0);
  assert.ok(Date.parse(last.attempts[0].at) >= truth - NEAR_MS, "not before it is due");
});

test("a64 a67 a 429 of the carrier is named with the time it asked for", async () => {
  await call("c-429");
  own.carrier.answer = () => ({ status: 429, headers: { "Retry-After": "4" } });
  const id = await send("c-429", "too many");
  const held = await explained(id, ({ waiting_for: what }) => what === "carrier_pause");
  const dialog = await why("too many");
  const said = await dialog.innerText();
  assert.match(said, /carrier's pause/);
  assert.match(said, /to be tried again · 429 the carrier answered 429: it asked us to wait/);
  near(await dueOf(dialog), Date.parse(held.attempts.at(-1).at) + 4_000);
  await dialog.getByRole("button", { name: "Close" }).click();
  // Below the bubble as well, without a click.
  await page.locator("off-conversation .under", { hasText: /Waiting [\d.]+ s: carrier's pause/ }).waitFor();
  own.carrier.answer = null;
  await page.locator("off-conversation .under", { hasText: "Sent" }).waitFor();
});

test("a67 a carrier that is down is named with each try", async () => {
  await call("c-down");
  own.carrier.answer = () => ({ status: 503 });
  const id = await send("c-down", "nobody there");
  await explained(id, ({ attempts }) => attempts.length >= 2);
  const dialog = await why("nobody there");
  assert.match(await dialog.innerText(), /503 the carrier answered 503: a temporary refusal/);
  assert.match(await dialog.innerText(), /carrier's pause|next try/);
  own.carrier.answer = null;
  await explained(id, ({ state }) => state === "sent");
  await dialog.getByRole("button", { name: "Refresh" }).click();
  await dialog.locator("dd", { hasText: "Sent" }).waitFor();
});

test("a67 a suspended account is named with the reason that somebody gave", async () => {
  await call("c-suspended");
  await world.platform("POST", "/v1/accounts/main/suspend", { reason: "the bill of May" });
  await send("c-suspended", "not now");
  const dialog = await why("not now");
  assert.match(await dialog.innerText(), /suspended: the bill of May/);
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.locator("#bars", { hasText: "the bill of May" }).waitFor();
  await world.platform("POST", "/v1/accounts/main/resume", {});
  await page.locator("off-conversation .under", { hasText: "Sent" }).waitFor();
});

test("a69 refused credentials are named with what to check on every page", async () => {
  await call("c-refused");
  own.carrier.answer = () => ({ status: 401, headers: { "Content-Type": "application/json" }, body: `{"code":20003}` });
  const id = await send("c-refused", "no entry");
  await explained(id, ({ reason }) => /credentials/.test(reason ?? ""));
  const dialog = await why("no entry");
  assert.match(await dialog.innerText(), /check account_sid and auth_token_files/);
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.goto(`${world.origin}/numbers`);
  await page.locator("#bars", { hasText: "Account main is paused, its texts wait: the carrier refuses our credentials" }).waitFor();
});
