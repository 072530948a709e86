import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const web = new URL("../../../src/http/console/web/", import.meta.url);
const { en } = await import(new URL("words/en.js", web).href);
const { it } = await import(new URL("words/it.js", web).href);
const words = await import(new URL("words/words.js", web).href);
const { components } = JSON.parse(readFileSync(new URL("../../../docs/openapi.json", import.meta.url), "utf8"));

/** Codes of the console's door, which no route of the API has. */
const DOOR = ["wrong_host", "foreign_origin", "too_many_attempts"];

test("every language has the same keys, and the same values in each sentence", () => {
  assert.deepEqual(Object.keys(it).sort(), Object.keys(en).sort());
  for (const [key, text] of Object.entries(en)) {
    const values = (/** @type {string} */ sentence) => [...new Set(sentence.match(/\{\w+\}/g) ?? [])].sort();
    assert.deepEqual(values(it[key]), values(/** @type {string} */ (text)), key);
    assert.equal(it[key].split(" | ").length, /** @type {string} */ (text).split(" | ").length, key);
    assert.ok(it[key].trim() !== "", key);
  }
});

test("every code of the closed list has a sentence in every language", () => {
  const codes = [...components.schemas.Problem.properties.code.enum, ...DOOR];
  assert.ok(codes.length > 60, `${codes.length} codes`);
  for (const words of [en, it])
    assert.deepEqual(
      codes.filter((code) => !words[`code.${code}`]),
      [],
    );
});

test("every state, kind, reason and scope of the contract has its word", () => {
  const groups = /** @type {const} */ ([
    ["state", "MessageState"],
    ["kind", "Kind"],
    ["reason", "MediumFailure"],
    ["waits", "WaitingFor"],
    ["waits", "LaneWaitsFor"],
    ["by", "OptOutBy"],
    ["timeline", "TimelineEvent"],
    ["outcome", "AttemptOutcome"],
    ["account.scope_", "Scope"],
    ["account", "AccountPauseReason"],
    ["number", "VerificationState"],
    ["unverified", "VerificationCode"],
  ]);
  for (const [group, schema] of groups) {
    const values =
      components.schemas[schema].enum ?? components.schemas[schema].oneOf.map((/** @type {any} */ one) => one.const ?? one.enum?.[0]);
    assert.ok(values.length > 1, schema);
    const key = (/** @type {string} */ value) => (group.endsWith("_") ? `${group}${value}` : `${group}.${value}`);
    for (const words of [en, it])
      assert.deepEqual(
        values.filter((/** @type {string} */ value) => !words[key(value)]),
        [],
        schema,
      );
  }
  const errors =
    "cancelled_call_ended cancelled_by_request opted_out landline number_invalid blocked unreachable carrier_rejected carrier_error too_late".split(
      " ",
    );
  for (const words of [en, it])
    assert.deepEqual(
      errors.filter((code) => !words[`problem.${code}`]),
      [],
    );
});

test("r32 r38 the exact words of the original stand", () => {
  assert.deepEqual(
    [en["number.verified"], it["number.verified"]],
    ["Verified for SMS messaging only", "Verificato solo per la messaggistica SMS"],
  );
  assert.deepEqual([en["set"], it["set"]], ["Set", "Imposta"]);
});

test("no sentence is left that nothing says", () => {
  const sources = ["app", "live", "pages", "parts"]
    .flatMap((folder) => readdirSync(new URL(`${folder}/`, web)).map((file) => readFileSync(new URL(`${folder}/${file}`, web), "utf8")))
    .join("\n");
  const byValue =
    /^(state|kind|code|problem|reason|waits|by|account|timeline|outcome|ended|not_ready|number|unverified|page|play|keys|mood)\./;
  assert.deepEqual(
    Object.keys(en).filter((key) => !byValue.test(key) && !sources.includes(`"${key}"`)),
    [],
  );
});

test("a refusal of a field is in the readers language before its English detail", async () => {
  const { refused, setLanguage } = await import(new URL("words/words.js", web).href);
  globalThis.document = /** @type {any} */ ({ documentElement: {} });
  const taken = { code: "inbound_number_taken", detail: "+12065550100 is inbound of Support" };
  const said = (/** @type {any} */ error) => {
    return ["en", "it"].map((code) => (setLanguage(code), refused(error)));
  };
  assert.deepEqual(said(taken), [
    [taken.detail, ""],
    [it["code.inbound_number_taken"], taken.detail],
  ]);
  assert.deepEqual(said({ code: "sun_too_low", detail: "wait" }), [
    ["wait", ""],
    ["wait", ""],
  ]);
  assert.deepEqual(said({ code: "sun_too_low", detail: "" }), [
    ["sun_too_low", ""],
    ["sun_too_low", ""],
  ]);
  assert.deepEqual(said({ code: "outbound_only", detail: "" }), [
    [en["code.outbound_only"], ""],
    [it["code.outbound_only"], ""],
  ]);
});

test("amounts and times are written as the readers language writes them", () => {
  const element = /** @type {any} */ ({ documentElement: {} });
  const before = globalThis.document;
  globalThis.document = element;
  words.setLanguage("it");
  assert.deepEqual([words.amount(0.025), words.duration(4_400), words.size(1_500_000)], ["0,025", "4,4 s", "1,5 MB"]);
  words.setLanguage("en");
  assert.deepEqual([words.amount(0.025), words.duration(4_400), words.size(1_500_000)], ["0.025", "4.4 s", "1.5 MB"]);
  globalThis.document = before;
});
