import assert from "node:assert/strict";
import { test } from "node:test";
import { call, card, directory, onPhone, press, read, setButton, stage } from "./set-up.mjs";

const CALLER = "+393471234567";
const WAITING = "+393471234568";
const BLOCKED = "Texts to numbers outside the US are switched off.";

const { world, chrome } = await stage({ directory: directory() });

test("r33 r34 r35 r36 r37 r38 texts abroad have two switches that act once set", async () => {
  await call(world, "talks", { caller: CALLER });
  await call(world, "waits", { caller: WAITING, phase: "waiting", agent: null, wait_sms_consent: true });
  const page = await chrome.page(await world.link(), { path: "/settings/in-call-sms" });
  const open = async (/** @type {string} */ path) => {
    const other = await page.context().newPage();
    await other.goto(new URL(path, world.origin).href);
    return other;
  };
  const [talks, waits] = [await open("/calls/talks"), await open("/calls/waits")];
  for (const one of [talks, waits]) {
    await one.locator("off-composer").getByText(BLOCKED).waitFor();
    assert.equal(await one.locator("off-composer textarea, off-composer .chip").count(), 0, "nothing to send with");
  }

  const abroad = card(page, "Non-US numbers");
  await abroad.getByText("depends on each carrier's own settings, which nobody can know beforehand").waitFor();
  const inCall = abroad.getByRole("switch", { name: "In-call SMS to non-US numbers" });
  const waitTime = abroad.getByRole("switch", { name: "Wait-time SMS to non-US numbers" });
  assert.ok(await setButton(abroad).isDisabled());
  await waitTime.click();
  assert.equal(await waitTime.getAttribute("aria-checked"), "true");
  assert.deepEqual((await read(world, "/v1/settings")).non_us, { in_call: false, wait_time: false, rule: "plus_one" });
  assert.equal((await read(world, "/v1/calls/waits")).sms.refusal, "non_us_blocked");
  await press(abroad);
  assert.deepEqual((await read(world, "/v1/settings")).non_us, { in_call: false, wait_time: true, rule: "plus_one" });

  await waits.locator("off-composer textarea").fill("You are next.");
  await waits.keyboard.press("Control+Enter");
  await onPhone(world, WAITING, "You are next.");
  assert.equal((await read(world, "/v1/calls/talks")).sms.refusal, "non_us_blocked");
  await talks.reload();
  await talks.locator("off-composer").getByText(BLOCKED).waitFor();

  await inCall.click();
  await waitTime.click();
  await press(abroad);
  await talks.locator("off-composer").getByRole("button", { name: "Welcome" }).click();
  await onPhone(world, CALLER, "Hello, this is your agent.");
  await waits.locator("off-composer").getByText(BLOCKED).waitFor();
  assert.equal(world.arrived(WAITING).length, 1);
});
