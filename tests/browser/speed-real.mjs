// Measures the console over the real gateway: `live`, how long after its 2xx a text is painted, at 20 events a second; and
// `hour`, what a page weighs after as many events as an hour of that has (or as the next word says), which are made as fast
// as the gateway takes them: `hour` with calls that come and go, `hour-of-one` with all in the one call that is open.
// Prints; asserts nothing, because times depend on the machine.
import { ownCarrier } from "./scenarios/carrier.mjs";
import { CALLER, OUR_NUMBER, call, desk } from "./scenarios/desk.mjs";
import { browser, gateway, until } from "./scenarios/gateway.mjs";

/** @typedef {import("playwright-core").Page} Page */

const A_SECOND = 20;
const TEXTS = 400;
const AT_ONCE = 8;
const LONG_MS = 3_600_000;
const [what = "live", events = String(3_600 * A_SECOND)] = process.argv.slice(2);

/** @param {string} what @param {number[]} ms */
function report(what, ms) {
  const sorted = ms.sort((a, b) => a - b);
  const at = (/** @type {number} */ part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
  console.log(`${what}: median ${at(0.5)} ms, p95 ${at(0.95)} ms, most ${at(1)} ms, of ${ms.length}`);
}

/** @param {number} status */
function taken(status) {
  if (status < 200 || status > 299) throw new Error(`refused: ${status}`);
}

async function measureLive() {
  const own = await ownCarrier();
  const world = await gateway({ directory: desk(), config: own.config });
  const chrome = await browser();
  await call(world, "c-1");
  const page = await chrome.page(await world.link(), { path: "/calls/c-1" });
  await page.locator("off-composer textarea").waitFor();
  // The time of the first frame that has the bubble, once that frame is through.
  await page.evaluate(() => {
    const seen = new Map();
    Object.assign(window, { seen });
    const look = (/** @type {Node} */ node) => {
      const bubble = node instanceof Element && (node.matches(".m") ? node : node.querySelector(".m"));
      const text = bubble && bubble.textContent?.trim();
      if (!text || seen.has(text)) return;
      seen.set(text, 0);
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => seen.set(text, Date.now());
        port2.postMessage(null);
      });
    };
    const observer = new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach(look)));
    observer.observe(/** @type {Node} */ (document.querySelector("off-conversation")), { subtree: true, childList: true });
  });
  const door = own.door();
  /** Texts with the events that each makes. @type {Array<[string, number, (text: string) => Promise<number>]>} */
  const ways = [
    ["a carrier's webhook", 1, (text) => own.carrier.text(door, { from: CALLER, to: OUR_NUMBER, text })],
    // Queued and sent: this carrier has no receipts.
    ["the API", 2, async (text) => (await world.platform("POST", "/v1/calls/c-1/messages", { text, agent: "agent-17" })).status],
  ];
  for (const [way, each, send] of ways) {
    /** @type {Map<string, number>} */
    const answered = new Map();
    const sends = [];
    const began = Date.now();
    for (let n = 0; n < TEXTS / each; n += 1) {
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, began + (n * each * 1000) / A_SECOND - Date.now())));
      const text = `${way} ${n}`;
      sends.push(
        send(text).then((status) => {
          taken(status);
          answered.set(text, Date.now());
        }),
      );
    }
    await Promise.all(sends);
    const seen = async () => new Map(/** @type {[string, number][]} */ (await page.evaluate("[...window.seen]")));
    await until(async () => {
      const painted = await seen();
      return [...answered.keys()].every((text) => painted.get(text));
    }, "all are painted");
    const painted = await seen();
    report(
      `2xx of ${way} to painted bubble at ${A_SECOND} events/s`,
      [...answered].map(([text, at]) => (painted.get(text) ?? NaN) - at),
    );
  }
  await chrome.close();
  await world.close();
  own.carrier.close();
}

/** What a page holds after its garbage is collected, and the events that it heard. @param {Page} page */
async function weigh(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable");
  for (let n = 0; n < 3; n += 1) await cdp.send("HeapProfiler.collectGarbage");
  const { metrics } = await cdp.send("Performance.getMetrics");
  await cdp.detach();
  const of = (/** @type {string} */ name) => metrics.find((metric) => metric.name === name)?.value ?? 0;
  const shown = await page.evaluate(() => {
    const walk = document.createTreeWalker(document);
    for (let n = 0; ; n += 1) if (!walk.nextNode()) return n;
  });
  return `${(of("JSHeapUsedSize") / 1e6).toFixed(1)} MB, ${of("Nodes")} nodes of which ${shown} in the page`;
}

/** @param {Page} page @returns {Promise<number>} */
const heard = (page) => page.evaluate("window.heard");

/** Counts what comes in by the stream. @param {Page} page */
async function count(page) {
  await page.evaluate(async () => {
    Object.assign(window, { heard: 0 });
    const source = document.querySelector("script[type=module]")?.getAttribute("src") ?? "";
    const { live } = await import(source.replace("app/main.js", "live/stream.js"));
    live.addEventListener("event", () => Object.assign(window, { heard: /** @type {any} */ (window).heard + 1 }));
  });
}

/** @param {boolean} one whether all is of the one call that is open */
async function measureHour(one) {
  const limits = { segments_per_second: 100, burst: 100 };
  const { numbers, queues, ...rest } = desk(limits);
  const others = ["+12065550101", "+12065550102", "+12065550103"];
  for (const number of others) numbers[number] = { ...numbers[OUR_NUMBER], label: number };
  queues.support.outbound_numbers = /** @type {any} */ (others);
  const world = await gateway({ directory: { ...rest, numbers, queues }, config: (text) => text });
  const chrome = await browser();
  await call(world, "c-open");
  const open = await chrome.page(await world.link("anna"), { path: "/calls/c-open" });
  const list = await chrome.page(await world.link("bruno"), { path: "/calls" });
  await open.locator("off-composer textarea").waitFor();
  await list.locator("table").waitFor();
  for (const page of [open, list]) await count(page);

  const text = async (/** @type {string} */ id, /** @type {number} */ n) => {
    const body = { text: `Text ${n} of somebody at work`, agent: "agent-17" };
    const { status } = await world.platform("POST", `/v1/calls/${id}/messages`, body);
    // A number that has too much to do takes no more for a while.
    if (status === 429) await new Promise((resolve) => setTimeout(resolve, 200));
    else taken(status);
  };
  const acts = one
    ? (/** @type {number} */ n) => (n % 4 === 0 ? text("c-open", n) : world.text(CALLER, `Answer ${n}`))
    : async (/** @type {number} */ n) => {
        const id = `c-${n}`;
        const caller = `+1206${String(5_560_000 + (n % 9_000)).padStart(7, "0")}`;
        await call(world, id, { caller });
        for (let m = 0; m < 3; m += 1) await text(id, m);
        await world.text(caller, "Thank you");
        // As many as somebody may write within a call of an hour.
        if (n % 20 === 0) await text("c-open", n);
        taken((await world.platform("POST", `/v1/calls/${id}/end`, { reason: "agent_hangup" })).status);
      };
  let n = 0;
  const began = Date.now();
  /** @param {number} target */
  async function until_(target) {
    let over = false;
    const worker = async () => {
      while (!over) await acts((n += 1));
    };
    const workers = Array.from({ length: AT_ONCE }, worker);
    const failed = Promise.race(workers);
    await Promise.race([failed, until(async () => (await heard(list)) >= target, "the events", LONG_MS)]);
    over = true;
    await Promise.all(workers);
    // Until nothing comes any more.
    for (let before = -1; before !== (await heard(open)) + (await heard(list));) {
      before = (await heard(open)) + (await heard(list));
      await new Promise((resolve) => setTimeout(resolve, 3_000));
    }
  }
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    if (part > 0) await until_(Number(events) * part);
    const secs = Math.round((Date.now() - began) / 1000);
    console.log(
      `after ${secs} s, ${await heard(open)} and ${await heard(list)} events: the call ${await weigh(open)}; the list ${await weigh(list)}`,
    );
  }
  await chrome.close();
  await world.close();
}

// The gateway that was started ends with the process, which an error alone does not end.
try {
  await (what === "live" ? measureLive() : measureHour(what === "hour-of-one"));
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(1);
}
