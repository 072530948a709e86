import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "../../../src/http/console/web/live/api.js";
import { Outbox } from "../../../src/http/console/web/live/outbox.js";

/** A storage like the browser's. */
function storage() {
  const items = new Map();
  return {
    items,
    getItem: (/** @type {string} */ k) => items.get(k) ?? null,
    setItem: (/** @type {string} */ k, /** @type {string} */ v) => void items.set(k, v),
    removeItem: (/** @type {string} */ k) => void items.delete(k),
  };
}

/** @param {Array<Problem | object>} answers @param {ReturnType<typeof storage>} kept */
function outbox(answers, kept = storage()) {
  const seen = {
    actions: /** @type {string[]} */ ([]),
    keys: /** @type {any[]} */ ([]),
    back: /** @type {any[]} */ ([]),
    waits: /** @type {number[]} */ ([]),
  };
  const post = async (/** @type {string} */ _m, /** @type {string} */ _p, /** @type {any} */ options) => {
    seen.keys.push(options.key);
    const answer = answers.shift();
    if (answer instanceof Problem) throw answer;
    return /** @type {any} */ ({ data: answer });
  };
  const wait = async (/** @type {number} */ ms) => void seen.waits.push(ms);
  const box = new Outbox(
    "c-1",
    (action) => seen.actions.push(action.do),
    (content, problem) => seen.back.push([content, problem.code]),
    { storage: kept, post, wait },
  );
  return { box, seen, kept };
}
const shown = { agent: "a", text: "Hi", kind: "custom" };

test("an accepted text is forgotten", async () => {
  const { box, seen, kept } = outbox([{ id: "m" }]);
  await box.send({ text: "Hi" }, shown);
  assert.deepEqual([seen.actions, kept.items.size], [["send", "accepted"], 0]);
});

test("a text of unknown fate is asked about once the gateway is there again", async () => {
  const answers = [new Problem(0, { code: "network" }), { id: "m" }];
  const post = async () => {
    const answer = answers.shift();
    if (answer instanceof Problem) throw answer;
    return /** @type {any} */ ({ data: answer });
  };
  const actions = /** @type {string[]} */ ([]);
  const box = new Outbox(
    "c-1",
    (action) => actions.push(action.do),
    () => assert.fail("it came back"),
    { storage: storage(), post },
  );
  // No time passes.
  const before = globalThis.setTimeout;
  globalThis.setTimeout = /** @type {any} */ (() => 0);
  const sent = box.send({ text: "Hi" }, shown);
  await new Promise((resolve) => setImmediate(resolve));
  globalThis.setTimeout = before;
  assert.deepEqual(actions, ["send", "unknown"]);
  box.retry();
  await sent;
  assert.deepEqual(actions, ["send", "unknown", "accepted"]);
});

test("a refused text and a 503 give the text back", async () => {
  for (const [status, code] of /** @type {[number, string][]} */ ([
    [403, "opted_out"],
    [429, "rate_limited"],
    [503, "draining"],
  ])) {
    const { box, seen, kept } = outbox([new Problem(status, { code })]);
    await box.send({ text: "Hi" }, shown);
    assert.deepEqual([seen.actions, seen.back[0][1], seen.back[0][0].text, kept.items.size], [["send", "refused"], code, "Hi", 0]);
  }
});

test("a 504 asks again with the same key until there is an answer", async () => {
  const { box, seen } = outbox([new Problem(504, { code: "outcome_unknown" }), new Problem(0, { code: "network" }), { id: "m" }]);
  await box.send({ text: "Hi" }, shown);
  assert.equal(new Set(seen.keys).size, 1);
  assert.deepEqual([seen.actions, seen.keys.length], [["send", "unknown", "unknown", "accepted"], 3]);
});

test("a 503 says nothing of an earlier try whose outcome is unknown", async () => {
  const { box, seen } = outbox([new Problem(504, { code: "outcome_unknown" }), new Problem(503, { code: "draining" }), { id: "m" }]);
  await box.send({ text: "Hi" }, shown);
  assert.deepEqual([seen.actions.at(-1), seen.back], ["accepted", []]);
});

test("key and text survive a reload", async () => {
  const first = outbox([new Problem(0, { code: "network" })]);
  first.box.wait = () => new Promise(() => {});
  void first.box.send({ text: "Hi" }, shown);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const second = outbox([{ id: "m" }], first.kept);
  second.box.resume();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(second.seen.keys, first.seen.keys);
  assert.deepEqual([second.seen.actions, second.kept.items.size], [["send", "unknown", "accepted"], 0]);
});

/** An outbox whose answers are given by hand. @param {ReturnType<typeof storage>} kept */
function slow(kept) {
  /** @type {Array<(answer: Problem | object) => void>} */
  const answers = [];
  const found = outbox([], kept);
  found.box.post = () =>
    new Promise((resolve, reject) =>
      answers.push((answer) => (answer instanceof Problem ? reject(answer) : resolve(/** @type {any} */ ({ data: answer })))),
    );
  return { ...found, answers };
}
const soon = () => new Promise((resolve) => setTimeout(resolve, 5));

test("a text that is refused after its page was left comes back to the next", async () => {
  const kept = storage();
  const first = slow(kept);
  const sent = first.box.send({ text: "Hi" }, shown);
  first.box.stop();
  first.answers[0](new Problem(403, { code: "opted_out" }));
  await sent;
  assert.deepEqual(first.seen.back, [], "nobody looks there any more");
  const second = outbox([], kept);
  second.box.resume();
  assert.equal(second.seen.back.length, 1);
  assert.deepEqual([second.seen.back[0][0].text, second.seen.back[0][1], second.seen.keys], ["Hi", "opted_out", []]);
  const third = outbox([], kept);
  third.box.resume();
  assert.deepEqual([third.seen.back, kept.items.size], [[], 0], "it comes back once");
});

test("a text that two pages wait for comes back once and is not sent again", async () => {
  const refused = new Problem(403, { code: "opted_out" });
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    const kept = storage();
    const pages = [slow(kept), slow(kept)];
    void pages[0].box.send({ text: "Hi" }, shown);
    pages[0].box.stop();
    pages[1].box.resume();
    for (const page of order) {
      pages[page].answers[0](refused);
      await soon();
    }
    assert.deepEqual([pages[0].seen.back.length, pages[1].seen.back.length, kept.items.size], [0, 1, 0], `${order}`);
  }
  // The later page waits for another try when the earlier one hears of the refusal.
  const kept = storage();
  const pages = [slow(kept), slow(kept)];
  void pages[0].box.send({ text: "Hi" }, shown);
  pages[0].box.stop();
  let wake = () => {};
  pages[1].box.wait = () => new Promise((resolve) => (wake = () => resolve(undefined)));
  pages[1].box.resume();
  pages[1].answers[0](new Problem(409, { code: "idempotency_in_progress" }));
  await soon();
  pages[0].answers[0](refused);
  await soon();
  wake();
  await soon();
  assert.deepEqual([pages[1].answers.length, pages[1].seen.back.length, kept.items.size], [1, 1, 0]);
});

test("a page that was left takes no text of the next from the list", async () => {
  const kept = storage();
  const first = slow(kept);
  const sent = first.box.send({ text: "one" }, shown);
  first.box.stop();
  const second = slow(kept);
  void second.box.send({ text: "two" }, shown);
  first.answers[0]({ id: "m" });
  await sent;
  assert.deepEqual(
    JSON.parse(kept.items.get("offhook.outbox.c-1") ?? "").map((/** @type {any} */ { body }) => body.text),
    ["two"],
  );
});

test("two texts have two keys", async () => {
  const { box, seen } = outbox([{ id: "m" }, { id: "n" }]);
  await Promise.all([box.send({ text: "ok" }, shown), box.send({ text: "ok" }, shown)]);
  assert.equal(new Set(seen.keys).size, 2);
});
