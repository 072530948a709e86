import assert from "node:assert/strict";
import { test } from "node:test";
import { call, directory, hangUp, onPhone, read, stage } from "./set-up.mjs";

const CALLER = "+12065550142";
const OTHER = "+12065550143";
const CLOSING = "Thanks for calling. This conversation is over.";
const STOPPED = "The caller sent STOP and gets no texts until they send START.";

const { world, chrome } = await stage({ directory: directory({ closing: { enabled: true, texts: { en: CLOSING } } }) });

test("a46 r56 stop takes the composer away and start brings it back with its draft", async () => {
  await call(world, "c-1", { caller: CALLER });
  const page = await chrome.page(await world.link(), { path: "/calls/c-1" });
  const composer = page.locator("off-composer");
  const field = composer.locator("textarea");
  const talk = page.locator("off-conversation");
  await composer.getByRole("button", { name: "Welcome" }).click();
  await onPhone(world, CALLER, "Hello, this is your agent.");
  await field.fill("Half a sentence");

  await world.text(CALLER, "STOP");
  await composer.getByText(STOPPED).waitFor();
  assert.equal(await composer.locator("textarea, .chip, button").count(), 0, "nothing to send with");
  await talk.locator(".m", { hasText: "STOP" }).waitFor();
  await page.getByText("Texts closed").waitFor();
  assert.equal((await read(world, "/v1/calls/c-1")).state, "active", "the call goes on");

  await world.text(CALLER, "START");
  await field.waitFor();
  assert.equal(await field.inputValue(), "Half a sentence");
  await field.press("Control+Enter");
  await onPhone(world, CALLER, "Half a sentence");

  await world.text(CALLER, "stop");
  await composer.getByText(STOPPED).waitFor();
  await hangUp(world, "c-1");
  await composer.getByText("Call ended: texts are closed.").waitFor();
  // The closing message of a later call by the same number would come after this one's.
  await call(world, "c-2", { caller: OTHER });
  await world.text(OTHER, "Good morning");
  await hangUp(world, "c-2");
  await onPhone(world, OTHER, CLOSING);
  assert.ok(!world.arrived(CALLER).some(({ text }) => text === CLOSING));
  const { items } = await read(world, "/v1/calls/c-1/messages");
  assert.ok(!items.some((/** @type {{ kind: string }} */ { kind }) => kind === "closing"));
});

test("a12 texts close when the last agent leaves and open again with the next", async () => {
  const caller = "+12065550144";
  await call(world, "c-3", { caller });
  await world.text(caller, "Good morning");
  const page = await chrome.page(await world.link(), { path: "/calls/c-3" });
  const composer = page.locator("off-composer");
  await composer.locator("textarea").fill("A moment, please.");
  await call(world, "c-3", { caller, agent: null });
  await composer.getByText("No agent is on the call: texts are closed until one is.").waitFor();
  assert.equal(await composer.locator("textarea, .chip").count(), 0);
  await call(world, "c-3", { caller, agent: "agent-18" });
  assert.equal(await composer.locator("textarea").inputValue(), "A moment, please.");
  await composer.locator("textarea").press("Control+Enter");
  await onPhone(world, caller, "A moment, please.");
});
