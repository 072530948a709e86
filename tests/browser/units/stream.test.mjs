import assert from "node:assert/strict";
import { test } from "node:test";
import { Live, backOff, parser } from "../../../src/http/console/web/live/stream.js";

const STREAM = 'retry: 2000\n: position\nid: c0\n\nid: c1\nevent: call.started\ndata: {"id":"evt_1"}\n\n: position\nid: c2\n\n';

test("a stream may be cut anywhere", () => {
  for (let size = 1; size < 20; size += 1) {
    const parse = parser();
    const found = [];
    for (let at = 0; at < STREAM.length; at += size) found.push(...parse(STREAM.slice(at, at + size)));
    assert.deepEqual(
      found.map(({ id, data }) => [id, data]),
      [
        ["c0", ""],
        ["c1", '{"id":"evt_1"}'],
        ["c2", ""],
      ],
      `pieces of ${size}`,
    );
  }
});

test("an event that is not whole is not an event", () => {
  assert.deepEqual(parser()('id: c1\ndata: {"id":'), []);
});

test("lines may end as they do on other systems", () => {
  assert.deepEqual(parser()("id: a\r\ndata: 1\r\ndata: 2\r\n\r\n"), [{ id: "a", data: "1\n2" }]);
});

test("what another tab hears while this one still loads is not missed", async () => {
  const { navigator } = globalThis;
  Object.defineProperty(globalThis, "navigator", { value: { locks: {} }, configurable: true });
  const live = new Live();
  const [leader, other] = ["anna", "bruno"].map((person) => new BroadcastChannel(`offhook-live-1 ${person}`));
  try {
    live.open("anna");
    const heard = new Promise((resolve) => live.addEventListener("event", (event) => resolve(/** @type {any} */ (event).detail.id)));
    // What a tab tells that is still open in somebody else's name is not this person's.
    other.postMessage({ is: "event", event: { id: "evt_0" }, cursor: "c0" });
    leader.postMessage({ is: "event", event: { id: "evt_1" }, cursor: "c1" });
    assert.equal(await heard, "evt_1");
  } finally {
    leader.close();
    other.close();
    live.close();
    Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  }
});

test("the back-off grows from 1 s to 30 s with jitter", () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 9].map((tries) => backOff(tries, 1)),
    [1000, 2000, 4000, 8000, 16000, 30000, 30000],
  );
  assert.equal(backOff(0, 0), 500);
});
