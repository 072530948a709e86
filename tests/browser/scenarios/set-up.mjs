// What the scenarios of setting up share: a directory that is ready for calls, and the cards of the console.
import assert from "node:assert/strict";
import { after, afterEach } from "node:test";
import { browser, gateway, until } from "./gateway.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").Locator} Locator */
/** @typedef {Awaited<ReturnType<typeof gateway>>} World */

export const SUPPORT_NUMBER = "+12065550100";
export const SALES_NUMBER = "+12065550101";

/** A number that the carrier was asked about. @param {string} label @param {object} [more] */
export const verified = (label, more = {}) => ({
  label,
  account: "main",
  limits: { segments_per_second: 20, burst: 20 },
  verification: { state: "verified", sms: true, mms: true },
  ...more,
});

/** Two queues with a number each, without any message to callers. @param {object} [settings] */
export const directory = (settings = {}) => ({
  settings: { in_call_sms: true, ...settings },
  numbers: { [SUPPORT_NUMBER]: verified("Support A"), [SALES_NUMBER]: verified("Sales") },
  queues: {
    support: { name: "Support", in_call_sms: true, inbound_numbers: [SUPPORT_NUMBER], default_outbound: SUPPORT_NUMBER, language: "en" },
    sales: { name: "Sales", in_call_sms: true, inbound_numbers: [SALES_NUMBER], default_outbound: SALES_NUMBER, language: "it" },
  },
  presets: { en: { welcome: { label: "Welcome", text: "Hello, this is your agent." } } },
});

/** A card by its heading, which says after it where something is not saved yet. @param {Page} page @param {string} title */
export const card = (page, title) =>
  page.locator("section.card", { has: page.locator("h2", { hasText: new RegExp(`^\\s*${title}\\s*(\\(.*\\))?\\s*$`) }) });

/** @param {Page | Locator} within */
export const setButton = (within) => within.getByRole("button", { name: "Set", exact: true });

/** Presses a card's Set and waits until it is clean again, which it is once the gateway has answered. @param {Locator} within */
export async function press(within) {
  await setButton(within).click();
  await within.locator("h2 .dot").waitFor({ state: "detached" });
}

/** @param {World} world @param {string} path */
export async function read(world, path) {
  const { status, body } = await world.platform("GET", path);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

/** A call that the platform reports. @param {World} world @param {string} id @param {object} body */
export async function call(world, id, body) {
  const { status, body: made } = await world.platform("PUT", `/v1/calls/${id}`, { queue: "support", agent: "agent-17", ...body });
  assert.ok(status === 200 || status === 201, JSON.stringify(made));
}

/** @param {World} world @param {string} id @param {string} [reason] */
export async function hangUp(world, id, reason = "agent_hangup") {
  assert.equal((await world.platform("POST", `/v1/calls/${id}/end`, { reason })).status, 200);
}

/** Waits until a text of this wording is the last one on a phone. @param {World} world @param {string} phone @param {string} text */
export async function onPhone(world, phone, text) {
  await until(
    () => world.arrived(phone).at(-1)?.text === text,
    () => `${text} on ${phone}: ${JSON.stringify(world.arrived(phone))}`,
  );
}

/** The directory's changes in the audit, oldest first. @param {World} world @param {string} resource */
export async function changes(world, resource) {
  const { items } = await read(world, `/v1/audit?resource=${encodeURIComponent(resource)}`);
  return items.filter((/** @type {{ action: string }} */ { action }) => action === "change").reverse();
}

/**
 * A gateway and a browser for the tests of a file, which end with it. After each test the pages must have been calm.
 * @param {Parameters<typeof gateway>[0]} options
 */
export async function stage(options) {
  const chrome = await browser();
  const world = await gateway(options).catch(async (error) => {
    await chrome.close();
    throw error;
  });
  afterEach(() => chrome.calm());
  after(async () => {
    await world.close();
    await chrome.close();
  });
  return { world, chrome };
}
