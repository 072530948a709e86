// Numbers are verified together; one that the carrier does not have says so in its row.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, gate, gateway } from "./gateway.mjs";

const OURS = ["+12065550100", "+12065550101", "+12065550102"];
const MISSING = "+12065550199";
const numbers = Object.fromEntries([...OURS, MISSING].map((number) => [number, { label: `Line ${number.slice(-3)}`, account: "main" }]));

/** @type {Awaited<ReturnType<typeof gateway>>} */
let world;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {import("playwright-core").Page} */
let page;

before(async () => {
  [world, chrome] = await Promise.all([gateway({ directory: { numbers }, numbers: OURS }), browser()]);
  page = await chrome.page(await world.link());
});
after(async () => {
  await world?.close();
  await chrome?.close();
});

const row = (/** @type {string} */ number) => page.locator("tbody tr", { hasText: `Line ${number.slice(-3)}` });
/** The exact words. @param {import("playwright-core").Page | import("playwright-core").Locator} where */
const verified = (where) => where.locator(".pill", { hasText: /^✓ Verified for SMS messaging only$/ });
const state = async (/** @type {string} */ number) => (await world.platform("GET", `/v1/numbers/${number}`)).body.verification;

test("r15 r25 numbers are found from the settings and all can be selected", async () => {
  await page.goto(`${world.origin}/settings/in-call-sms`);
  await page.getByRole("link", { name: "Phone number management" }).click();
  await row(MISSING).getByText("Not verified").waitFor();
  assert.equal(await page.getByRole("navigation").locator("h2", { hasText: "Set up" }).locator("~ a[href='/numbers']").count(), 1);
  await page.getByRole("button", { name: "Verify (0)" }).and(page.locator(":disabled")).waitFor();
  await page.getByLabel("Filter").fill("Line 10");
  await row(MISSING).waitFor({ state: "detached" });
  const all = page.getByRole("checkbox", { name: "Select all shown" });
  await all.check();
  await page.getByRole("button", { name: "Verify (3)" }).waitFor();
  await page.getByLabel("Filter").fill("");
  // Where the table is cards, whose heads are not seen, it stands above them.
  const size = page.viewportSize() ?? { width: 1360, height: 800 };
  await page.setViewportSize({ width: 600, height: 800 });
  await all.check();
  await page.getByRole("button", { name: "Verify (4)" }).waitFor();
  await page.setViewportSize(size);
  await page.getByRole("columnheader").and(page.locator(":has(input)")).waitFor();
  assert.ok(await all.isChecked());
});

test("r29 r30 r32 all are verified at once and one fails with the reason in its row", async () => {
  const [asked, answered] = [gate(), gate()];
  await page.route(/\/v1\/numbers\/verify$/, async (route) => {
    await asked.opens;
    const response = await route.fetch();
    await answered.opens;
    await route.fulfill({ response });
  });
  await page.getByRole("button", { name: "Verify (4)" }).click();
  const question = page.locator("dialog[open]", { hasText: "Verify 4 numbers?" });
  await question.getByText("Their carriers are asked").waitFor();
  await page.keyboard.press("Escape");
  await question.waitFor({ state: "detached" });
  assert.equal(await page.getByText("asking the carrier").count(), 0);
  await page.getByRole("button", { name: "Verify (4)" }).click();
  await question.getByRole("button", { name: "Verify", exact: true }).click();
  // Each row shows that the carrier is being asked.
  for (const number of [...OURS, MISSING]) await row(number).getByText("asking the carrier").waitFor();
  // Then each settles by itself, without waiting for the answer to the whole.
  asked.open();
  for (const number of OURS) {
    await verified(row(number)).waitFor();
    assert.deepEqual([(await state(number)).state, (await state(number)).sms], ["verified", true]);
  }
  const failedPill = row(MISSING).locator(".pill", { hasText: /^! Failed$/ });
  await failedPill.waitFor();
  const { state: failed, reason } = await state(MISSING);
  assert.equal(failed, "failed");
  await row(MISSING).getByText(reason, { exact: true }).waitFor();
  answered.open();
  await page.locator("#say", { hasText: "3 of 4 verified" }).waitFor({ state: "attached" });
  await failedPill.waitFor();
  assert.equal(await verified(page).count(), 3);
  await page.unroute(/\/v1\/numbers\/verify$/);
});

test("r30 r32 once the carrier has the number its row alone is verified again", async () => {
  await world.carrier(undefined, [...OURS, MISSING]);
  const asked = page.waitForRequest(/\/v1\/numbers\/verify$/);
  await row(MISSING).getByRole("button", { name: "Verify +1 206 555 0199" }).click();
  assert.deepEqual((await asked).postDataJSON(), { numbers: [MISSING] });
  await verified(row(MISSING)).waitFor();
  assert.equal(await verified(page).count(), 4);
  assert.equal(await page.getByText("Failed").count(), 0);
});

test("r32 in italian the status has its words too", async () => {
  const italian = await chrome.page(await world.link("bruno"), { path: "/numbers", context: { locale: "it-IT" } });
  const statuses = italian.locator(".pill", { hasText: /^✓ Verificato solo per la messaggistica SMS$/ });
  await statuses.nth(3).waitFor();
  assert.equal(await statuses.count(), 4);
  chrome.calm();
});
