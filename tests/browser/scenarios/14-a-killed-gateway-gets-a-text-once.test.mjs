// The gateway is killed while a text is on its way to it: whether it had taken the text or not, the text goes once.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, gateway, until } from "./gateway.mjs";
import { CALLER, OUR_NUMBER, bubbles, call, counted, desk, send, transcript, under } from "./desk.mjs";

/** @type {Awaited<ReturnType<typeof gateway>>} */
let door;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {import("playwright-core").Page} */
let page;
/** Keys of the sends that left the page, by text. @type {Map<string, string[]>} */
const keys = new Map();
const isSend = (/** @type {URL} */ { pathname }) => pathname.endsWith("/messages");

before(async () => {
  door = await gateway({ directory: desk() });
  chrome = await browser();
  await call(door, "c-1");
  page = await chrome.page(await door.link(), { path: "/calls/c-1" });
  page.on("request", (request) => {
    if (request.method() !== "POST" || !isSend(new URL(request.url()))) return;
    const { text } = JSON.parse(request.postData() ?? "{}");
    keys.set(text, [...(keys.get(text) ?? []), request.headers()["idempotency-key"] ?? "none"]);
  });
  await page.locator("off-composer textarea").waitFor();
});
after(async () => {
  await door?.close();
  await chrome?.close();
});

const bar = () => page.getByText(/Live updates lost at/);

/** The text went once: to the carrier, into the transcript, onto the page, and onto one that is loaded afresh. @param {string} text */
async function wentOnce(text) {
  await under(page, text).getByText("Delivered").waitFor();
  const used = keys.get(text) ?? [];
  assert.ok(used.length >= 2, `it was sent again: ${used}`);
  assert.deepEqual([...new Set(used)], [used[0]], "by the same key");
  // A text after it has arrived: whatever the carrier was given before is there by now.
  await send(page, `after ${text}`);
  await under(page, `after ${text}`).getByText("Delivered").waitFor();
  await until(() => door.arrived(CALLER).some((one) => one.text === `after ${text}`), "the phone has the one after it");
  assert.equal(door.arrived(CALLER).filter((one) => one.text === text).length, 1, "the phone has it once");
  assert.equal((await transcript(door, "c-1")).filter((one) => one.text === text).length, 1, "the gateway has it once");
  await counted(bubbles(page, text), 1);
  await page.reload();
  await bubbles(page, text).first().waitFor();
  await counted(bubbles(page, text), 1);
}

test("r7 r48 a text that a killed gateway had taken goes once", async () => {
  // The number rests, so that the text is on disk and not yet with the carrier when the gateway dies.
  const rests = await door.platform("POST", `/v1/numbers/${OUR_NUMBER}/suspend`, { reason: "a test" });
  assert.equal(rests.status, 200);
  let taken = 0;
  await page.route(isSend, async (route) => {
    if (taken > 0) return route.continue();
    const answer = await route.fetch();
    assert.equal(answer.status(), 202);
    taken += 1;
    await door.kill();
    await route.abort("connectionreset");
  });
  await send(page, "taken before the kill");
  // The page has no answer; whether an event of the text came before the kill, nobody knows.
  await bar().waitFor();
  assert.equal(taken, 1);
  await counted(bubbles(page, "taken before the kill"), 1);
  const again = page.waitForResponse((response) => isSend(new URL(response.url())) && response.request().method() === "POST");
  await door.start();
  await bar().waitFor({ state: "detached" });
  await under(page, "taken before the kill").getByText("Waiting: suspended").waitFor();
  const replay = await again;
  assert.deepEqual([replay.status(), replay.headers()["idempotent-replay"]], [202, "true"]);
  await counted(bubbles(page, "taken before the kill"), 1);
  const goesOn = await door.platform("POST", `/v1/numbers/${OUR_NUMBER}/resume`);
  assert.equal(goesOn.status, 200);
  await wentOnce("taken before the kill");
  await page.unroute(isSend);
});

test("r7 r48 a text that a killed gateway never read goes once after a reload too", async () => {
  process.kill(door.pid(), "SIGSTOP");
  await send(page, "never read");
  await under(page, "never read").getByText("Sending").waitFor();
  await door.kill();
  await under(page, "never read").getByText("Not known yet").waitFor();
  await counted(bubbles(page, "never read"), 1);
  await door.start();
  // Key and text outlive the page.
  await page.reload();
  await wentOnce("never read");
});
