import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "./gateway.mjs";
import { SUPPORT_NUMBER, call, card, directory, onPhone, press, read, setButton, stage } from "./set-up.mjs";

const usual = directory();
const { world, chrome } = await stage({
  directory: { ...usual, queues: { ...usual.queues, billing: { name: "Billing", parent: "support", outbound_numbers: [SUPPORT_NUMBER] } } },
});
const OFF_EVERYWHERE = "In-call SMS is off for the whole environment: the switch of a queue has no effect.";

/** What a send of the platform gets now. @param {string} id @param {string} text */
async function send(id, text) {
  const { status, body } = await world.platform("POST", `/v1/calls/${id}/messages`, { text });
  return status === 202 ? "taken" : body.code;
}

test("r14 r38 the switch of the environment acts only once it is set", async () => {
  await call(world, "c-1", { caller: "+12065550141" });
  const page = await chrome.page(await world.link(), { path: "/settings/in-call-sms" });
  const phone = await page.context().newPage();
  await phone.goto(`${world.origin}/calls/c-1`);
  const composer = phone.locator("off-composer");
  await composer.locator("textarea").waitFor();
  const main = card(page, "In-call SMS");
  const toggle = main.getByRole("switch", { name: "In-call SMS" });
  assert.equal(await toggle.getAttribute("aria-checked"), "true");
  assert.ok(await setButton(main).isDisabled(), "clean");
  await toggle.click();
  assert.equal(await toggle.getAttribute("aria-checked"), "false");
  assert.ok(await setButton(main).isEnabled());
  assert.equal((await read(world, "/v1/settings")).in_call_sms, true);
  assert.equal(await send("c-1", "Still on"), "taken");
  await onPhone(world, "+12065550141", "Still on");
  await toggle.click();
  assert.ok(await setButton(main).isDisabled(), "clean again");

  await toggle.click();
  await press(main);
  assert.equal(await send("c-1", "Off"), "in_call_sms_off");
  await composer.getByText("In-call SMS is switched off.").waitFor();
  assert.equal(await composer.locator("textarea, .chip").count(), 0);
  await toggle.click();
  assert.equal(await send("c-1", "Not set yet"), "in_call_sms_off");
  await press(main);
  await composer.locator("textarea").fill("On again");
  await composer.getByRole("button", { name: /^Send/ }).click();
  await onPhone(world, "+12065550141", "On again");
});

test("r62 r63 a queue inherits the switch or has its own while the environment is on", async () => {
  await call(world, "c-2", { caller: "+12065550142", queue: "billing" });
  const page = await chrome.page(await world.link(), { path: "/queues" });
  await page.getByRole("link", { name: "Billing" }).click();
  const form = page.locator("section.card");
  const field = form.getByRole("group", { name: "In-call SMS per queue" });
  assert.ok(await field.getByLabel("Inherit from Support (now on)").isChecked());
  await field.getByLabel("Off", { exact: true }).check();
  assert.equal(await send("c-2", "Not set yet"), "taken");
  await press(form);
  assert.equal(await send("c-2", "Off"), "queue_disabled");
  assert.equal((await page.locator(".head .pill").innerText()).trim(), "○ Off");
  await field.getByLabel("On", { exact: true }).check();
  await press(form);
  await world.platform("PUT", "/v1/queues/support", { ...(await read(world, "/v1/queues/support")), in_call_sms: false });
  await field.getByLabel("Inherit from Support (now off)").waitFor();
  assert.equal(await send("c-2", "Its own switch"), "taken");
  await field.getByLabel("Inherit from Support (now off)").check();
  await press(form);
  assert.equal((await read(world, "/v1/queues/billing")).in_call_sms, null);
  assert.equal(await send("c-2", "Inherited"), "queue_disabled");
  await world.platform("PUT", "/v1/queues/support", { ...(await read(world, "/v1/queues/support")), in_call_sms: true });
  await field.getByLabel("Inherit from Support (now on)").waitFor();
  assert.equal(await send("c-2", "Inherited again"), "taken");
});

test("r62 r63 while the environment is off a queue is greyed and leads to its switch", async () => {
  await world.platform("PUT", "/v1/settings", { ...(await read(world, "/v1/settings")), in_call_sms: false });
  const page = await chrome.page(await world.link(), { path: "/queues/billing" });
  await page.locator(".bar", { hasText: OFF_EVERYWHERE }).waitFor();
  const radios = page.getByRole("group", { name: "In-call SMS per queue" }).getByRole("radio");
  assert.equal(await radios.count(), 3);
  for (const radio of await radios.all()) assert.ok(await radio.isDisabled());
  await page.locator(".bar").getByRole("link", { name: "In-call SMS" }).click();
  await page.waitForURL("**/settings/in-call-sms");
  const main = card(page, "In-call SMS");
  await main.getByRole("switch").click();
  await press(main);
  await page.goBack();
  await radios.first().waitFor();
  await until(async () => await radios.first().isEnabled(), "the queue has its switch back");
  assert.equal(await page.getByText(OFF_EVERYWHERE).count(), 0);
});
