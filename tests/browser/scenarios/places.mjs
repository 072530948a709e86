// Every page and dialog of the console, and a demo with enough life in it that each has something to show.
import assert from "node:assert/strict";
import { SOON_MS, until } from "./gateway.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {(method: string, path: string, body?: any) => Promise<{ status: number, body: any }>} Ask */
/** @typedef {{ name: string, path: string, shows?: string, opener?: string | RegExp, act?: (page: Page) => Promise<void> }} Place `shows`: what has come once the page is there */

/** The demo's phone of the live call. */
const PHONE = "+12065550153";

/** Begins calls, texts, photos and numbers in a demo, as its people would. @param {Ask} ask the platform's door @param {Page} page of the demo's console, signed in */
export async function live(ask, page) {
  const done = async (/** @type {string} */ method, /** @type {string} */ path, /** @type {any} */ body) => {
    const { status, body: said } = await ask(method, path, body);
    assert.ok(status < 300, `${method} ${path}: ${JSON.stringify(said)}`);
    return said;
  };
  const phone = (/** @type {object} */ body) =>
    page.evaluate(
      async ([phone, body]) => {
        const headers = { "X-Offhook-Key": localStorage.getItem("offhook.key") ?? "", "Content-Type": "application/json" };
        return (await fetch(`/demo/phones/${phone}/texts`, { method: "POST", headers, body: JSON.stringify(body) })).status;
      },
      /** @type {[string, object]} */ ([encodeURIComponent(PHONE), body]),
    );
  const account = "main";
  await done("PUT", "/v1/numbers/+12065550104", { label: "Old desk", account });
  await done("PUT", "/v1/numbers/+12065550105", { label: "Night line", account });
  await done("PUT", "/v1/queues/night", { name: "Night", parent: "support", language: "it" });
  await done("PUT", "/v1/presets/en/address", {
    label: "Our address",
    text: "We are at 500 Pine Street, Seattle. The entrance is on the side of the park; there is a bell beside the green door. Ring twice, please, and wait: somebody comes down.",
  });
  await done("POST", "/v1/numbers/verify", { numbers: ["+12065550104"] });
  await done("POST", "/v1/numbers/+12065550105/suspend", { reason: "Complaints about the night texts" });
  await done("PUT", "/v1/calls/live-1", { caller: PHONE, queue: "support", agent: "agent-17" });
  await done("PUT", "/v1/calls/live-2", { caller: "+12065550171", queue: "sales", phase: "waiting", wait_sms_consent: true, agent: null });
  await done("POST", "/v1/calls/live-1/messages", { preset: "welcome", agent: "agent-17" });
  assert.equal(await phone({ to: "+12065550100", text: "Here is the meter, both sides", photos: 2 }), 202);
  await done("POST", "/v1/calls/live-1/messages", { text: "Perfect, thank you. I am looking up the number now.", agent: "agent-17" });
  assert.equal(await phone({ to: "+12065550100", text: "invoice\u202Egnp.exe, and the film", video: true }), 202);
  const messages = async () => (await ask("GET", "/v1/calls/live-1/messages")).body.items;
  await until(
    async () =>
      (await messages()).filter(
        (/** @type {any} */ { state, media }) => state === "delivered" || media.every((/** @type {any} */ one) => one.state === "ready"),
      ).length === 4,
    "texts and photos of the live call",
  );
  // Slow enough to wait while somebody looks.
  await done("PUT", "/v1/numbers/+12065550100", { label: "Support A", account, limits: { segments_per_second: 0.04, burst: 1 } });
  await done("PUT", "/v1/settings", { ...(await ask("GET", "/v1/settings")).body, max_wait_ms: 120_000 });
  for (const text of ["Could you read me the serial number?", "It is on the back — a dozen digits."])
    await done("POST", "/v1/calls/live-1/messages", { text, agent: "agent-17" });
}

/** Leaves a page with something unsaved. @param {Page} page */
async function leave(page) {
  await page.getByRole("switch").first().click();
  await page.evaluate(() => /** @type {HTMLElement | null} */ (document.querySelector("nav a[href='/presets']"))?.click());
}

/** @type {Place[]} */
export const PAGES = [
  { name: "playground", path: `/playground?phone=${encodeURIComponent(PHONE)}&call=live-1`, shows: "off-phone .m, off-conversation img" },
  { name: "calls", path: "/calls", shows: "table" },
  { name: "calls-none-found", path: "/calls?agent=nobody", shows: ".empty" },
  { name: "call", path: "/calls/live-1", shows: "off-conversation img" },
  { name: "call-abroad", path: "/calls/c-2", shows: "off-conversation" },
  { name: "call-ended", path: "/calls/c-8", shows: "off-conversation .m" },
  { name: "call-unknown", path: "/calls/nowhere", shows: ".empty" },
  { name: "in-call-sms", path: "/settings/in-call-sms", shows: "textarea" },
  { name: "presets", path: "/presets", shows: "table" },
  { name: "numbers", path: "/numbers", shows: "table" },
  { name: "numbers-none-found", path: "/numbers?q=zzz", shows: ".empty" },
  { name: "queues", path: "/queues", shows: "table" },
  { name: "queue", path: "/queues/night", shows: "#queue-inbound" },
  { name: "queue-unknown", path: "/queues/nowhere", shows: ".empty" },
  { name: "opt-outs", path: "/opt-outs", shows: "table" },
  { name: "me", path: "/me", shows: "select" },
  { name: "unknown", path: "/nowhere", shows: "h1" },
];

/** @type {Place[]} */
export const DIALOGS = [
  { name: "playground-transfer", path: "/playground?call=live-1", opener: "Transfer" },
  { name: "call-why", path: "/calls/live-1", shows: "off-conversation img", opener: "Why?" },
  { name: "call-presets", path: "/calls/live-1", shows: "off-conversation img", opener: /^Preset messages…/ },
  { name: "call-photo", path: "/calls/live-1", shows: "off-conversation img", opener: /^Photo/ },
  { name: "preset-add", path: "/presets", opener: "Add SMS message" },
  { name: "preset-edit", path: "/presets", opener: "Our address" },
  { name: "presets-language", path: "/presets", opener: "Add a language" },
  { name: "number-add", path: "/numbers", opener: "Add a number" },
  { name: "number-edit", path: "/numbers", opener: "Edit +1 206 555 0100" },
  { name: "number-suspend", path: "/numbers", opener: "Suspend +1 206 555 0100" },
  { name: "number-delete", path: "/numbers", opener: "Delete +1 206 555 0104" },
  { name: "queue-add", path: "/queues", opener: "Add a queue" },
  { name: "queue-delete", path: "/queues/night", opener: "Delete" },
  { name: "opt-out-add", path: "/opt-outs", opener: "Add an opt-out" },
  { name: "opt-out-remove", path: "/opt-outs", opener: /^Remove \+1/ },
  { name: "find", path: "/me", opener: /^Find number/ },
  { name: "keys", path: "/me", shows: "select", act: (page) => page.keyboard.press("?") },
  { name: "leave", path: "/settings/in-call-sms", shows: "textarea", act: leave },
];

/** Pages that have nothing yet, on the first day. @type {Place[]} */
export const EMPTY = ["calls", "settings/in-call-sms", "presets", "numbers", "queues", "opt-outs"].map((path) => ({
  name: `empty-${path.replace("settings/", "")}`,
  path: `/${path}`,
}));

/** Goes to a page as its links do, which is faster than loading it. What is not saved is left. @param {Page} page @param {string} path */
export async function walk(page, path) {
  while ((await page.locator("dialog[open]").count()) > 0) {
    const open = await page.locator("dialog[open]").count();
    await page.keyboard.press("Escape");
    await until(async () => (await page.locator("dialog[open]").count()) < open, "a dialog is closed");
  }
  await page.evaluate(async (path) => {
    const source = document.querySelector("script[type=module]")?.getAttribute("src") ?? "";
    const { go } = await import(source.replace("app/main.js", "app/routes.js"));
    await go(path);
    await /** @type {any} */ (document.querySelector("off-app")).updateComplete;
  }, path);
}

/**
 * Goes to a page or opens a dialog, and waits until what it shows has come.
 * @param {Page} page @param {string} origin @param {Place} place @param {(page: Page, path: string) => Promise<unknown>} [to]
 */
export async function visit(page, origin, { path, shows, opener, act }, to = (page, path) => page.goto(origin + path)) {
  if (page.url() === origin + path && opener) {
    // The page of the dialog before.
    await page.keyboard.press("Escape");
    await page.locator("dialog[open]").waitFor({ state: "detached" });
  } else await to(page, path);
  await page.locator("main h1").first().waitFor();
  await page.waitForFunction(() => !document.querySelector("[aria-busy]"), null, { timeout: SOON_MS });
  for (const selector of shows?.split(", ") ?? []) await page.locator(selector).first().waitFor();
  if (opener)
    await page
      .getByRole("button", { name: opener, exact: typeof opener === "string" })
      .first()
      .click();
  await act?.(page);
  if (opener || act) await page.locator("dialog[open]").waitFor();
}
