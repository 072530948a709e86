// A slow line, a time without any, and more tabs than a browser has connections: all of them show what there is.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, gateway, until } from "./gateway.mjs";
import { Line } from "./line.mjs";
import { CALLER, bubbles, call, counted, desk, send, transcript, under } from "./desk.mjs";

/** More than the six connections that a browser has for one host. */
const TABS = 8;

/** What the browser reaches the console by. @type {Line} */
let line;
/** @type {Awaited<ReturnType<typeof gateway>>} */
let door;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {import("playwright-core").Page} */
let page;
/** Requests for the stream of events that have not ended. @type {Set<import("playwright-core").Request>} */
const streams = new Set();

before(async () => {
  line = await new Line().open();
  door = await gateway({ directory: desk(), config: (text) => line.config(text) });
  chrome = await browser();
  await call(door, "c-1");
  await call(door, "c-2", { caller: "+12065550143" });
  await door.text(CALLER, "the first of all");
  page = await chrome.page(await door.link(), { path: "/me" });
  const isStream = (/** @type {import("playwright-core").Request} */ request) =>
    new URL(request.url()).pathname === "/v1/events" && request.headers().accept === "text/event-stream";
  const context = page.context();
  context.on("request", (request) => isStream(request) && streams.add(request));
  for (const end of /** @type {const} */ (["requestfinished", "requestfailed"]))
    context.on(/** @type {any} */ (end), (request) => streams.delete(request));
});
after(async () => {
  await door?.close();
  await chrome?.close();
  line?.close();
});

/** The page shows what the gateway has of the call, each once and in order. @param {import("playwright-core").Page} tab */
async function complete(tab) {
  const has = (await transcript(door, "c-1")).map(({ id }) => id);
  const shown = () => tab.locator("off-conversation .m").evaluateAll((all) => all.map((one) => one.dataset.id));
  await until(async () => (await shown()).length >= has.length, "all bubbles");
  assert.deepEqual(await shown(), has);
}

test("r3 r12 on a slow line the first bubble comes", async () => {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Network.enable");
  await cdp.send("Network.setCacheDisabled", { cacheDisabled: true });
  const slow = { offline: false, latency: 400, downloadThroughput: 50_000, uploadThroughput: 50_000 };
  await cdp.send("Network.emulateNetworkConditions", slow);
  const began = performance.now();
  await page.goto(`${line.address}/calls/c-1`, { waitUntil: "commit" });
  await bubbles(page, "the first of all").waitFor();
  console.log(`# first bubble at 400 kbit/s and 400 ms, nothing cached: ${Math.round(performance.now() - began)} ms`);
  await send(page, "over a slow line");
  await under(page, "over a slow line").getByText("Delivered").waitFor();
  await cdp.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  await cdp.send("Network.setCacheDisabled", { cacheDisabled: false });
  await cdp.detach();
  await complete(page);
});

test("r3 r12 after a time offline a page has caught up without gap or double", async () => {
  const context = page.context();
  await context.setOffline(true);
  line.cut();
  await page.getByText(/Live updates lost at/).waitFor();
  // Nothing that stood there vanishes.
  await counted(bubbles(page, "the first of all"), 1);
  for (let n = 1; n <= 5; n += 1) {
    await door.text(CALLER, `in while offline ${n}`);
    const { status } = await door.platform("POST", "/v1/calls/c-1/messages", { text: `out while offline ${n}`, agent: "agent-17" });
    assert.equal(status, 202);
  }
  await send(page, "written while offline");
  await under(page, "written while offline").getByText("Not known yet").waitFor();
  assert.equal(await page.getByText("while offline 1").count(), 0);
  line.mend();
  await context.setOffline(false);
  await page.getByText(/Live updates lost at/).waitFor({ state: "detached" });
  await under(page, "written while offline").getByText("Delivered").waitFor();
  for (let n = 1; n <= 5; n += 1) await under(page, `out while offline ${n}`).getByText("Delivered").waitFor();
  await complete(page);
  assert.equal(door.arrived(CALLER).filter(({ text }) => text === "written while offline").length, 1);
});

test("r12 a stream that went silent is left when the network is there again", async () => {
  line.hush();
  await door.text(CALLER, "into the silence");
  await page.context().setOffline(true);
  await page.context().setOffline(false);
  await bubbles(page, "into the silence").waitFor();
  await complete(page);
});

test("r3 r12 eight tabs all follow over one stream", async () => {
  const tabs = [page];
  while (tabs.length < TABS) {
    const tab = await page.context().newPage();
    await tab.goto(`${line.address}/calls/c-1`);
    await bubbles(tab, "the first of all").waitFor();
    tabs.push(tab);
  }
  await send(tabs[TABS - 1], "from the last tab");
  await door.text(CALLER, "to all tabs");
  for (const tab of tabs) {
    await under(tab, "from the last tab").getByText("Delivered").waitFor();
    await bubbles(tab, "to all tabs").waitFor();
    await complete(tab);
  }
  assert.equal(streams.size, 1, "streams");

  // Who reads the stream leaves: another takes over, and misses nothing.
  const [reader] = streams;
  const leaves = tabs.find((tab) => tab.mainFrame() === reader.frame());
  assert.ok(leaves, "one of the tabs reads");
  const left = tabs.filter((tab) => tab !== leaves);
  await leaves.close();
  streams.delete(reader);
  await door.text(CALLER, "to those that are left");
  for (const tab of left) {
    await bubbles(tab, "to those that are left").waitFor();
    await complete(tab);
  }
  assert.equal(streams.size, 1, "streams after one tab left");
});
