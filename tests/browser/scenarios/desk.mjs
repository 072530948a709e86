// One queue with one number that texts fast, presets in English, and calls on it.
import assert from "node:assert/strict";

/** @typedef {Awaited<ReturnType<typeof import("./gateway.mjs").gateway>>} Gateway */
/** @typedef {import("playwright-core").Page} Page */

export const CALLER = "+12065550142";
export const OUR_NUMBER = "+12065550100";

/** @param {object} [limits] of the number */
export function desk(limits = { segments_per_second: 100, burst: 100 }) {
  const verification = { state: "verified", sms: true, mms: true };
  return {
    settings: { in_call_sms: true, custom_messages: true },
    numbers: { [OUR_NUMBER]: { label: "Support A", account: "main", limits, verification } },
    queues: {
      support: {
        name: "Support",
        in_call_sms: true,
        inbound_numbers: [OUR_NUMBER],
        outbound_numbers: [],
        default_outbound: OUR_NUMBER,
        language: "en",
      },
    },
    presets: { en: { welcome: { label: "Welcome", text: "Hello, this is your agent." } } },
  };
}

/** Starts a call, or changes it. @param {Gateway} gateway @param {string} id @param {object} [more] */
export async function call(gateway, id, more = {}) {
  const { status, body } = await gateway.platform("PUT", `/v1/calls/${id}`, {
    caller: CALLER,
    queue: "support",
    agent: "agent-17",
    ...more,
  });
  assert.ok(status < 300, JSON.stringify(body));
}

/** What the gateway has of a call, oldest first. @param {Gateway} gateway @param {string} id @returns {Promise<any[]>} */
export async function transcript(gateway, id) {
  return (await gateway.platform("GET", `/v1/calls/${id}/messages?limit=500`)).body.items;
}

/** Writes a text and sends it. @param {Page} page @param {string} text */
export async function send(page, text) {
  await page.fill("off-composer textarea", text);
  await page.keyboard.press("Control+Enter");
}

/** The bubbles that say exactly this. @param {Page} page @param {string} text */
export const bubbles = (page, text) => page.locator("off-conversation .m p").getByText(text, { exact: true });

/** The line under the bubble that says this. @param {Page} page @param {string} text */
export const under = (page, text) =>
  page.locator("off-conversation .m", { hasText: text }).locator("xpath=following-sibling::li[contains(@class,'under')][1]");

/** The texts of all bubbles, in order. @param {Page} page */
export const texts = (page) => page.locator("off-conversation .m").allInnerTexts();

/** How often something is there. @param {import("playwright-core").Locator} what @param {number} times */
export async function counted(what, times) {
  const found = await what.count();
  assert.equal(found, times, `${found} instead of ${times}: ${await what.allInnerTexts()}`);
}
