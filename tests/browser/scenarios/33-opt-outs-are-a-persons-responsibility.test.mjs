import assert from "node:assert/strict";
import { test } from "node:test";
import { call, directory, onPhone, read, stage } from "./set-up.mjs";

const CALLER = "+12065550142";
const STOPPED = "The caller sent STOP and gets no texts until they send START.";
const { world, chrome } = await stage({ directory: { ...directory(), opt_outs: ["+12065550199"] } });

/** @param {import("./set-up.mjs").Page} page @param {string} number */
const row = (page, number) => page.getByRole("row").filter({ hasText: number });

test("a46 a72 a named person adds and removes an opt out with a reason", async () => {
  await call(world, "c-1", { caller: CALLER });
  const page = await chrome.page(await world.link(), { path: "/opt-outs" });
  const agent = await page.context().newPage();
  await agent.goto(`${world.origin}/calls/c-1`);
  const composer = agent.locator("off-composer");
  await composer.locator("textarea").waitFor();
  await row(page, "+1 206 555 0199").getByText("all numbers").waitFor();

  await page.getByRole("button", { name: "Add an opt-out" }).click();
  const dialog = page.locator("dialog[open]");
  await dialog.getByLabel("Number").fill("(206) 555-0142");
  await dialog.getByLabel("Reason").fill("asked by letter");
  await dialog.getByRole("button", { name: "Add an opt-out" }).click();
  await dialog.getByText("The country code is missing").waitFor();
  const stay = async () => {
    await page.getByRole("heading", { name: "Leave without saving?" }).waitFor();
    await dialog.last().getByRole("button", { name: "Cancel" }).click();
    assert.equal(await dialog.getByLabel("Reason").inputValue(), "asked by letter");
  };
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await stay();
  await page.keyboard.press("Control+k");
  await page.getByLabel("Find number, call, page").last().fill("Queues");
  await page.keyboard.press("Enter");
  await stay();
  await dialog.getByLabel("Number").fill("+1 (206) 555-0142");
  await page.keyboard.press("Enter");
  await row(page, "+1 206 555 0142").getByText("by an administrator").waitFor();
  assert.equal((await world.platform("POST", "/v1/calls/c-1/messages", { text: "Hello?" })).body.code, "opted_out");
  await composer.getByText(STOPPED).waitFor();

  await page.getByLabel("Number", { exact: true }).fill("+12065550199");
  await row(page, "+1 206 555 0142").waitFor({ state: "detached" });
  assert.ok(await row(page, "+1 206 555 0199").isVisible());
  await page.getByLabel("Number", { exact: true }).fill("+12065550100");
  await page.getByText("This number has not opted out").waitFor();
  await page.getByLabel("Number", { exact: true }).fill("+1 206 555 0142");

  await row(page, "+1 206 555 0142").getByRole("button", { name: "Remove" }).click();
  await dialog.getByText("You take responsibility that this person agreed.").waitFor();
  const remove = dialog.getByRole("button", { name: "Remove", exact: true });
  const digits = dialog.getByLabel("Type the last four digits of +1 206 555 0142");
  assert.ok(await remove.isDisabled());
  await dialog.getByLabel("Reason").fill("agreed on the phone");
  assert.ok(await remove.isDisabled(), "the digits are missing");
  await digits.fill("0199");
  assert.ok(await remove.isDisabled(), "they are another person's");
  await digits.fill("0142");
  await dialog.getByLabel("Reason").fill(" ");
  assert.ok(await remove.isDisabled(), "the reason is missing");
  await dialog.getByLabel("Reason").fill("agreed on the phone");
  await remove.click();
  await page.getByText("+1 206 555 0142 may be texted again").waitFor();
  await row(page, "+1 206 555 0142").waitFor({ state: "detached" });
  await composer.getByRole("button", { name: "Welcome" }).click();
  await onPhone(world, CALLER, "Hello, this is your agent.");

  const { items } = await read(world, "/v1/audit?actor=anna");
  const acts = items.filter((/** @type {any} */ { resource }) => resource.startsWith("opt-outs")).reverse();
  assert.deepEqual(
    acts.map((/** @type {any} */ { actor, address, reason }) => [actor, address, reason]),
    [
      ["anna", "127.0.0.1", "asked by letter"],
      ["anna", "127.0.0.1", "agreed on the phone"],
    ],
  );
});

test("a46 stop and start of a caller show on the page as they come", async () => {
  const page = await chrome.page(await world.link(), { path: "/opt-outs" });
  await row(page, "+1 206 555 0199").waitFor();
  await call(world, "c-2", { caller: "+12065550143" });
  await world.text("+12065550143", "STOP");
  await row(page, "+1 206 555 0143").getByText("by text").waitFor();
  await world.text("+12065550143", "START");
  await row(page, "+1 206 555 0143").waitFor({ state: "detached" });
  assert.ok(await row(page, "+1 206 555 0199").isVisible());
});
