import assert from "node:assert/strict";
import { test } from "node:test";
import { ENTRIES_MAX, mayFollow, newestFirst, nothingYet, reduce } from "../../../src/http/console/web/live/reducer.js";

/** @param {string} id @param {string} state @param {object} [more] @returns {any} */
const message = (id, state, more = {}) => ({
  id,
  call_id: "c-1",
  direction: state === "received" ? "inbound" : "outbound",
  kind: "custom",
  state,
  encoding: "gsm7",
  segments: 1,
  warnings: [],
  media: [],
  client_ref: null,
  error: null,
  created_at: "2026-11-30T10:00:00.000Z",
  ...more,
});
/** @param {object} [more] @returns {any} */
const call = (more = {}) => ({ id: "c-1", state: "active", queue: "support", ...more });
let count = 0;
/** @param {string} type @param {any} data @param {number | null} [sequence] @returns {any} */
const event = (type, data, sequence = null) => ({
  do: "event",
  event: { id: `evt_${++count}`, cursor: `${count}`, call_sequence: sequence, type, at: "2026-11-30T10:00:09.000Z", call_id: "c-1", data },
});
/** @param {any[]} actions */
const after = (...actions) => actions.reduce((state, action) => reduce(state, action), nothingYet());
/** @param {any} state */
const states = (state) => state.entries.map((/** @type {any} */ entry) => entry.progress ?? entry.message.state);

test("a54 states only move forward", () => {
  const forward = ["queued", "sending", "sent", "delivered"];
  forward.forEach((from, at) => forward.forEach((to, then) => assert.equal(mayFollow(from, to), then > at, `${from} → ${to}`)));
});

test("a54 delivered, undelivered, failed and cancelled are final", () => {
  for (const final of ["delivered", "undelivered", "failed", "cancelled"]) {
    for (const to of ["queued", "sending", "sent", "unconfirmed", "expired", "delivered", "undelivered", "failed", "cancelled"]) {
      assert.equal(mayFollow(final, to), false, `${final} → ${to}`);
    }
  }
});

test("a54 unconfirmed and expired give way to a receipt, and to nothing before it", () => {
  for (const from of ["unconfirmed", "expired"]) {
    for (const to of ["delivered", "undelivered", "failed"]) assert.ok(mayFollow(from, to), `${from} → ${to}`);
    for (const to of ["queued", "sending", "sent"]) assert.ok(!mayFollow(from, to), `${from} → ${to}`);
  }
});

test("a54 events in any order, and twice, end in the same state", () => {
  const events = [
    event("message.queued", message("m", "queued", { text: "Hello" })),
    event("message.sent", message("m", "sent")),
    event("message.delivered", message("m", "delivered")),
  ];
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 2, 0],
    [2, 0, 1],
    [0, 0, 2, 1, 2],
  ]) {
    const state = after(...order.map((at) => events[at]));
    assert.deepEqual(states(state), ["delivered"], `${order}`);
    assert.equal(state.entries[0].message.text, "Hello", `${order}`);
  }
});

test("a state that the console does not know is shown", () => {
  assert.deepEqual(states(after(event("message.queued", message("m", "queued")), event("message.read", message("m", "read")))), ["read"]);
});

test("an unknown type of event changes nothing", () => {
  assert.deepEqual(after(event("lunar.eclipse", { id: "x" })).entries, []);
});

test("a text of ours is one bubble, whichever comes first: the answer or the event", () => {
  const sent = { do: "send", message: message("", "queued", { client_ref: "r", text: "Hi" }) };
  const queued = event("message.queued", message("m", "queued", { client_ref: "r", text: "Hi" }));
  const accepted = { do: "accepted", ref: "r", message: message("m", "queued", { client_ref: "r", text: "Hi" }) };
  for (const order of [
    [sent, queued, accepted],
    [sent, accepted, queued],
  ]) {
    const state = after(...order);
    assert.deepEqual(states(state), ["queued"]);
    assert.equal(state.entries[0].key, "r");
  }
});

test("the same text twice fast is two bubbles", () => {
  const send = (/** @type {string} */ ref) => ({ do: "send", message: message("", "queued", { client_ref: ref, text: "ok" }) });
  const queued = (/** @type {string} */ ref) => event("message.queued", message(`m-${ref}`, "queued", { client_ref: ref, text: "ok" }));
  assert.deepEqual(states(after(send("a"), send("b"), queued("b"), queued("a"))), ["queued", "queued"]);
  assert.deepEqual(states(after(send("a"), send("b"), queued("a"))), ["queued", "sending"]);
});

test("a refused text leaves the conversation, one that may have been taken stays", () => {
  const send = { do: "send", message: message("", "queued", { client_ref: "r" }) };
  assert.deepEqual(states(after(send, { do: "refused", ref: "r" })), []);
  assert.deepEqual(states(after(send, { do: "unknown", ref: "r" })), ["unknown"]);
  // The event was faster than the refusal of a later try: the message is there.
  const queued = event("message.queued", message("m", "queued", { client_ref: "r" }));
  assert.deepEqual(states(after(send, { do: "unknown", ref: "r" }, queued, { do: "refused", ref: "r" })), ["queued"]);
});

test("a snapshot that is older than the stream takes nothing back", () => {
  const state = after(event("call.ended", call({ state: "ended" }), 7), event("message.delivered", message("m", "delivered")), {
    do: "snapshot",
    call: call(),
    messages: [message("m", "sent", { text: "Hello" }), message("n", "received", { text: "Yes" })],
  });
  assert.equal(state.call?.state, "ended");
  assert.deepEqual(states(state), ["delivered", "received"]);
  assert.equal(state.entries[0].message.text, "Hello");
});

test("a call's overtaken event changes nothing", () => {
  const state = after(event("call.updated", call({ queue: "billing" }), 5), event("call.updated", call({ queue: "support" }), 4));
  assert.equal(state.call?.queue, "billing");
});

test("bubbles stand in the order in which the gateway took them", () => {
  const at = (/** @type {number} */ second) => ({ created_at: `2026-11-30T10:00:0${second}.000Z` });
  const send = { do: "send", message: message("", "queued", { client_ref: "r", ...at(1) }) };
  const state = after(
    send,
    event("message.received", message("b", "received", at(3))),
    event("message.received", message("a", "received", at(2))),
  );
  assert.deepEqual(
    state.entries.map((entry) => entry.message.id),
    ["a", "b", ""],
  );
});

test("a text of ours takes the place that the gateway gave it", () => {
  const at = (/** @type {number} */ second) => ({ created_at: `2026-11-30T10:00:0${second}.000Z` });
  const send = { do: "send", message: message("", "queued", { client_ref: "r", ...at(9) }) };
  const state = after(send, event("message.received", message("b", "received", at(3))), {
    do: "accepted",
    ref: "r",
    message: message("m", "queued", { client_ref: "r", ...at(2) }),
  });
  assert.deepEqual(
    state.entries.map((entry) => [entry.key, entry.message.id]),
    [
      ["r", "m"],
      ["b", "b"],
    ],
  );
});

test("a51 a medium goes from pending to ready, and not back", () => {
  const pending = { id: "med_1", state: "pending", content_type: "image/jpeg" };
  const ready = { id: "med_1", state: "ready", content_type: "image/jpeg", bytes: 9, url: "/v1/media/med_1" };
  const received = event("message.received", message("m", "received", { media: [pending] }));
  const state = after(received, event("media.ready", { message_id: "m", medium: ready }), {
    do: "snapshot",
    call: call(),
    messages: [message("m", "received", { media: [pending] })],
  });
  assert.equal(state.entries[0].message.media[0].state, "ready");
});

test("r52 a late text does not belong to the call", () => {
  const at = "2026-11-30T10:05:00.000Z";
  const late = event("message.late", { from: "+12065550142", to: "+12065550100", at, auto_replied: true, last_call_id: "c-1" });
  const state = after(late, event("call.updated", call(), 3), late);
  assert.deepEqual(state.entries, []);
  assert.deepEqual(state.late, [{ id: late.event.id, at, autoReplied: true }], "it is told of once");
});

test("an event that comes again changes nothing, and leaves nothing behind", () => {
  const events = [
    event("call.started", call(), 1),
    event("message.received", message("m", "received", { text: "", media: [{ id: "med_1", state: "pending", content_type: null }] }), 2),
    event("media.ready", { message_id: "m", medium: { id: "med_1", state: "ready", content_type: "image/jpeg", bytes: 9 } }, 3),
    event("message.sent", message("n", "sent", { text: null }), 4),
  ];
  const once = after(...events);
  assert.deepEqual(after(...events, ...events), once);
  // An hour of events of other kinds takes no memory.
  assert.equal(reduce(once, event("lunar.eclipse", {})), once);
});

test("events of one millisecond stand in the order in which the call had them", () => {
  const all = [event("call.started", call(), 1), event("message.queued", {}, 2), event("message.sent", {}, 3)].map(({ event }) => event);
  const later = { ...event("directory.changed", {}).event, at: "2026-11-30T10:00:10.000Z", call_id: null };
  for (const list of [[...all, later], [later, ...all].reverse()])
    assert.deepEqual(
      list.toSorted(newestFirst).map(({ type }) => type),
      ["directory.changed", "message.sent", "message.queued", "call.started"],
    );
});

test("a text that expired or is hidden is not kept", () => {
  const first = event("message.queued", message("m", "queued", { text: "Hello" }));
  const gone = { do: "snapshot", call: call(), messages: [message("m", "delivered", { text: null, text_expired: true })] };
  assert.equal(after(first, gone).entries[0].message.text, null);
});

test("only the last messages of a long call are kept, with those under way", () => {
  const at = (/** @type {number} */ n) => new Date(1_000 * n).toISOString();
  const received = (/** @type {number} */ n) => message(`msg_${n}`, "received", { created_at: at(n) });
  const all = Array.from({ length: ENTRIES_MAX + 3 }, (_, n) => received(n + 1));
  const ids = (/** @type {any} */ state) => state.entries.map((/** @type {any} */ entry) => entry.message.id);
  let state = after({ do: "snapshot", call: call(), messages: all });
  assert.deepEqual([ids(state).length, ids(state)[0]], [ENTRIES_MAX, "msg_4"]);
  // One that is no longer kept does not come back by its receipt.
  state = reduce(state, event("message.delivered", message("msg_1", "delivered", { created_at: at(1) })));
  assert.deepEqual([ids(state).length, ids(state)[0]], [ENTRIES_MAX, "msg_4"]);
  state = reduce(state, { do: "send", message: message("", "queued", { client_ref: "r" }) });
  state = reduce(state, event("message.received", received(9_000)));
  assert.deepEqual([ids(state).length, ...ids(state).slice(-2)], [ENTRIES_MAX, "msg_9000", ""]);
});
