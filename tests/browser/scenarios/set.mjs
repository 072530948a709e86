// What several scenarios begin with: a directory with two queues, and looks at a whole page.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** @typedef {import("playwright-core").Page} Page */

export const CALLER = "+12065550142";
export const OURS = "+12065550100";
export const verified = { state: "verified", sms: true, mms: true };

/** Two queues, English and Italian, with a number each. @returns {import("./gateway.mjs").Directory} */
export function directory() {
  return {
    settings: {
      in_call_sms: true,
      closing: { enabled: true, texts: { en: "Thanks for calling. This conversation has ended." } },
      auto_reply: { enabled: true, texts: { en: "This number is not monitored. Please call us." } },
    },
    numbers: {
      [OURS]: { label: "Support A", account: "main", limits: { segments_per_second: 10, burst: 10 }, verification: verified },
      "+12065550101": { label: "Sales", account: "main", verification: verified },
      "+12065550102": { label: "Pool", account: "main" },
    },
    queues: {
      support: { name: "Support", in_call_sms: true, inbound_numbers: [OURS], default_outbound: OURS, language: "en" },
      sales: { name: "Sales", inbound_numbers: ["+12065550101"], language: "it" },
    },
    presets: {
      en: {
        welcome: { label: "Welcome", text: "Hello, this is your agent. You can text me here while we talk." },
        photo: { label: "Ask for a photo", text: "Please send me a photo of the label." },
      },
    },
  };
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Finds nothing wrong with what is shown. @param {Page} page @param {string} what */
export async function accessible(page, what) {
  if (!(await page.evaluate("!!window.axe"))) await page.evaluate(`{ const module = {}; ${axe}; window.axe ??= module.exports; }`);
  const found = await page.evaluate(
    `window.axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations.map(({ id, nodes }) => id + ": " + nodes.slice(0, 3).map(({ html }) => html.slice(0, 200)).join(" | ")))`,
  );
  assert.deepEqual(found, [], `axe on ${what}`);
}

/** Neither the page nor a part of it scrolls sideways, and nothing reaches out of its window. @param {Page} page @param {string} what */
export async function holds(page, what) {
  const wide = await page.evaluate(() => {
    const { scrollWidth } = document.documentElement;
    const found = scrollWidth > innerWidth ? [`the page is ${scrollWidth} wide`] : [];
    for (const element of document.querySelectorAll("body *")) {
      const { overflowX } = getComputedStyle(element);
      // What is hidden for eyes only is one pixel wide.
      if (["auto", "scroll"].includes(overflowX) && element.clientWidth > 1 && element.scrollWidth > element.clientWidth + 1)
        found.push(`${element.outerHTML.slice(0, 80)} is ${element.scrollWidth} wide in ${element.clientWidth}`);
    }
    return found;
  });
  assert.deepEqual(wide, [], `${what} at ${page.viewportSize()?.width} px`);
}
