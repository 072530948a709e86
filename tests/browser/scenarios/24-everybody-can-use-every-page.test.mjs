// What people with other eyes, hands or languages need, on each page and dialog of a demo with life in it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, demo, SOON_MS } from "./gateway.mjs";
import { DIALOGS, live, PAGES, visit, walk } from "./places.mjs";
import { accessible, holds } from "./set.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {{ name: string, colorScheme: "light" | "dark", language: string, width: number, height: number }} Look */

/** Wide, the narrowest, and 1280 px at 200 %. @type {Look[]} */
const LOOKS = [
  { name: "light", colorScheme: "light", language: "en", width: 1280, height: 800 },
  { name: "dark, Italian, 320 px", colorScheme: "dark", language: "it", width: 320, height: 700 },
  { name: "200 %", colorScheme: "light", language: "en", width: 640, height: 400 },
];
/** Each page and dialog has one of them in turn, and with OFFHOOK_LONG all of them. @param {Look[]} looks @param {number} at */
const looksOf = (looks, at) => (process.env.OFFHOOK_LONG ? looks : [looks[at % looks.length]]);
/** Pages that are like others where they find nothing. */
const ALIKE = ["calls-none-found", "call-unknown", "numbers-none-found", "queue-unknown"];

/** @type {Awaited<ReturnType<typeof demo>>} */
let world;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {Page} */
let page;

before(async () => {
  chrome = await browser();
  world = await demo();
  page = await chrome.page(world.link);
});
after(async () => {
  await chrome?.close();
  await world?.close();
});

/** Changes how the page looks without loading it again. @param {Look} look */
async function wear({ colorScheme, language, width, height }) {
  await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
  await page.setViewportSize({ width, height });
  await page.evaluate(async (language) => {
    const source = document.querySelector("script[type=module]")?.getAttribute("src") ?? "";
    const words = await import(source.replace("app/main.js", "words/words.js"));
    words.setLanguage(language);
  }, language);
  await page.waitForFunction((language) => document.documentElement.lang === language, language);
}

/** What has the focus: what a screen reader would say, and whether eyes find it. */
function focused() {
  return page.evaluate(() => {
    const element = /** @type {HTMLElement & { labels?: NodeListOf<HTMLElement> }} */ (document.activeElement ?? document.body);
    // A page as a whole shows it at its heading.
    const shows = (element.localName === "main" && element.querySelector("h1")) || element;
    const { outlineStyle, outlineWidth } = getComputedStyle(shows);
    const box = element.getBoundingClientRect();
    const on = document.elementFromPoint(box.x + Math.min(box.width, innerWidth) / 2, box.y + Math.min(box.height, 40) / 2);
    const covered = !!on && !element.contains(on) && !on.contains(element) && !on.closest("label");
    const said = element.getAttribute("aria-label") ?? element.labels?.[0]?.innerText ?? element.innerText ?? "";
    return {
      name: said.trim().replace(/\s+/g, " "),
      isBody: element === document.body,
      isVisible: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && box.bottom > 0 && box.top < innerHeight && !covered,
      html: element.outerHTML.slice(0, 120),
    };
  });
}

/** Presses Tab until something has the focus, and sees it at each stop on the way. @param {RegExp} name */
async function tabTo(name) {
  for (let stops = 0; stops < 80; stops += 1) {
    const at = await focused();
    if (!at.isBody) assert.ok(at.isVisible, `the focus is not to be seen: ${at.html}`);
    if (name.test(at.name)) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`no way to ${name} by Tab`);
}

test("a call by the keyboard alone has the focus in sight at each stop", async () => {
  const under = (/** @type {string} */ text) => page.locator("off-conversation .under", { hasText: text }).first().waitFor();
  await page.getByRole("button", { name: /^Ring from/ }).waitFor();
  await tabTo(/^Ring from/);
  await page.keyboard.press("Enter");
  await page.locator("off-composer .chip").first().waitFor();
  await tabTo(/^Welcome$/);
  await page.keyboard.press("Enter");
  await under("Delivered");
  await tabTo(/^Write a text$/);
  await page.keyboard.type("Own words");
  await page.keyboard.press("Control+Enter");
  await page.locator("off-phone .m.i", { hasText: "Own words" }).waitFor();
  // Shift goes back, over the same stops.
  for (let stops = 0; stops < 80 && !/^Text message$/.test((await focused()).name); stops += 1) {
    await page.keyboard.press("Shift+Tab");
    const at = await focused();
    assert.ok(at.isBody || at.isVisible, `the focus is not to be seen: ${at.html}`);
  }
  await page.keyboard.type("An answer");
  await page.keyboard.press("Enter");
  await page.locator("off-conversation .m.i", { hasText: "An answer" }).waitFor();
  for (let stops = 0; stops < 80 && !/^Hang up$/.test((await focused()).name); stops += 1) await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await page.locator("dialog[open]", { hasText: "Hang up?" }).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByText("Call ended: texts are closed.").waitFor();
});

test("every page has no violation and holds in each look", { timeout: 10 * SOON_MS }, async () => {
  await live(world.platform, page);
  for (const [at, place] of PAGES.filter(({ name }) => !ALIKE.includes(name)).entries()) {
    await wear(LOOKS[0]);
    await visit(page, world.origin, place, walk);
    for (const look of looksOf(LOOKS, at)) {
      await wear(look);
      await accessible(page, `${place.path}, ${look.name}`);
      await holds(page, `${place.path}, ${look.name}`);
    }
  }
});

test("every dialog has no violation and holds light and dark and wide and narrow", { timeout: 10 * SOON_MS }, async () => {
  for (const [at, place] of DIALOGS.entries()) {
    await wear(LOOKS[0]);
    await visit(page, world.origin, place, walk);
    for (const look of looksOf(LOOKS.slice(0, 2), at)) {
      await wear(look);
      await accessible(page, `${place.name}, ${look.name}`);
      await holds(page, `${place.name}, ${look.name}`);
    }
  }
  // The last one asks whether to leave: unsaved, the page would ask once more.
  await page.locator("dialog[open] button.d").click();
  await page.waitForURL("**/presets");
});

test("the page to sign in has no violation in three looks", async () => {
  await page.context().clearCookies();
  await page.evaluate(() => localStorage.clear());
  await page.goto(`${world.origin}/sign-in`);
  await page.locator("#sign-in-name").waitFor();
  for (const look of LOOKS) {
    await wear(look);
    await accessible(page, `sign-in, ${look.name}`);
    await holds(page, `sign-in, ${look.name}`);
  }
});
