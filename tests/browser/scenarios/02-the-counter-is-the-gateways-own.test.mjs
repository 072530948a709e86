// What the counter says is what the gateway counts, at each step of a text that grows; and at 919 nothing is cut.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, gateway, until } from "./gateway.mjs";
import { CALLER, bubbles, call, desk, send, under } from "./desk.mjs";

/** @type {Awaited<ReturnType<typeof gateway>>} */
let door;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {import("playwright-core").Page} */
let page;
/** Bodies of the sends that left the page. @type {any[]} */
const sent = [];

before(async () => {
  door = await gateway({ directory: desk() });
  chrome = await browser();
  await call(door, "c-1");
  page = await chrome.page(await door.link(), { path: "/calls/c-1" });
  page.on("request", (request) => {
    if (request.method() === "POST" && request.url().endsWith("/messages")) sent.push(JSON.parse(request.postData() ?? "{}"));
  });
});
after(async () => {
  await door?.close();
  await chrome?.close();
});

const box = () => page.locator("off-composer textarea");
const count = () => page.locator("off-composer .count");
const sendButton = () => page.locator("off-composer").getByRole("button", { name: "Send" });

/** Puts a text where the cursor is, as a paste does: what JavaScript calls a string, halves of pairs included. @param {string} text */
async function paste(text) {
  await box().fill("");
  await box().focus();
  await page.evaluate((text) => document.execCommand("insertText", false, text), text);
}

/** What the gateway says of a text. @param {string} text */
async function estimate(text) {
  const { status, body } = await door.platform("POST", "/v1/estimate", { text });
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

/** The counter says what the gateway says of what stands in the field. @param {string} what */
async function agrees(what) {
  // JSON has no place for half a pair: the page sends U+FFFD instead.
  const text = (await box().inputValue()).replace(/[\ud800-\udfff]/gu, "\ufffd");
  const found = await estimate(text);
  const [whole, parts] = [found.encoding === "gsm7" ? 160 : 70, found.segments > 1];
  const segments = parts
    ? `${found.segments} segments: most phones get it in parts`
    : `${found.segments} segment (${found.units}/${whole})`;
  const expected = `${found.characters} / 918 · ${segments}`;
  const shown = async () => (await count().innerText()).replace(/\s+/g, " ").trim();
  await until(
    async () => (await shown()).endsWith(expected),
    () => `the counter of ${what} ends with ${expected}`,
  );
  assert.equal((await shown()).startsWith("Unicode:"), found.encoding === "ucs2", `${what}: ${await shown()}`);
  return found;
}

/** The characters that the counter names as the cause of Unicode. */
const guilty = () => page.locator("off-composer .count bdi").allInnerTexts();

const FAMILY = "👨‍👩‍👧";

test("r46 a28 each step of a growing text counts as the gateway counts it", async () => {
  for (const [text, segments, encoding] of /** @type {[string, number, string][]} */ ([
    ["a", 1, "gsm7"],
    ["a".repeat(160), 1, "gsm7"],
    ["a".repeat(161), 2, "gsm7"],
    [`${"a".repeat(158)}€`, 1, "gsm7"],
    [`${"a".repeat(159)}€`, 2, "gsm7"],
    [`${"a".repeat(306)}`, 2, "gsm7"],
    [`${"a".repeat(307)}`, 3, "gsm7"],
    ["a".repeat(918), 6, "gsm7"],
    ["漢".repeat(70), 1, "ucs2"],
    ["漢".repeat(71), 2, "ucs2"],
    [FAMILY, 1, "ucs2"],
    [`${"a".repeat(66)}😀${"a".repeat(66)}`, 3, "ucs2"],
    ["line\none {two} [three] \\ ~ ^ |", 1, "gsm7"],
  ])) {
    await box().fill(text);
    const found = await agrees(JSON.stringify(text.slice(0, 20)));
    assert.deepEqual([found.segments, found.encoding], [segments, encoding], text);
  }
});

test("r46 the characters that cost are named and plain ones offered", async () => {
  await box().fill("a".repeat(160));
  await agrees("160 letters");
  await box().press("End");
  await page.keyboard.insertText("“");
  await agrees("161 characters with a quotation mark");
  assert.deepEqual(await guilty(), ["“"]);
  await count().getByRole("button", { name: "use plain characters" }).click();
  assert.equal(await box().inputValue(), `${"a".repeat(160)}"`);
  assert.deepEqual(await guilty(), []);
  await agrees("161 plain characters");
  await box().fill(`${FAMILY} ora`);
  await agrees("a family");
  // Its parts, each once: the joiner, which nobody sees, too.
  assert.deepEqual(await guilty(), [...new Set(FAMILY)]);
});

test("a43 a pasted crlf and half a pair count as the gateway counts them and go", async () => {
  await paste("first\r\nsecond\r\nthird");
  await agrees("three lines");
  assert.ok((await box().inputValue()).startsWith("first"));
  await paste("half \ud83d of a pair");
  const found = await agrees("half a pair");
  assert.equal(found.encoding, "ucs2");
  assert.deepEqual(await guilty(), ["\ufffd"]);
  await sendButton().click();
  await under(page, "of a pair").getByText("Delivered").waitFor();
  await until(() => door.arrived(CALLER).some(({ text }) => text === "half \ufffd of a pair"), "the phone has it");
});

test("r50 a43 918 characters go 919 do not and nothing of them is cut", async () => {
  const whole = `begin ${"x".repeat(908)} end`;
  assert.equal(whole.length, 918);
  const over = `${whole}!`;
  const before = sent.length;
  await paste(over);
  await agrees("919 characters");
  assert.equal(await box().inputValue(), over);
  await page.locator("off-composer .wrong", { hasText: "1 character too many" }).waitFor();
  assert.ok(await sendButton().isDisabled());
  await box().press("Control+Enter");
  const forced = await door.platform("POST", "/v1/calls/c-1/messages", { text: over });
  assert.deepEqual([forced.status, forced.body.code], [422, "text_too_long"]);
  assert.equal(await box().inputValue(), over);
  await box().press("End");
  await box().press("Backspace");
  await agrees("918 characters");
  assert.ok(await sendButton().isEnabled());
  await box().press("Control+Enter");
  await under(page, "begin xxx").getByText("Delivered").waitFor();
  // The first send since the text was too long is that of 918 characters.
  assert.deepEqual(
    sent.slice(before).map(({ text }) => text),
    [whole],
  );
  await until(() => door.arrived(CALLER).some(({ text }) => text === whole), "the phone has all of it");
  assert.equal(await bubbles(page, whole).count(), 1);
});

test("a43 characters beyond 16 bits are one each up to 918 of them", async () => {
  await box().fill("😀".repeat(918));
  const found = await agrees("918 emoji");
  assert.equal(found.characters, 918);
  assert.ok(await sendButton().isEnabled());
  await box().fill("😀".repeat(919));
  await agrees("919 emoji");
  assert.ok(await sendButton().isDisabled());
  await send(page, "short again");
  await under(page, "short again").getByText("Delivered").waitFor();
});
