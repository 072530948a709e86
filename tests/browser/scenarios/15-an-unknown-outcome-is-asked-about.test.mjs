// A gateway that answers nothing, or that its disk does not know: the page says so, asks again by the same key, and ends
// with one state.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { browser, gateway, until } from "./gateway.mjs";
import { CALLER, bubbles, call, counted, desk, send, transcript, under } from "./desk.mjs";

/** Longer than a page waits for an answer. */
const NO_ANSWER_MS = 16_000;
/** Longer than the gateway waits for its disk before it says 504. */
const SYNC_SECS = 12;

/** @type {Awaited<ReturnType<typeof gateway>>} */
let door;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {import("playwright-core").Page} */
let page;
/** Keys of the sends that left the page, by text. @type {Map<string, string[]>} */
const keys = new Map();
/** What the page heard of its sends. @type {number[]} */
const heard = [];

before(async () => {
  door = await gateway({ directory: desk() });
  chrome = await browser();
  await call(door, "c-1");
  page = await chrome.page(await door.link(), { path: "/me" });
  await page.clock.install();
  await page.goto(`${door.origin}/calls/c-1`);
  const isSend = (/** @type {import("playwright-core").Request} */ request) =>
    request.method() === "POST" && request.url().endsWith("/messages");
  page.on("request", (request) => {
    if (!isSend(request)) return;
    const { text } = JSON.parse(request.postData() ?? "{}");
    keys.set(text, [...(keys.get(text) ?? []), request.headers()["idempotency-key"] ?? "none"]);
  });
  page.on("response", (response) => isSend(response.request()) && heard.push(response.status()));
  await page.locator("off-composer textarea").waitFor();
});
after(async () => {
  await door?.close();
  await chrome?.close();
});

/** The text came to one state, by one key, in one bubble, and to the phone once. @param {string} text */
async function cameToOne(text) {
  await under(page, text).getByText("Delivered").waitFor();
  await until(() => (keys.get(text) ?? []).length >= 2, "it was asked about");
  const used = keys.get(text) ?? [];
  assert.deepEqual([...new Set(used)], [used[0]], "by the same key");
  await send(page, `after ${text}`);
  await under(page, `after ${text}`).getByText("Delivered").waitFor();
  await until(() => door.arrived(CALLER).some((one) => one.text === `after ${text}`), "the phone has the one after it");
  assert.equal(door.arrived(CALLER).filter((one) => one.text === text).length, 1, "the phone has it once");
  assert.equal((await transcript(door, "c-1")).filter((one) => one.text === text).length, 1, "the gateway has it once");
  await counted(bubbles(page, text), 1);
  await page.reload();
  await bubbles(page, text).first().waitFor();
  await counted(bubbles(page, text), 1);
  assert.equal(await page.getByText("Not known yet").count(), 0);
}

test("r7 r48 without an answer a text is not known yet and then has one state", async () => {
  const stopped = door.pid();
  process.kill(stopped, "SIGSTOP");
  try {
    await send(page, "into a silence");
    await under(page, "into a silence").getByText("Sending").waitFor();
    await page.clock.fastForward(NO_ANSWER_MS);
    await under(page, "into a silence").getByText("Not known yet").waitFor();
    await page.clock.fastForward(NO_ANSWER_MS);
    await until(() => (keys.get("into a silence") ?? []).length >= 2, "it is asked about while nobody answers");
    await counted(bubbles(page, "into a silence"), 1);
  } finally {
    process.kill(stopped, "SIGCONT");
  }
  await cameToOne("into a silence");
});

/** Makes every sync of a process slow until `end`; null where nobody may trace it. @param {number} process_ */
async function slowDisk(process_) {
  const words = ["-f", "-qq", "-e", "trace=fdatasync", "-e", `inject=fdatasync:delay_exit=${SYNC_SECS}000000`];
  const tracer = spawn("strace", [...words, "-o", "/dev/null", "-p", String(process_)], { stdio: "ignore" });
  let over = false;
  for (const end of ["error", "exit"]) tracer.once(end, () => (over = true));
  const traces = () => new RegExp(`^TracerPid:\\s*${tracer.pid}$`, "m").test(readFileSync(`/proc/${process_}/status`, "utf8"));
  await until(() => over || traces(), "the disk is slow, or cannot be made so");
  if (over) return null;
  return async () => {
    // Asked, it lets the process go; killed, it would leave a system call undone.
    const gone = new Promise((resolve) => tracer.once("exit", resolve));
    tracer.kill("SIGINT");
    await gone;
  };
}

test("r7 r48 a 504 of a gateway whose disk stands still becomes one state", async (t) => {
  const end = await slowDisk(door.pid());
  if (!end) return t.skip("SKIPPED: strace is missing or may not trace: install it, and run this as root");
  try {
    await send(page, "into a slow disk");
    await until(() => heard.includes(504), "the gateway does not know");
    await under(page, "into a slow disk").getByText("Not known yet").waitFor();
    await counted(bubbles(page, "into a slow disk"), 1);
  } finally {
    await end();
  }
  await cameToOne("into a slow disk");
});
