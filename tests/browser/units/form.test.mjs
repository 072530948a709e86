import assert from "node:assert/strict";
import { test } from "node:test";
import { Form, at, merge, withAt } from "../../../src/http/console/web/live/form.js";

const base = { in_call_sms: true, closing: { enabled: true, texts: { en: "Bye", it: "Ciao" } }, call_types: ["inbound_ivr"] };

/** What I wrote into fields of a document, by path. @param {any} doc @param {Record<string, unknown>} values */
const wrote = (doc, values) => new Map(Object.entries(values).map(([path, value]) => [path, { value, base: at(doc, path) }]));

test("a field that only I changed stays mine, one that only they changed is theirs", () => {
  const theirs = withAt(base, "closing.texts.it", "Arrivederci");
  const found = merge(theirs, wrote(base, { "closing.texts.en": "Goodbye" }));
  assert.deepEqual([[...found.mine], found.conflicts], [[["closing.texts.en", { value: "Goodbye", base: "Bye" }]], []]);
});

test("a field that both changed is to be chosen, unless both say the same", () => {
  const theirs = withAt(base, "in_call_sms", false);
  assert.deepEqual(merge(theirs, wrote(base, { in_call_sms: false })), { mine: new Map(), conflicts: [] });
  const texts = withAt(base, "closing.texts.en", "Farewell");
  assert.deepEqual(merge(texts, wrote(base, { "closing.texts.en": "Goodbye" })).conflicts, [
    { path: "closing.texts.en", base: "Bye", mine: "Goodbye", theirs: "Farewell" },
  ]);
});

test("a list is one value", () => {
  const theirs = withAt(base, "call_types", ["inbound_ivr", "callback"]);
  assert.equal(merge(theirs, wrote(base, { call_types: ["web"] })).conflicts.length, 1);
});

test("a path can be added and taken away", () => {
  assert.equal(at(withAt(base, "auto_reply.texts.fr", "Salut"), "auto_reply.texts.fr"), "Salut");
  assert.deepEqual(withAt(base, "closing.texts.it", undefined).closing.texts, { en: "Bye" });
  assert.equal(base.closing.texts.it, "Ciao");
});

/** A gateway with one resource. @param {any} doc */
function gateway(doc) {
  const state = { doc, version: 1, puts: /** @type {any[]} */ ([]), before: () => {}, after: () => {} };
  globalThis.fetch = /** @type {any} */ (
    async (/** @type {string} */ _path, /** @type {any} */ init) => {
      const tag = () => `"${state.version}"`;
      if (init.method === "PUT") {
        state.before();
        if (init.headers.get("If-Match") !== tag())
          return new Response(JSON.stringify({ code: "precondition_failed", detail: "" }), { status: 412 });
        state.doc = JSON.parse(init.body);
        state.version += 1;
        state.puts.push(state.doc);
      }
      const answer = new Response(JSON.stringify(state.doc), { headers: { ETag: tag() } });
      if (init.method === "PUT") state.after();
      return answer;
    }
  );
  return state;
}

test("r38 nothing is sent before Set, and Set sends one card's fields only", async () => {
  const there = gateway(base);
  const form = new Form("/v1/settings");
  await form.load();
  form.set("in_call_sms", false);
  form.set("closing.texts.en", "Goodbye");
  assert.equal(there.puts.length, 0);
  assert.ok(await form.save(["in_call_sms"]));
  assert.deepEqual(there.puts, [{ ...base, in_call_sms: false }]);
  assert.ok(form.isDirty(["closing"]) && !form.isDirty(["in_call_sms"]));
  form.set("closing.texts.en", "Bye");
  assert.ok(!form.isDirty());
});

test("a lost race merges different fields and sends again", async () => {
  const there = gateway(base);
  const form = new Form("/v1/settings");
  await form.load();
  form.set("closing.texts.en", "Goodbye");
  there.doc = withAt(there.doc, "in_call_sms", false);
  there.version += 1;
  assert.equal((await form.save())?.merged, true);
  assert.deepEqual([there.doc.in_call_sms, there.doc.closing.texts.en], [false, "Goodbye"]);
});

test("a lost race over one field loses nobody's work", async () => {
  const there = gateway(base);
  const form = new Form("/v1/settings");
  await form.load();
  form.set("closing.texts.en", "Goodbye");
  there.doc = withAt(there.doc, "closing.texts.en", "Farewell");
  there.version += 1;
  assert.equal(await form.save(), null);
  assert.deepEqual(
    [form.conflicts[0].theirs, form.value("closing.texts.en"), there.doc.closing.texts.en],
    ["Farewell", "Goodbye", "Farewell"],
  );
  form.choose(form.conflicts[0], "mine");
  assert.ok(await form.save());
  assert.equal(there.doc.closing.texts.en, "Goodbye");
});

/** Somebody else changes a field meanwhile. @param {ReturnType<typeof gateway>} there @param {string} path @param {unknown} value */
function bruno(there, path, value) {
  there.doc = withAt(there.doc, path, value);
  there.version += 1;
}

test("a lost race of one card raises what both changed in another", async () => {
  const there = gateway({ ...base, parent: null });
  const form = new Form("/v1/settings");
  await form.load();
  form.set("closing.texts.en", "Goodbye");
  form.set("in_call_sms", false);
  form.set("parent", "a");
  bruno(there, "closing.texts.en", "Farewell");
  bruno(there, "parent", "b");
  assert.equal((await form.save(["in_call_sms"]))?.merged, true);
  const paths = () => form.conflicts.map(({ path }) => path);
  assert.deepEqual(paths(), ["closing.texts.en", "parent"]);
  assert.equal(await form.save(["closing"]), null, "nothing goes out before the choice");
  assert.equal(there.doc.closing.texts.en, "Farewell");
  form.reset(["parent"]);
  assert.deepEqual([paths(), form.value("parent")], [["closing.texts.en"], "b"]);
  // Mine is what stands in the field by now.
  form.set("closing.texts.en", "Goodbye, and thank you");
  form.choose(form.conflicts[0], "mine");
  assert.ok(await form.save(["closing"]));
  assert.equal(there.doc.closing.texts.en, "Goodbye, and thank you");
});

test("what both changed is raised by a load too and again once it is newer", async () => {
  const there = gateway(base);
  const form = new Form("/v1/settings");
  await form.load();
  form.set("closing.texts.en", "Goodbye");
  form.set("in_call_sms", false);
  for (const theirs of ["Farewell", "So long"]) {
    bruno(there, "closing.texts.en", theirs);
    await form.load();
    assert.deepEqual(
      form.conflicts.map(({ path, theirs }) => [path, theirs]),
      [["closing.texts.en", theirs]],
    );
    form.choose(form.conflicts[0], "mine");
    assert.deepEqual([form.conflicts, form.value("closing.texts.en")], [[], "Goodbye"]);
  }
});

test("what is typed while a Set is under way stays on top of what was sent", async () => {
  const there = gateway(base);
  const form = new Form("/v1/settings");
  await form.load();
  form.set("closing.texts.en", "Goodbye");
  form.set("in_call_sms", false);
  there.before = () => form.set("closing.texts.en", "Goodbye, and thank you");
  assert.ok(await form.save());
  assert.equal(there.doc.closing.texts.en, "Goodbye");
  assert.deepEqual(
    [form.value("closing.texts.en"), form.isDirty(["closing"]), form.isDirty(["in_call_sms"]), form.conflicts],
    ["Goodbye, and thank you", true, false, []],
  );
  there.before = () => {};
  assert.ok(await form.save());
  assert.equal(there.doc.closing.texts.en, "Goodbye, and thank you");
});

test("a change heard of during a save is looked at after it unless it is the save", async () => {
  const there = gateway(base);
  const form = new Form("/v1/settings");
  await form.load();
  form.set("in_call_sms", false);
  there.before = () => void form.hear("anna", '"2"');
  assert.ok(await form.save());
  const changes = [];
  form.addEventListener("change", () => changes.push(form.value("closing.texts.en")));
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(changes, [], "nothing was loaded");
  form.set("in_call_sms", true);
  there.before = () => {};
  there.after = () => {
    bruno(there, "closing.texts.en", "Farewell");
    void form.hear("bruno", '"4"');
  };
  assert.ok(await form.save());
  await new Promise((resolve) => form.addEventListener("change", resolve, { once: true }));
  assert.equal(form.value("closing.texts.en"), "Farewell");
});

test("another's change is taken up where nothing is edited, and announced elsewhere", async () => {
  const there = gateway(base);
  const form = new Form("/v1/settings");
  await form.load();
  there.doc = withAt(there.doc, "in_call_sms", false);
  there.version += 1;
  await form.hear("bruno", '"2"');
  assert.equal(form.value("in_call_sms"), false);
  form.set("in_call_sms", true);
  there.doc = withAt(there.doc, "max_wait_ms", 12_000);
  there.version += 1;
  await form.hear("bruno", '"3"');
  assert.deepEqual([form.changedBy, form.value("in_call_sms")], ["bruno", true]);
  // Discarded, it shows what is there now.
  form.reset();
  await new Promise((resolve) => form.addEventListener("change", resolve, { once: true }));
  assert.deepEqual([form.changedBy, form.value("in_call_sms"), form.value("max_wait_ms")], [null, false, 12_000]);
});

test("a refusal keeps what was written and stands at its field", async () => {
  const form = new Form("/v1/queues/a");
  gateway({ name: "A", inbound_numbers: [] });
  await form.load();
  form.set("inbound_numbers", ["+12065550101"]);
  globalThis.fetch = async () =>
    new Response(
      JSON.stringify({
        code: "inbound_number_taken",
        detail: "of Sales",
        errors: [{ field: "inbound_numbers[0]", code: "inbound_number_taken", detail: "of Sales" }],
      }),
      { status: 409 },
    );
  assert.equal(await form.save(), null);
  assert.equal(form.wrong("inbound_numbers")?.code, "inbound_number_taken");
  assert.deepEqual(form.value("inbound_numbers"), ["+12065550101"]);
  form.set("name", "Another");
  assert.equal(form.wrong("inbound_numbers")?.code, "inbound_number_taken");
  form.set("inbound_numbers", []);
  assert.equal(form.problem, null, "it was about what stood there before");
});

test("a refusal of one card is of that card whatever becomes of another", async () => {
  const there = gateway(base);
  const form = new Form("/v1/settings");
  await form.load();
  form.set("closing.texts.en", "Goodbye");
  form.set("in_call_sms", false);
  const works = globalThis.fetch;
  globalThis.fetch = async () => new Response(JSON.stringify({ code: "text_too_long", detail: "shorter" }), { status: 422 });
  assert.equal(await form.save(["closing"]), null);
  globalThis.fetch = works;
  const codes = () => [["closing"], ["in_call_sms"]].map((under) => form.problemUnder(under)?.code ?? null);
  assert.deepEqual(codes(), ["text_too_long", null]);
  assert.ok(await form.save(["in_call_sms"]));
  assert.deepEqual([codes(), there.doc.in_call_sms], [["text_too_long", null], false]);
  form.reset(["in_call_sms"]);
  assert.deepEqual(codes(), ["text_too_long", null]);
  form.reset(["closing"]);
  assert.equal(form.problem, null);
});
