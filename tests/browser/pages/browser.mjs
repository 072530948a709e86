// A browser, a door in small, and somebody who is signed in.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before } from "node:test";
import { chromium } from "playwright-core";
import { executablePath } from "../chromium.mjs";
import { Door } from "../fake/server.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => {
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
});
after(() => browser.close());

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {{ door: Door, gateway: Door["gateway"], page: Page, origin: string, context: import("playwright-core").BrowserContext, foreign: string[], newPage: (path: string) => Promise<Page> }} World */

/**
 * Runs a test in a world of its own; fails on errors of the page, reports of the CSP, and requests to other origins.
 * @param {(world: World) => Promise<void>} body
 * @param {{ path?: string, setUp?: (door: Door) => void, context?: object, signIn?: boolean, allow?: RegExp }} [options]
 */
export function world(body, { path = "/playground", setUp, context: options = {}, signIn = true, allow } = {}) {
  return async () => {
    const door = new Door();
    const origin = await door.open();
    setUp?.(door);
    const context = await browser.newContext({ viewport: { width: 1360, height: 800 }, locale: "en-US", ...options });
    /** @type {string[]} */
    const wrong = [];
    /** @type {string[]} */
    const foreign = [];
    context.on(
      "request",
      (request) => !request.url().startsWith(origin) && !request.url().startsWith("blob:") && foreign.push(request.url()),
    );
    const newPage = async (/** @type {string} */ where) => {
      const page = await context.newPage();
      page.setDefaultTimeout(20_000);
      page.on("pageerror", (error) => wrong.push(String(error)));
      page.on("dialog", (dialog) => void dialog.dismiss().then(() => wrong.push(`dialog: ${dialog.message()}`)));
      page.on("console", (message) => {
        // A refused or failed request is what many tests are about; the page's own errors are not.
        if (message.type() === "error" && !/Failed to load resource|net::ERR/.test(message.text()) && !allow?.test(message.text()))
          wrong.push(message.text());
      });
      await page.goto(origin + where);
      return page;
    };
    try {
      const page = await newPage(signIn ? "/sign-in" : path);
      if (signIn) {
        await page.fill("#sign-in-name", "anna");
        await page.fill("#sign-in-password", "secret");
        await page.keyboard.press("Enter");
        await page.waitForSelector("nav", { state: "attached" });
        await page.goto(origin + path);
        await page.waitForSelector("h1");
      }
      await body({ door, gateway: door.gateway, page, origin, context, foreign, newPage });
      assert.deepEqual(wrong, []);
      assert.deepEqual(foreign, [], "requests to other origins");
    } finally {
      await context.close();
      door.close();
    }
  };
}

/** Finds nothing wrong with what is shown. @param {Page} page @param {string} what */
export async function accessible(page, what) {
  const found = await page.evaluate(
    `(async () => { const module = {}; ${axe}; const axe_ = window.axe ?? module.exports; return (await axe_.run(document, { resultTypes: ["violations"] })).violations.map(({ id, nodes }) => id + ": " + nodes.slice(0, 3).map(({ html }) => html.slice(0, 200)).join(" | ")); })()`,
  );
  assert.deepEqual(found, [], `axe on ${what}`);
}

/** Waits until a page shows what it asked for. @param {Page} page */
export async function loaded(page) {
  await page.waitForSelector("h1");
  await page.waitForFunction(() => !document.querySelector("[aria-busy]"));
}

/** Waits until something is so. @param {() => boolean | Promise<boolean>} condition @param {string} what */
export async function until(condition, what) {
  for (let tries = 0; tries < 400; tries += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`never: ${what}`);
}

/** A call of the caller in Seattle. @param {Door["gateway"]} gateway @param {string} [id] @param {object} [more] */
export async function startCall(gateway, id = "c-1", more = {}) {
  const { answer } = await import("../fake/routes.mjs");
  const body = { caller: "+12065550142", queue: "support", agent: "agent-17", ...more };
  await answer(gateway, { method: "PUT", path: `/v1/calls/${id}`, query: new URLSearchParams(), headers: {}, body });
  gateway.seen.length = 0;
}
