// Arabic and Hebrew, with numbers and Latin in them, run from right to left inside their bubbles, and nowhere else.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, gateway, until } from "./gateway.mjs";
import { CALLER, call, desk, send, under } from "./desk.mjs";

const ARABIC = "رقم العداد 4711 في Rome شكرا";
const HEBREW = "המונה מראה 4711 ליד Rome תודה";
const LATIN = "The meter shows 4711 near Rome";
const AGENT = "דנה";

/** @type {Awaited<ReturnType<typeof gateway>>} */
let door;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {import("playwright-core").Page} */
let page;

before(async () => {
  const directory = desk();
  door = await gateway({
    directory: {
      ...directory,
      presets: { en: { arabic: { label: "أهلا 24 Rome", text: ARABIC }, latin: { label: "Meter", text: LATIN } } },
    },
  });
  chrome = await browser();
  await call(door, "c-1", { agent: AGENT });
  page = await chrome.page(await door.link(), { path: "/calls/c-1" });
  await page.locator("off-composer textarea").waitFor();
  await send(page, HEBREW);
  await under(page, HEBREW).getByText("Delivered").waitFor();
  for (const text of [ARABIC, LATIN]) {
    await door.text(CALLER, text);
    await bubble(text).waitFor();
  }
});
after(async () => {
  await door?.close();
  await chrome?.close();
});

/** @param {string} text */
const bubble = (text) => page.locator("off-conversation .m", { hasText: text });

/** Where parts of a text stand on the screen: left edges. @param {import("playwright-core").Locator} element @param {string[]} parts @returns {Promise<number[]>} */
function lefts(element, parts) {
  return element.evaluate((element, parts) => {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    /** @type {Text[]} */
    const nodes = [];
    while (walker.nextNode()) nodes.push(/** @type {Text} */ (walker.currentNode));
    return parts.map((part) => {
      const node = nodes.find(({ data }) => data.includes(part));
      if (!node) throw new Error(`${part} is not in ${element.textContent}`);
      const range = document.createRange();
      range.setStart(node, node.data.indexOf(part));
      range.setEnd(node, node.data.indexOf(part) + part.length);
      return range.getBoundingClientRect().left;
    });
  }, parts);
}

/** These parts stand from right to left, or from left to right. @param {number[]} found @param {"ltr" | "rtl"} direction @param {string} what */
function run(found, direction, what) {
  const sorted = [...found].sort((a, b) => (direction === "rtl" ? b - a : a - b));
  assert.deepEqual(found, sorted, `${what}: ${found}`);
  assert.equal(new Set(found).size, found.length, `${what}: ${found}`);
}

test("r3 r12 arabic and hebrew run right to left numbers and latin in them do not", async () => {
  for (const text of [ARABIC, HEBREW]) {
    const words = text.split(" ");
    assert.equal(await bubble(text).locator("p").count(), 1);
    run(await lefts(bubble(text).locator("p"), words), "rtl", text);
    // Digits and letters of a number and of a Latin word keep their order.
    for (const word of ["4711", "Rome"]) {
      const [whole] = await lefts(bubble(text).locator("p"), [word]);
      const [first, last] = await lefts(bubble(text).locator("p"), [word.slice(0, 2), word.slice(2)]);
      assert.ok(first === whole && last > first, `${word} in ${text}: ${first} ${last}`);
    }
  }
  run(await lefts(bubble(LATIN).locator("p"), LATIN.split(" ")), "ltr", LATIN);
});

test("r3 r12 bubbles keep their sides and the lines under them their order", async () => {
  const log = await page.locator("off-conversation .log").boundingBox();
  const box = async (/** @type {string} */ text) => await bubble(text).boundingBox();
  const [ours, theirs, latin] = [await box(HEBREW), await box(ARABIC), await box(LATIN)];
  assert.ok(log && ours && theirs && latin);
  // Ours at the right, the caller's at the left, whatever they are written in.
  assert.equal(theirs.x, latin.x);
  assert.ok(theirs.x - log.x < log.x + log.width - (theirs.x + theirs.width), "the caller's is at the left");
  assert.ok(log.x + log.width - (ours.x + ours.width) < ours.x - log.x, "ours is at the right");
  // The agent's name is Hebrew, and the line that it begins is not.
  const line = under(page, HEBREW);
  run(await lefts(line, [AGENT, "segment", "Delivered"]), "ltr", "the line under ours");
  const facts = page.locator("aside section").first();
  assert.equal(await facts.evaluate((element) => getComputedStyle(element).direction), "ltr");
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).direction), "ltr");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, "nothing scrolls sideways");
});

test("r40 the composer presets and their labels turn with what is in them", async () => {
  const box = page.locator("off-composer textarea");
  const direction = () => box.evaluate((element) => getComputedStyle(element).direction);
  await box.fill(ARABIC);
  assert.equal(await direction(), "rtl");
  const count = page.locator("off-composer .count");
  run(await lefts(count, ["Unicode:", "918", "1 segment"]), "ltr", "the counter");
  await box.fill(LATIN);
  assert.equal(await direction(), "ltr");
  await box.fill("");
  // Chips stand in their order, one of them in Arabic.
  const chips = page.locator("off-composer .chip");
  await until(async () => (await chips.count()) === 3, "two presets and the list");
  const edges = await chips.evaluateAll((all) => all.map((one) => one.getBoundingClientRect().left));
  run(edges, "ltr", "the chips");
  run(await lefts(chips.first(), ["أهلا", "24", "Rome"]), "rtl", "the label of a chip");
  await chips.last().click();
  const option = page.getByRole("option", { name: ARABIC });
  run(await lefts(option.locator("span.wrap"), ARABIC.split(" ")), "rtl", "a preset in the list");
  run(await lefts(option, ["English", "segment"]), "ltr", "what the list says of it");
  await option.click();
  await until(async () => (await bubble(ARABIC).count()) === 2, "the preset's bubble");
  await under(page, ARABIC).last().getByText("Delivered").waitFor();
  run(await lefts(bubble(ARABIC).last().locator("p"), ARABIC.split(" ")), "rtl", "the preset's bubble");
  await until(() => door.arrived(CALLER).some(({ text }) => text === ARABIC), "the phone has it");
});
