// Measures first bubble, input to paint and event to bubble, whose budgets stand in docs/BENCHMARKS.md. Prints; asserts nothing,
// because times depend on the machine. This is the pages' share, over the gateway in small; speed-real.mjs has the whole.
import { chromium } from "playwright-core";
import { executablePath } from "./chromium.mjs";
import { Door } from "./fake/server.mjs";
import { fill } from "./fake/scene.mjs";

const door = new Door();
const origin = await door.open();
fill(door.gateway);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const context = await browser.newContext({ viewport: { width: 1360, height: 800 } });
const page = await context.newPage();
await page.goto(`${origin}/sign-in`);
await page.fill("#sign-in-name", "anna");
await page.fill("#sign-in-password", "secret");
await page.keyboard.press("Enter");
await page.waitForSelector("nav");

/** @param {string} what @param {number[]} ms */
function report(what, ms) {
  const sorted = ms.sort((a, b) => a - b);
  const at = (/** @type {number} */ part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))].toFixed(0);
  console.log(`${what}: median ${at(0.5)} ms, p95 ${at(0.95)} ms, of ${ms.length}`);
}

/** @param {import("playwright-core").Page} page */
async function firstBubble(page) {
  const began = Date.now();
  await page.goto(`${origin}/calls/c-42`, { waitUntil: "commit" });
  await page.locator("off-conversation .m").first().waitFor();
  return Date.now() - began;
}

const cached = [];
for (let n = 0; n < 10; n += 1) cached.push(await firstBubble(page));
report("first bubble on loopback, files cached", cached);

for (const [name, cold] of /** @type {const} */ ([
  ["nothing cached", true],
  ["files cached", false],
])) {
  const cdp = await context.newCDPSession(page);
  await cdp.send("Network.enable");
  await cdp.send("Network.setCacheDisabled", { cacheDisabled: cold });
  await cdp.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 400,
    downloadThroughput: 50_000,
    uploadThroughput: 50_000,
  });
  report(`first bubble at 400 kbit/s and 400 ms, ${name}`, [await firstBubble(page)]);
  await cdp.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  await cdp.detach();
}

for (let n = 0; n < 500; n += 1) door.gateway.receive("+12065550142", { to: "+12065550100", text: `message ${n}` });
await firstBubble(page);
await page.waitForTimeout(1000);
await page.focus("off-composer textarea");
await page.evaluate(
  `(() => { window.paints = []; new PerformanceObserver((list) => window.paints.push(...list.getEntries().filter(({ name }) => name === "keydown").map(({ duration }) => duration))).observe({ type: "event", durationThreshold: 16, buffered: false }); })()`,
);
await page.keyboard.type("The quick brown fox jumps over the lazy dog. ".repeat(3), { delay: 20 });
await page.waitForTimeout(300);
const paints = /** @type {number[]} */ (await page.evaluate("window.paints"));
report("key to paint with 500 messages (those over 16 ms)", paints.length ? paints : [0]);

await page.evaluate(
  `(() => { window.seen = new Map(); new MutationObserver(() => { for (const element of document.querySelectorAll("off-conversation .m")) { const text = element.textContent.trim(); if (text.startsWith("at ") && !window.seen.has(text)) window.seen.set(text, Date.now()); } }).observe(document.querySelector("off-conversation"), { subtree: true, childList: true }); })()`,
);
for (let n = 0; n < 100; n += 1) {
  door.gateway.receive("+12065550142", { to: "+12065550100", text: `at ${Date.now()} ${n}` });
  await new Promise((resolve) => setTimeout(resolve, 50));
}
await page.waitForTimeout(500);
const seen = /** @type {[string, number][]} */ (await page.evaluate("[...window.seen]"));
report(
  "event to bubble at 20 events/s with 500 messages",
  seen.map(([text, at]) => at - Number(text.split(" ")[1])),
);
await browser.close();
door.close();
