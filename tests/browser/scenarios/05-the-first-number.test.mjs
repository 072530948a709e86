// The first day: a gateway with nothing in it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, gate, gateway } from "./gateway.mjs";

/** @type {Awaited<ReturnType<typeof gateway>>} */
let world;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {import("playwright-core").Page} */
let page;
/** A colleague's, on another page. @type {import("playwright-core").Page} */
let other;

const BANNER = "No valid US (+1) number is active yet: nothing can be sent.";

before(async () => {
  [world, chrome] = await Promise.all([gateway({ numbers: ["+12065550100"] }), browser()]);
  page = await chrome.page(await world.link("anna"));
  other = await chrome.page(await world.link("bruno"), { path: "/calls" });
});
after(async () => {
  await world?.close();
  await chrome?.close();
});

const LIST = /\/v1\/numbers(\?.*)?$/;
const section = () => page.locator("section.card", { has: page.locator("h2", { hasText: "Activate your first number" }) });
const required = async () => (await world.platform("GET", "/v1/settings")).body.activation_required;
/** Types a number and activates it. @param {string} number */
async function activate(number) {
  await section().getByLabel("US (+1) phone number").fill(number);
  await section().getByRole("button", { name: "Activate" }).click();
}

test("r16 the activation section takes nothing but a valid us number", async () => {
  assert.equal(await required(), true);
  await page.getByText(BANNER).waitFor();
  await other.getByText(BANNER).waitFor();
  await page.getByRole("link", { name: "Activate a number" }).click();
  await section().waitFor();
  assert.equal(new URL(page.url()).pathname, "/numbers");
  assert.equal(await page.getByText(BANNER).count(), 0, "the section itself says it here");
  for (const wrong of ["", "+39 06 1234 5678", "206 555 010", "206 555 01000", "two"]) {
    await activate(wrong);
    const said = section().getByText("Enter a US number: +1 and ten digits.");
    await said.waitFor();
    assert.deepEqual((await world.platform("GET", "/v1/numbers")).body.items, [], wrong);
    await section().getByLabel("US (+1) phone number").fill("+1 2");
    await said.waitFor({ state: "detached" });
  }
});

test("r16 a number that the carrier does not have stays inactive with the reason", async () => {
  await activate("(206) 555-0199");
  const row = page.locator("tr", { hasText: "+1 206 555 0199" });
  await row.getByText("Failed").waitFor();
  const { body } = await world.platform("GET", "/v1/numbers/+12065550199");
  assert.equal(body.verification.state, "failed");
  assert.ok(body.verification.reason.length > 10);
  await section().getByText(body.verification.reason).waitFor();
  assert.equal(await required(), true);
  await other.getByText(BANNER).waitFor();
});

/** After the verification the list is asked for, and again while it is on its way, as when somebody changes something. */
async function crossed() {
  let verified = false;
  page.once("response", function hear(response) {
    if (response.url().endsWith("/verify")) verified = true;
    else page.once("response", hear);
  });
  const [second, first] = [gate(), gate()];
  let asked = 0;
  await page.route(LIST, async (route) => {
    if (!verified) return route.continue();
    asked += 1;
    const own = asked;
    const response = await route.fetch();
    if (own === 1) {
      await world.platform("PUT", "/v1/queues/support", { name: "Support" });
      await second.opens;
      await route.fulfill({ response });
      return first.open();
    }
    second.open();
    await first.opens;
    await route.fulfill({ response });
  });
}

test("r15 r16 r17 one click activates the first number and the section is gone for all", async () => {
  await crossed();
  await activate("206-555-0100");
  await page.getByText("+1 206 555 0100 is active").waitFor();
  await page.locator("tr", { hasText: "+1 206 555 0100" }).getByText("Verified for SMS messaging only").waitFor();
  await section().waitFor({ state: "detached" });
  await page.unroute(LIST);
  assert.equal(await required(), false);
  await other.getByText(BANNER).waitFor({ state: "detached" });
  for (const path of ["/numbers", "/calls"]) {
    const settings = page.waitForResponse(/\/v1\/settings$/);
    await page.goto(world.origin + path);
    await (await settings).finished();
    await page.getByText(path === "/numbers" ? "Verified for SMS messaging only" : "No calls yet").waitFor();
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    assert.equal(await section().count(), 0, path);
    assert.equal(await page.getByText(BANNER).count(), 0, path);
  }
});

test("r16 r17 the section is back when the only valid number is deleted", async () => {
  await page.goto(`${world.origin}/numbers`);
  await page.getByRole("button", { name: "Delete +1 206 555 0100" }).click();
  await page.locator("dialog[open]").getByRole("button", { name: "Delete" }).click();
  await section().waitFor();
  await other.getByText(BANNER).waitFor();
  assert.equal(await required(), true);
  chrome.calm();
});
