// Photos and videos of callers: shown once they are there, refused with a reason in words, and no text waits for them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { ownCarrier } from "./carrier.mjs";
import { browser, gateway, until } from "./gateway.mjs";
import { CALLER, directory, OURS } from "./set.mjs";

const JPEG = readFileSync(new URL("../../../src/sim/carrier/grey.jpg", import.meta.url));
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
const GIF = Buffer.from("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64");
const MP4 = Buffer.from("\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x08free", "latin1");
const HTML = Buffer.from("<!doctype html><script>alert(document.domain)</script>");
const SVG = Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>`);

const photo = () => ({ type: "image/jpeg", bytes: JPEG });

/** @type {Awaited<ReturnType<typeof gateway>>} */
let world;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {Awaited<ReturnType<typeof ownCarrier>>} */
let own;
/** @type {import("playwright-core").Page} */
let page;

before(async () => {
  chrome = await browser();
  own = await ownCarrier();
  world = await gateway({ directory: directory(), config: own.config });
  await call("c-1", CALLER);
  page = await chrome.page(await world.link(), { path: "/calls/c-1" });
});
after(async () => {
  await chrome?.close();
  await world?.close();
  own?.carrier.close();
});

/** @param {string} id @param {string} caller */
async function call(id, caller) {
  const { status } = await world.platform("PUT", `/v1/calls/${id}`, { caller, queue: "support", agent: "agent-17" });
  assert.equal(status, 201);
}

/** @param {string} text @param {import("./carrier.mjs").File[]} files @param {string} [from] */
async function send(text, files, from = CALLER) {
  assert.equal(await own.carrier.text(own.door(), { from, to: OURS, text, files }), 200);
}

/** @param {string} text */
const bubble = (text) => page.locator("off-conversation .m.i", { hasText: text });

/** How wide the photos of a bubble are once their bytes are shown. @param {string} text */
const widths = (text) =>
  bubble(text)
    .locator("img")
    .evaluateAll((all) => all.map((image) => /** @type {HTMLImageElement} */ (image).naturalWidth));

test("r12 r13 jpg png and gif are shown and a video can be opened", async () => {
  await send("Three kinds", [
    photo(),
    { type: "image/png", bytes: PNG },
    { type: "image/gif", bytes: GIF },
    { type: "video/mp4", bytes: MP4 },
  ]);
  await until(async () => (await widths("Three kinds")).join() === "32,1,1", "three photos");
  const sources = await bubble("Three kinds")
    .locator("img")
    .evaluateAll((all) => all.map((image) => /** @type {HTMLImageElement} */ (image).src));
  assert.ok(
    sources.every((source) => source.startsWith("blob:")),
    sources.join(),
  );
  await bubble("Three kinds")
    .getByRole("button", { name: /^Photo/ })
    .first()
    .click();
  await page.locator("dialog[open] img").waitFor();
  await page.keyboard.press("Escape");
  await bubble("Three kinds")
    .getByRole("button", { name: /^Video/ })
    .click();
  await page.locator("dialog[open] video").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog[open]").waitFor({ state: "detached" });
});

test("a49 a50 a52 what is no photo or lies or is too large says why", async () => {
  await send("A page that says it is a photo", [{ type: "image/jpeg", bytes: HTML }]);
  await send("A drawing", [{ type: "image/svg+xml", bytes: SVG }]);
  await send("Too much", [{ type: "image/jpeg", bytes: Buffer.concat([JPEG, Buffer.alloc(6_000_000)]) }]);
  await send("Gone", [{ type: "image/jpeg", bytes: JPEG, answer: (response) => void response.writeHead(404).end() }]);
  const reasons = /** @type {const} */ ([
    ["A page that says it is a photo", "this type of file is not taken"],
    ["A drawing", "this type of file is not taken"],
    ["Too much", "too large"],
    ["Gone", "the carrier has it no more"],
  ]);
  for (const [text, reason] of reasons) {
    await bubble(text).locator(".tile", { hasText: reason }).waitFor();
    assert.equal(await bubble(text).locator("img, video").count(), 0, text);
  }
});

test("a50 all of ten photos are shown and an eleventh says why not", async () => {
  await send("Ten", Array.from({ length: 10 }, photo));
  await until(async () => (await widths("Ten")).join() === Array(10).fill(32).join(), "ten photos");
  await send("One more", Array.from({ length: 11 }, photo));
  await until(async () => (await widths("One more")).length === 10, "ten of them");
  await bubble("One more").locator(".tile", { hasText: "too many in one message" }).waitFor();
});

test("a51 a text does not wait for its photo and a photo not for the end of the call", async () => {
  /** @type {Array<import("node:http").ServerResponse>} */
  const held = [];
  const slow = { ...photo(), answer: (/** @type {import("node:http").ServerResponse} */ response) => void held.push(response) };
  await send("Look at this", [slow]);
  await bubble("Look at this").locator(".tile", { hasText: "Loading" }).waitFor();
  await until(() => held.length > 0, "the photo is asked for");
  await send("And read this", []);
  await bubble("And read this").waitFor();
  assert.equal(await bubble("Look at this").locator("img").count(), 0);
  const { status } = await world.platform("POST", "/v1/calls/c-1/end", { reason: "caller_hangup" });
  assert.equal(status, 200);
  await page.getByText("Call ended: texts are closed.").waitFor();
  for (const response of held) response.writeHead(200, { "Content-Type": "image/jpeg" }).end(JPEG);
  await until(async () => (await widths("Look at this")).join() === "32", "the photo, after the call");
});
