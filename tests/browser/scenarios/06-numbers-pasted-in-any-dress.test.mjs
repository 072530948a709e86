// Numbers as people copy them from contacts, mails and lists.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { browser, gateway } from "./gateway.mjs";

/** @type {Awaited<ReturnType<typeof gateway>>} */
let world;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {import("playwright-core").Page} */
let page;

before(async () => {
  [world, chrome] = await Promise.all([gateway(), browser()]);
  page = await chrome.page(await world.link(), { path: "/numbers" });
});
beforeEach(() => chrome.calm());
after(async () => {
  await world?.close();
  await chrome?.close();
});

const dialog = () => page.locator("dialog[open]");
const number = () => dialog().getByLabel("Number", { exact: true });
const label = () => dialog().getByLabel("Label");
/** Puts a text in as a paste does, over what is there. @param {string} text */
async function paste(text) {
  await number().selectText();
  await page.keyboard.insertText(text);
}
const known = async () =>
  (await world.platform("GET", "/v1/numbers")).body.items.map((/** @type {{ number: string }} */ { number }) => number);

test("r26 a number without its country code is not guessed and each mistake is named", async () => {
  await page.getByRole("button", { name: "Add a number" }).click();
  await label().fill("Support");
  const mistakes = [
    ["(206) 555-0104", "The country code is missing: begin with + and the code, like +1."],
    ["206.555.0104", "The country code is missing: begin with + and the code, like +1."],
    ["+1 206 KL5 0104", "A number has no letters."],
    ["+1 206", "This number is too short."],
    ["+1 206 555 0104 0105 0106", "This number is too long: 15 digits at most."],
    ["+1 206 555 0104 #12", "This is not a phone number."],
  ];
  for (const [pasted, said] of mistakes) {
    await paste(pasted);
    await page.keyboard.press("Enter");
    await dialog().getByText(said).waitFor();
    assert.equal(await number().getAttribute("aria-invalid"), "true", pasted);
    assert.equal(await number().inputValue(), pasted, "what was pasted stays, to be mended");
    assert.ok(await number().evaluate((input) => input === document.activeElement), "the field has the focus");
    await paste("");
    await dialog().getByText(said).waitFor({ state: "detached" });
  }
  assert.deepEqual(await known(), []);
});

test("r26 r29 numbers in any dress are shown and kept in the one form", async () => {
  const dressed = [
    ["+1 (206) 555-0104", "+12065550104", "+1 206 555 0104"],
    ["0039 06 1234 5678", "+390612345678", "+39 061 234 5678"],
    ["tel:+1-206-555-0105;ext=2", "+12065550105", "+1 206 555 0105"],
    ["\u202a+1\u00a0206\u2011555\u20110106\u202c", "+12065550106", "+1 206 555 0106"],
    ["＋１ ２０６ ５５５ ０１０７", "+12065550107", "+1 206 555 0107"],
    ["+44 (0)20 7946 0018", "+442079460018", "+44 207 946 0018"],
  ];
  for (const [pasted, e164, people] of dressed) {
    await paste(pasted);
    await dialog().locator("#number-hint", { hasText: people }).waitFor();
    await label().fill(`Line ${e164.slice(-4)}`);
    // The dialog stays, for the next one.
    await dialog().getByRole("button", { name: "Add another" }).click();
    await page.getByText(`${people} added`).last().waitFor();
    await page
      .locator("tr", { hasText: `Line ${e164.slice(-4)}` })
      .getByText("Not verified")
      .waitFor();
    assert.ok((await known()).includes(e164), pasted);
    assert.deepEqual([await number().inputValue(), await label().inputValue()], ["", ""]);
  }
  await paste("001 206 555 0104");
  await label().fill("Again");
  await dialog().getByRole("button", { name: "Add a number" }).click();
  await dialog().getByText("This number is already in the list.").waitFor();
  assert.equal((await known()).length, dressed.length);
  assert.equal((await world.platform("GET", "/v1/numbers/+12065550104")).body.label, "Line 0104");
});

test("r27 r28 the label is required and the global outbound box is left unchecked", async () => {
  await paste("+1 206 555 0108");
  await label().fill("");
  await dialog().getByRole("button", { name: "Add a number" }).click();
  assert.ok(await label().evaluate((input) => input.matches(":invalid") && input === document.activeElement));
  assert.ok(!(await known()).includes("+12065550108"));
  const global = dialog().getByLabel("Set as the global outbound number");
  assert.equal(await global.isChecked(), false);
  await dialog().getByText("Leave it unchecked for in-call SMS").waitFor();
  await label().fill("Meters, the North");
  await dialog().getByRole("button", { name: "Add a number" }).click();
  await dialog().waitFor({ state: "detached" });
  await page.locator("tr", { hasText: "Meters, the North" }).waitFor();
  const { body } = await world.platform("GET", "/v1/numbers/+12065550108");
  assert.deepEqual([body.label, body.global_outbound], ["Meters, the North", false]);
  // The filter takes any dress as well.
  await page.getByLabel("Filter").fill("(206) 555-0108");
  await page.locator("tr", { hasText: "Line 0104" }).waitFor({ state: "detached" });
  await page.locator("tr", { hasText: "Meters, the North" }).waitFor();
});
