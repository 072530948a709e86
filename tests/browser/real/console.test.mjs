// Against a real console: OFFHOOK_CONSOLE_LINK is a one-time link that it printed, of a gateway with the demo's phones.
// The tests stand in one order, because they share a gateway.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const link = process.env.OFFHOOK_CONSOLE_LINK;
const options = { skip: link ? false : "SKIPPED: no console in OFFHOOK_CONSOLE_LINK" };
const origin = link ? new URL(link).origin : "";

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("playwright-core").Page} */
let page;
/** @type {string[]} */
const wrong = [];

before(async () => {
  if (!link) return;
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  page = await (await browser.newContext({ viewport: { width: 1360, height: 800 }, locale: "en-US" })).newPage();
  page.setDefaultTimeout(10_000);
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => message.type() === "error" && !/Failed to load resource/.test(message.text()) && wrong.push(message.text()));
  page.on("request", (request) => !request.url().startsWith(origin) && !request.url().startsWith("blob:") && wrong.push(`to ${request.url()}`));
});
after(async () => {
  await browser?.close();
  assert.deepEqual(wrong, []);
});

/** A card of the settings. @param {string} title */
const card = (title) => page.locator("section.card", { has: page.locator("h2", { hasText: title }) });
/** @param {string} text */
const under = (text) => page.locator("off-conversation .under", { hasText: text }).first();

test("the link leads to a delivered text in five clicks", options, async () => {
  let clicks = 0;
  const click = async (/** @type {import("playwright-core").Locator} */ target) => {
    clicks += 1;
    await target.click();
  };
  await page.goto(link ?? "");
  clicks += 1;
  await page.waitForURL("**/playground");
  assert.ok(!page.url().includes("#"), page.url());
  await page.locator("off-phone").waitFor();
  const hangUp = page.getByRole("button", { name: "Hang up" });
  if (await hangUp.isVisible()) await click(hangUp);
  await click(page.getByRole("button", { name: /^Ring from/ }));
  await click(page.locator("off-composer .chip").first());
  await under("Delivered").waitFor();
  assert.ok(clicks <= 5, `${clicks} clicks`);
});

test("r48 r52 an own text arrives, an answer comes back, and a late text is a line", options, async () => {
  const own = `Own words “here” 😀 ${Date.now()}`;
  await page.fill("off-composer textarea", own);
  await page.keyboard.press("Control+Enter");
  await page.locator("off-phone .m.i", { hasText: own }).waitFor();
  await page.fill("#phone-text", "An answer <b>bold</b>");
  await page.keyboard.press("Enter");
  await page.locator("off-conversation .m.i", { hasText: "An answer <b>bold</b>" }).waitFor();
  await page.getByRole("button", { name: "Photo", exact: true }).first().click();
  await page.locator("off-conversation img").first().waitFor();
  await page.getByRole("button", { name: "Why?" }).first().click();
  await page.locator("dialog[open]", { hasText: "What happened" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Hang up" }).click();
  await page.getByText("Call ended: texts are closed.").waitFor();
  await page.fill("#phone-text", "too late");
  await page.keyboard.press("Enter");
  await page.getByText(/the caller wrote after the call/).waitFor();
  assert.ok(!(await page.locator("off-conversation").innerText()).includes("too late"));
});

test("r38 r55 a closing text is set and undone", options, async () => {
  await page.goto(`${origin}/settings/in-call-sms`);
  const text = card("Closing message").getByLabel("Text in English");
  const before = await text.inputValue();
  await text.fill("Set by the console");
  await card("Closing message").getByRole("button", { name: "Set", exact: true }).click();
  await page.getByText("Saved").first().waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByText("Undone").first().waitFor();
  await page.reload();
  assert.equal(await text.inputValue(), before);
});

test("r26 r30 a number is added, verified, suspended, resumed and deleted", options, async () => {
  await page.goto(`${origin}/numbers`);
  await page.getByRole("button", { name: "Add a number" }).click();
  const dialog = page.locator("dialog[open]");
  const digits = String(1000 + Math.floor(Math.random() * 9000));
  const label = `Line ${digits}`;
  await dialog.getByLabel("Number", { exact: true }).fill(`+1 (206) 556-${digits}`);
  await dialog.getByLabel("Label").fill(label);
  await dialog.getByRole("button", { name: "Add a number" }).click();
  const row = page.locator("tr", { hasText: label });
  await row.getByText("Not verified").waitFor();
  await row.getByRole("button", { name: "Verify" }).click();
  await row.getByText(/Verified for SMS messaging only|Failed/).waitFor();
  await row.getByRole("button", { name: "Suspend" }).click();
  await dialog.getByLabel("Reason").fill("a test");
  await dialog.getByRole("button", { name: "Suspend" }).click();
  await row.getByText("Suspended").waitFor();
  await row.getByRole("button", { name: "Resume" }).click();
  await row.getByRole("button", { name: "Suspend" }).waitFor();
  await row.getByRole("button", { name: "Delete" }).click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await row.waitFor({ state: "detached" });
});

test("r43 r45 a preset is added in another language and deleted", options, async () => {
  await page.goto(`${origin}/presets?language=it`);
  await page.getByRole("button", { name: "Add SMS message" }).click();
  await page.getByLabel("Label").fill("Prova");
  await page.getByLabel("Content").fill("Un momento, per favore.");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("tr", { hasText: "Un momento" }).waitFor();
  await page.locator("dialog").getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Delete Prova" }).click();
  await page.locator("tr", { hasText: "Un momento" }).waitFor({ state: "detached" });
});

test("r62 a queue's switch is set", options, async () => {
  await page.goto(`${origin}/queues`);
  await page.locator("tbody a").first().click();
  await page.locator("#queue-inbound").waitFor();
  const off = page.getByLabel("Off", { exact: true });
  const was = await off.isChecked();
  await (was ? page.getByLabel("On", { exact: true }) : off).check();
  await page.getByRole("button", { name: "Set", exact: true }).click();
  await page.getByText("Saved").first().waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByText("Undone").first().waitFor();
  assert.equal(await off.isChecked(), was);
});
