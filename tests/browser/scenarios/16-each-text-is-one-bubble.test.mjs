// A text is one bubble, whichever comes first: the event of it or the answer to it; and the same words twice are two.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, gateway, until } from "./gateway.mjs";
import { CALLER, bubbles, call, counted, desk, send, transcript, under } from "./desk.mjs";

/** @type {Awaited<ReturnType<typeof gateway>>} */
let door;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {import("playwright-core").Page} */
let page;
/** Answers to sends that are held back, in the order of the sends. @type {Array<() => Promise<void>>} */
let held = [];

before(async () => {
  door = await gateway({ directory: desk() });
  chrome = await browser();
  await call(door, "c-1");
  page = await chrome.page(await door.link(), { path: "/calls/c-1" });
  await page.locator("off-composer textarea").waitFor();
});
after(async () => {
  await door?.close();
  await chrome?.close();
});

/** From now on the answers to sends wait until somebody lets them go. */
async function hold() {
  held = [];
  await page.route(/\/messages$/, async (route) => {
    if (route.request().method() !== "POST") return route.continue();
    const response = await route.fetch();
    assert.equal(response.status(), 202);
    held.push(() => route.fulfill({ response }));
  });
}

/** Phone, gateway, this page and one that is loaded afresh have the text so many times. @param {string} text @param {number} times */
async function everywhere(text, times) {
  const onPhone = () => door.arrived(CALLER).filter((one) => one.text === text).length;
  await until(
    () => onPhone() >= times,
    () => `${onPhone()} of ${times} on the phone`,
  );
  await counted(bubbles(page, text), times);
  assert.equal((await transcript(door, "c-1")).filter((one) => one.text === text).length, times);
  await page.reload();
  await bubbles(page, text).first().waitFor();
  await counted(bubbles(page, text), times);
  assert.equal(onPhone(), times);
}

test("r48 an event that is faster than the answer makes no second bubble", async () => {
  await hold();
  await send(page, "the event is faster");
  await under(page, "the event is faster").getByText("Delivered").waitFor();
  await until(() => held.length === 1, "the answer is held back");
  await counted(bubbles(page, "the event is faster"), 1);
  await held[0]();
  // The answer, which says queued, takes nothing back.
  await send(page, "the next one");
  await under(page, "the next one").getByText("Delivered").waitFor();
  await counted(bubbles(page, "the event is faster"), 1);
  await under(page, "the event is faster").getByText("Delivered").waitFor();
  await page.unroute(/\/messages$/);
  await everywhere("the event is faster", 1);
});

test("r48 the same words sent twice at once are two bubbles and two texts", async () => {
  await send(page, "ok");
  await send(page, "ok");
  await until(async () => (await bubbles(page, "ok").count()) >= 2, "two bubbles");
  for (const at of [0, 1]) await under(page, "ok").nth(at).getByText("Delivered").waitFor();
  await everywhere("ok", 2);
});

test("r48 answers in the wrong order leave two bubbles in the right one", async () => {
  await hold();
  await send(page, "twice");
  await until(() => held.length === 1, "the first is on its way");
  await send(page, "twice");
  await until(() => held.length === 2, "the second is on its way");
  for (const at of [0, 1]) await under(page, "twice").nth(at).getByText("Delivered").waitFor();
  await counted(bubbles(page, "twice"), 2);
  await held[1]();
  await held[0]();
  await page.unroute(/\/messages$/);
  await send(page, "a third");
  await under(page, "a third").getByText("Delivered").waitFor();
  const ids = () => page.locator("off-conversation .m", { hasText: "twice" }).evaluateAll((all) => all.map((one) => one.dataset.id));
  const mine = (await transcript(door, "c-1")).filter(({ text }) => text === "twice").map(({ id }) => id);
  assert.deepEqual(await ids(), mine);
  await everywhere("twice", 2);
  assert.deepEqual(await ids(), mine);
});

test("r3 r12 the same words of the caller twice are two bubbles", async () => {
  await Promise.all([door.text(CALLER, "yes"), door.text(CALLER, "yes")]);
  await until(async () => (await bubbles(page, "yes").count()) >= 2, "two bubbles");
  await page.reload();
  await bubbles(page, "yes").first().waitFor();
  await counted(bubbles(page, "yes"), 2);
  assert.equal((await transcript(door, "c-1")).filter((one) => one.text === "yes").length, 2);
});
