// Pictures of every page and dialog of a real demo, and of the pages of a console with nothing in it yet, light and dark,
// wide and narrow, into out/ or the folder that is named. It fails where a page scrolls sideways.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { browser, demo, gateway } from "./scenarios/gateway.mjs";
import { DIALOGS, EMPTY, live, PAGES, visit } from "./scenarios/places.mjs";

const folder = process.argv[2] ?? fileURLToPath(new URL("out", import.meta.url));
mkdirSync(folder, { recursive: true });

/** @typedef {import("playwright-core").Page} Page */
const WIDE = { width: 1280, height: 800 };
const NARROW = { width: 390, height: 844 };
const LOOKS = /** @type {const} */ ([
  ["light", WIDE],
  ["dark", WIDE],
  ["dark", NARROW],
  ["light", NARROW],
]);

/** @type {string[]} */
const wide = [];

/** @param {Page} page @param {string} name @param {typeof LOOKS[number][]} looks @param {boolean} whole */
async function take(page, name, looks, whole) {
  // Much faster than the page's own screenshot, which waits and compresses more.
  const protocol = await page.context().newCDPSession(page);
  for (const [colorScheme, size] of looks) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.setViewportSize(size);
    // What is captured is the last frame, so the new size has to have one.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(null)))));
    const [sideways, height] = await page.evaluate(() => [
      document.documentElement.scrollWidth - innerWidth,
      document.documentElement.scrollHeight,
    ]);
    if (sideways > 0) wide.push(`${name} scrolls sideways by ${sideways} at ${size.width} px`);
    const clip = { x: 0, y: 0, scale: 1, width: size.width, height: whole ? height : size.height };
    const picture = await protocol.send("Page.captureScreenshot", { clip, captureBeyondViewport: whole, optimizeForSpeed: true });
    writeFileSync(join(folder, `${name}-${colorScheme}-${size.width}.png`), Buffer.from(picture.data, "base64"));
  }
  await page.setViewportSize(WIDE);
  await protocol.detach();
}

/** A console with nothing in it. @param {Awaited<ReturnType<typeof browser>>} chrome */
async function first(chrome) {
  const world = await gateway();
  const page = await chrome.page(`${world.origin}/sign-in`);
  await page.locator("#sign-in-name").waitFor();
  await take(page, "sign-in", [...LOOKS], true);
  await page.goto(await world.link());
  await page.locator("nav").first().waitFor({ state: "attached" });
  for (const place of EMPTY) {
    await visit(page, world.origin, place);
    await take(page, place.name, [LOOKS[0], LOOKS[2]], true);
  }
  await page.context().close();
  await world.close();
}

/** A demo with life in it. @param {Awaited<ReturnType<typeof browser>>} chrome @param {Awaited<ReturnType<typeof demo>>} world */
async function full(chrome, world) {
  const page = await chrome.page(world.link);
  await live(world.platform, page);
  const walk = async (
    /** @type {Page} */ page,
    /** @type {import("./scenarios/places.mjs").Place[]} */ places,
    /** @type {boolean} */ whole,
  ) => {
    for (const place of places) {
      await visit(page, world.origin, place);
      await take(page, place.name, whole ? [...LOOKS] : [LOOKS[0], LOOKS[2]], whole);
    }
  };
  await Promise.all([walk(page, PAGES, true), walk(await page.context().newPage(), DIALOGS, false)]);
}

const began = Date.now();
try {
  const chrome = await browser();
  const [world] = await Promise.all([demo(), first(chrome)]);
  await full(chrome, world);
  assert.deepEqual(wide, []);
  console.log(`pictures in ${folder} after ${((Date.now() - began) / 1000).toFixed(1)} s`);
  process.exit(0);
} catch (error) {
  // What was started ends with this process.
  console.error(error);
  process.exit(1);
}
