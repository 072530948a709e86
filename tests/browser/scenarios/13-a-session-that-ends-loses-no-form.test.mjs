import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { until } from "./gateway.mjs";
import { call, card, changes, directory, onPhone, press, read, setButton, stage } from "./set-up.mjs";

/** What `offhook console password anna` prints for this password. */
const PASSWORD = "correct horse battery";
const HASHED = "$argon2id$v=19$m=19456,t=2,p=1$KCLKDKVSPTfzXMojXNUqcw$fQ7FtEjTSTCJW1910Q/X64/8xHDDeVVWXvZP/cGz68s";

const place = mkdtempSync(join(tmpdir(), "offhook-password-"));
after(() => rmSync(place, { recursive: true, force: true }));
writeFileSync(join(place, "anna"), HASHED, { mode: 0o600 });

const { world, chrome } = await stage({
  directory: directory({ custom_messages: true, closing: { enabled: true, texts: { en: "As before." } } }),
  config: (text) => text.replace('name = "anna"\n', `name = "anna"\npassword_file = ${JSON.stringify(join(place, "anna"))}\n`),
});

/** Ends the sessions of all other browsers of the same person. */
async function endFromElsewhere() {
  const other = await chrome.page(await world.link(), { path: "/me" });
  const others = other.getByRole("listitem").filter({ hasText: "since" }).filter({ hasNotText: "this one" });
  await others.first().waitFor();
  for (let left = await others.count(); left > 0; left -= 1) {
    await others.first().getByRole("button", { name: /^End/ }).click();
    await until(async () => (await others.count()) < left, "a session has ended");
  }
  await other.context().close();
}

test("a72 a session that ends while typing is signed in again and one change is made", async () => {
  const page = await chrome.page(await world.link(), { path: "/settings/in-call-sms" });
  const closing = card(page, "Closing message");
  const limits = card(page, "Limits of use");
  await closing.getByLabel("Text in English").fill("Typed before the end.");
  await limits.getByLabel("Types of calls").fill("inbound_ivr, callback");
  /** @type {number[]} */
  const answers = [];
  page.on("response", (response) => response.request().method() === "PUT" && answers.push(response.status()));

  await endFromElsewhere();
  const dialog = page.locator("dialog[open]");
  await dialog.getByText("Your session has ended").waitFor();
  await page.keyboard.press("Escape");
  await dialog.getByText("Sign in to go on. What you wrote stays, and is sent afterwards.").waitFor();
  assert.equal(await closing.getByLabel("Text in English").inputValue(), "Typed before the end.");
  assert.equal(await dialog.getByLabel("Name").inputValue(), "anna");
  await dialog.getByLabel("Password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  assert.equal(await closing.getByLabel("Text in English").inputValue(), "Typed before the end.");
  assert.equal(await limits.getByLabel("Types of calls").inputValue(), "inbound_ivr, callback");
  await press(closing);
  assert.deepEqual(answers, [200]);
  const [change, ...more] = await changes(world, "settings");
  assert.deepEqual([change.actor, change.after.closing.texts.en, more], ["anna", "Typed before the end.", []]);
  assert.equal(await limits.getByLabel("Types of calls").inputValue(), "inbound_ivr, callback");
});

test("a72 a session that ends before the set is signed in again and sends once", async () => {
  const page = await chrome.page(await world.link(), { path: "/settings/in-call-sms" });
  const session = card(page, "In-call SMS session");
  await session.getByLabel("Agents may send only these messages").check();
  // The page hears of nothing, so that it is Set which finds the session ended.
  await page.route(/\/v1\/(events|health)/, (route) => route.abort());
  /** @type {number[]} */
  const answers = [];
  page.on("response", (response) => response.request().method() === "PUT" && answers.push(response.status()));
  await endFromElsewhere();
  await page.keyboard.press("Control+s");
  const dialog = page.locator("dialog[open]");
  await dialog.getByLabel("Password").fill("not the password at all");
  await page.keyboard.press("Enter");
  await dialog.getByText("Name, password or session is not valid.").waitFor();
  assert.ok(await session.getByLabel("Agents may send only these messages").isChecked());
  assert.equal((await read(world, "/v1/settings")).presets_only, false);
  await dialog.getByLabel("Password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await session.locator("h2 .dot").waitFor({ state: "detached" });
  assert.equal((await read(world, "/v1/settings")).presets_only, true);
  assert.deepEqual(answers, [401, 200]);
  assert.equal((await changes(world, "settings")).length, 2, "one by each test");
});

test("a72 a sign in of another tab is taken over by the same person only", async () => {
  const phone = "+12065550142";
  const settings = await read(world, "/v1/settings");
  assert.equal((await world.platform("PUT", "/v1/settings", { ...settings, presets_only: false })).status, 200);
  await call(world, "c-1", { caller: phone });
  const page = await chrome.page(await world.link(), { path: "/calls/c-1" });
  const text = page.locator("off-composer textarea");
  const tab = await page.context().newPage();
  const signIn = async (/** @type {string} */ name) => {
    await tab.goto(await world.link(name));
    await tab.locator("header a", { hasText: name }).waitFor();
  };
  // Anna signs in once more: what she does in the first tab goes on.
  await signIn("anna");
  await text.fill("Still Anna");
  await page.keyboard.press("Control+Enter");
  await onPhone(world, phone, "Still Anna");

  // Her session ends with a text under way, and Bruno signs in.
  await page.route(/\/v1\/(events|health)/, (route) => route.abort());
  await endFromElsewhere();
  await text.fill("Anna's own words");
  await page.keyboard.press("Control+Enter");
  await page.locator("dialog[open]").getByText("Your session has ended").waitFor();
  await signIn("bruno");
  await page.locator("header a", { hasText: "bruno" }).waitFor();
  await page.goto(`${world.origin}/calls/c-1`);
  await page.locator("off-conversation .m", { hasText: "Still Anna" }).waitFor();
  await text.waitFor();
  assert.equal(await text.inputValue(), "");
  const { items } = await read(world, "/v1/calls/c-1/messages");
  assert.deepEqual(
    items.map((/** @type {{ text: string }} */ { text }) => text),
    ["Still Anna"],
  );
});

test("a72 a tab that stays in the name of before shares no events with the next", async () => {
  const page = await chrome.page(await world.link(), { path: "/settings/in-call-sms" });
  // A browser asks before a page is left only where somebody was at work.
  const text = card(page, "Closing message").getByLabel("Text in English");
  await text.click();
  await page.keyboard.type("Hers: ");
  // She signs out in another tab, and Bruno signs in there. The first stays.
  const tab = await page.context().newPage();
  await tab.goto(`${world.origin}/me`);
  await tab.getByRole("button", { name: "Sign out" }).click();
  await page.locator("dialog[open]").getByText("Sign in to go on.").waitFor();
  const leaves = page.waitForEvent("dialog");
  const streams = tab.waitForRequest((request) => request.headers().accept === "text/event-stream");
  await tab.goto(await world.link("bruno"));
  assert.equal((await leaves).type(), "beforeunload");
  await tab.locator("header a", { hasText: "bruno" }).waitFor();
  // What the first tab waits for is hers: his has a stream of its own.
  await streams;
  await page.locator("dialog[open]").getByText("Sign in to go on.").waitFor();
  assert.match(await text.inputValue(), /Hers: /);
  assert.throws(chrome.calm, /dialog/);
  await page.context().close();
});
