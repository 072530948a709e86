import assert from "node:assert/strict";
import { test } from "node:test";
import { call, card, directory, onPhone, press, read, stage } from "./set-up.mjs";

const CALLER = "+12065550142";
const { world, chrome } = await stage({ directory: directory() });
await call(world, "c-1", { caller: CALLER });

/** The settings, and the call as its agent sees it. */
async function both() {
  const page = await chrome.page(await world.link(), { path: "/settings/in-call-sms" });
  const agent = await page.context().newPage();
  await agent.goto(`${world.origin}/calls/c-1`);
  await agent.locator("off-composer .chip").first().waitFor();
  return { session: card(page, "In-call SMS session"), agent, composer: agent.locator("off-composer") };
}
/** What a text gets that is sent past the page. @param {string} text */
const forced = async (text) => (await world.platform("POST", "/v1/calls/c-1/messages", { text })).body.code;

test("r48 r49 own texts are possible while their checkbox is set", async () => {
  const { session, agent, composer } = await both();
  const own = session.getByLabel("Agents may write their own messages");
  assert.ok(await own.isChecked());
  await composer.locator("textarea").fill("My own words");
  await agent.keyboard.press("Control+Enter");
  await onPhone(world, CALLER, "My own words");
  await own.uncheck();
  assert.ok((await read(world, "/v1/calls/c-1")).sms.custom_allowed, "not set yet");
  await press(session);
  await composer.getByText("Only preset messages can be sent: own texts are switched off.").waitFor();
  assert.equal(await composer.locator("textarea").count(), 0);
  assert.equal(await forced("Past the page"), "custom_messages_off");
  await composer.getByRole("button", { name: "Welcome" }).click();
  await onPhone(world, CALLER, "Hello, this is your agent.");
  await own.check();
  await press(session);
  await composer.locator("textarea").fill("My own words again");
  await agent.keyboard.press("Control+Enter");
  await onPhone(world, CALLER, "My own words again");
});

test("r41 r42 agents may send only presets and the other checkbox says why it is idle", async () => {
  const { session, composer } = await both();
  await session.getByRole("heading", { name: "Admin preset messages" }).waitFor();
  const only = session.getByLabel("Agents may send only these messages");
  const own = session.getByLabel("Agents may write their own messages");
  const idle = session.getByText("Without effect while agents may send only preset messages.");
  assert.ok(await own.isChecked());
  assert.equal(await idle.count(), 0);
  await only.check();
  await idle.waitFor();
  assert.match((await own.getAttribute("aria-describedby")) ?? "", /custom-hint/);
  assert.ok(await own.isChecked(), "it keeps what it says for later");
  assert.equal((await read(world, "/v1/settings")).presets_only, false);
  await press(session);
  await composer.getByText("Only preset messages can be sent: own texts are switched off.").waitFor();
  assert.equal(await composer.locator("textarea").count(), 0);
  assert.equal(await forced("Past the page"), "presets_only");
  const { presets_only, custom_messages } = await read(world, "/v1/settings");
  assert.deepEqual({ presets_only, custom_messages }, { presets_only: true, custom_messages: true });
  await only.uncheck();
  await press(session);
  await composer.locator("textarea").waitFor();
  assert.equal(await idle.count(), 0);
});

test("r50 918 characters arrive whole and 919 cannot be sent and nothing is cut", async () => {
  const { agent, composer } = await both();
  const text = composer.locator("textarea");
  const send = composer.getByRole("button", { name: /^Send/ });
  const count = composer.locator(".count .num").first();
  await composer.getByText("0 / 918").waitFor();
  assert.ok(await send.isDisabled());
  /** @type {string[]} */
  const posts = [];
  agent.on("request", (request) => request.method() === "POST" && /messages$/.test(request.url()) && posts.push(request.url()));

  const long = "Meter reading. ".repeat(62).slice(0, 919);
  await text.fill(long);
  await composer.getByText("919 / 918").waitFor();
  await composer.getByText("1 character too many").waitFor();
  assert.match((await count.getAttribute("class")) ?? "", /\bbadc\b/, "red");
  assert.ok(await send.isDisabled());
  await text.press("Control+Enter");
  assert.equal((await text.inputValue()).length, 919, "nothing is cut");
  assert.equal(await forced(long), "text_too_long");
  assert.deepEqual(posts, []);

  await text.press("End");
  await text.press("Control+End");
  await text.press("Backspace");
  await composer.getByText("918 / 918").waitFor();
  assert.equal(await composer.getByText("too many").count(), 0);
  await send.click();
  await onPhone(world, CALLER, long.slice(0, 918));
  assert.equal(posts.length, 1);
  await composer.getByText("0 / 918").waitFor();
});
