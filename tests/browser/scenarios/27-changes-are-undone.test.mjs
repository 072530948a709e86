// What an administrator changed by mistake is taken back, and nothing is lost by mistake; a number can be held back.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { browser, gateway, until } from "./gateway.mjs";

const verification = { state: "verified", sms: true, mms: true };
const number = (/** @type {string} */ label) => ({
  label,
  account: "main",
  limits: { segments_per_second: 50, burst: 50 },
  verification,
});
const directory = {
  settings: { in_call_sms: true, closing: { enabled: true, texts: { en: "Goodbye." } } },
  numbers: { "+12065550100": number("Support"), "+12065550101": number("Spare") },
  queues: { support: { name: "Support", inbound_numbers: ["+12065550100"], language: "en" } },
  presets: { en: { welcome: { label: "Welcome", text: "Hello, this is your agent.", position: 1 } } },
};

/** @type {Awaited<ReturnType<typeof gateway>>} */
let world;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {import("playwright-core").Page} */
let page;

before(async () => {
  [world, chrome] = await Promise.all([gateway({ directory }), browser()]);
  page = await chrome.page(await world.link());
});
beforeEach(() => chrome.calm());
after(async () => {
  await world?.close();
  await chrome?.close();
});

const get = async (/** @type {string} */ path) => await world.platform("GET", path);
const dialog = () => page.locator("dialog[open]");
const undo = () => page.getByRole("button", { name: "Undo" }).last().click();

test("r38 r57 a closing message is set and undone", async () => {
  await page.goto(`${world.origin}/settings/in-call-sms`);
  const card = page.locator("section.card", { has: page.locator("h2", { hasText: "Closing message" }) });
  const text = card.getByLabel("Text in English");
  await text.fill("Set by mistake");
  await card.getByRole("button", { name: "Set", exact: true }).click();
  await page.getByText("Saved: Closing message", { exact: true }).waitFor();
  assert.equal((await get("/v1/settings")).body.closing.texts.en, "Set by mistake");
  await undo();
  await page.getByText("Undone", { exact: true }).waitFor();
  assert.equal((await get("/v1/settings")).body.closing.texts.en, "Goodbye.");
  await until(async () => (await text.inputValue()) === "Goodbye.", "the field shows it");
});

test("r62 r63 the switch of a queue is set and undone", async () => {
  await page.goto(`${world.origin}/queues`);
  await page.getByRole("link", { name: "Support", exact: true }).click();
  const choice = page.getByRole("group", { name: "In-call SMS per queue" });
  await choice.getByLabel("Off", { exact: true }).check();
  await page.getByRole("button", { name: "Set", exact: true }).click();
  await page.getByText("Saved: Support", { exact: true }).waitFor();
  const call = { caller: "+12065550142", queue: "support", agent: "a-1" };
  const started = await world.platform("PUT", "/v1/calls/c-1", call);
  assert.equal(started.body.sms.refusal, "queue_disabled");
  await undo();
  await page.getByText("Undone", { exact: true }).waitFor();
  await until(() => choice.getByLabel(/^Inherit from the environment/).isChecked(), "the page shows it");
  assert.equal((await get("/v1/calls/c-1")).body.sms.refusal, null);

  // A queue in use stays, and so does what is being written.
  await page.getByLabel("Name").fill("Renamed");
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await dialog().getByRole("button", { name: "Delete" }).click();
  await dialog().getByRole("button", { name: "Close" }).click();
  assert.equal(await page.getByLabel("Name").inputValue(), "Renamed");
  await page.getByRole("button", { name: "Discard changes" }).click();
});

test("r44 a preset message is deleted and comes back whole", async () => {
  await page.goto(`${world.origin}/presets`);
  const row = page.locator("#preset-panel tr", { hasText: "Hello, this is your agent." });
  const asked = page.waitForRequest((request) => request.method() === "DELETE");
  await page.getByRole("button", { name: "Delete Welcome" }).click();
  assert.match((await (await asked).allHeaders())["if-match"] ?? "", /^"\d+"$/);
  await row.waitFor({ state: "detached" });
  assert.equal((await get("/v1/presets/en/welcome")).status, 404);
  await undo();
  await row.waitFor();
  const { label, text, position } = (await get("/v1/presets/en/welcome")).body;
  assert.deepEqual([label, text, position], ["Welcome", "Hello, this is your agent.", 1]);
});

test("r15 a number is suspended with a reason then resumed and its text goes out", async () => {
  await page.goto(`${world.origin}/numbers`);
  const row = page.locator("tr", { hasText: "+1 206 555 0100" });
  await row.getByRole("button", { name: "Suspend" }).click();
  await dialog().getByLabel("Reason").fill("the carrier asked");
  await dialog().getByRole("button", { name: "Suspend" }).click();
  await row.getByText("Suspended").waitFor();
  await row.getByText("the carrier asked").waitFor();
  const sent = await world.platform("POST", "/v1/calls/c-1/messages", { text: "held back", agent: "a-1" });
  assert.equal(sent.status, 202, JSON.stringify(sent.body));
  assert.equal((await get(`/v1/messages/${sent.body.id}/explain`)).body.waiting_for, "suspended");
  assert.deepEqual(world.arrived(), []);
  await row.getByRole("button", { name: "Resume" }).click();
  await row.getByRole("button", { name: "Suspend" }).waitFor();
  await until(() => world.arrived("+12065550142")[0], "it goes out");
  assert.equal(await row.getByText("Suspended").count(), 0);
});

test("r24 the limit of a number is asked about before it is lost and then set", async () => {
  /** @type {() => void} */
  let answer = () => {};
  const held = new Promise((/** @type {(value?: unknown) => void} */ resolve) => (answer = resolve));
  await page.route("**/v1/numbers/%2B12065550101", (route) => held.then(() => route.continue()));
  await page.getByRole("button", { name: "Edit +1 206 555 0101" }).click();
  const rate = dialog().getByLabel("Segments per second");
  const set = dialog().getByRole("button", { name: "Set", exact: true });
  // What the list has is there at once, and is sent once it is known to be what is there.
  assert.equal(await rate.inputValue(), "50");
  await rate.fill("0.5");
  assert.ok(await set.isDisabled());
  answer();
  await until(() => set.isEnabled(), "the number is loaded");
  await page.unroute("**/v1/numbers/%2B12065550101");
  assert.equal(await rate.inputValue(), "0.5");
  const stay = async () => {
    await page.getByRole("heading", { name: "Leave without saving?" }).waitFor();
    await page.locator("dialog[open]").last().getByRole("button", { name: "Cancel" }).click();
    assert.equal(await rate.inputValue(), "0.5");
  };
  await page.keyboard.press("Escape");
  await stay();
  await dialog().getByRole("button", { name: "Cancel" }).click();
  await stay();
  await page.keyboard.press("Control+k");
  await page.getByLabel("Find number, call, page").last().fill("Queues");
  await page.keyboard.press("Enter");
  await stay();
  // Somebody else changes another field meanwhile: both are kept.
  const { limits } = (await get("/v1/numbers/+12065550101")).body;
  assert.equal((await world.platform("PUT", "/v1/numbers/+12065550101", { label: "Spare, theirs", account: "main", limits })).status, 200);
  await rate.press("Control+s");
  await dialog().waitFor({ state: "detached" });
  assert.equal((await get("/v1/numbers/+12065550101")).body.label, "Spare, theirs");
  await page.locator("tr", { hasText: "Spare" }).getByText("50 at once").waitFor();
  assert.equal((await get("/v1/numbers/+12065550101")).body.limits.segments_per_second, 0.5);
  assert.equal((await get("/v1/numbers/+12065550100")).body.limits.segments_per_second, 50, "each has its own");
});

test("r15 a number in use stays and another is deleted and comes back verified", async () => {
  await page.getByRole("button", { name: "Delete +1 206 555 0100" }).click();
  await dialog().getByText("Queues use this number. Take it out of them first:").waitFor();
  await dialog().getByRole("link", { name: "Support" }).waitFor();
  assert.ok(await dialog().getByRole("button", { name: "Delete" }).isDisabled(), "what would be refused cannot be pressed");
  await page.keyboard.press("Escape");
  await dialog().waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Delete +1 206 555 0101" }).click();
  await dialog().getByRole("button", { name: "Delete" }).click();
  const row = page.locator("tr", { hasText: "Spare" });
  await row.waitFor({ state: "detached" });
  assert.equal((await get("/v1/numbers/+12065550101")).status, 404);
  await undo();
  await row.waitFor();
  assert.equal((await get("/v1/numbers/+12065550101")).body.label, "Spare, theirs");
  await row.getByText("Verified for SMS messaging only").waitFor();
});
