import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isBlank, measure, withPlainCharacters } from "../../../src/http/console/web/live/counter.js";

const vectors = JSON.parse(readFileSync(new URL("../../vectors/segments.json", import.meta.url), "utf8"));

test("a28 the counter counts as the carrier's calculator", () => {
  // Sends say that no character is to be replaced.
  const plain = vectors.filter((/** @type {any} */ vector) => !vector.smart_encoding);
  assert.ok(plain.length >= 50, `${plain.length} vectors`);
  for (const { name, text, encoding, segments, units } of plain) {
    const found = measure(text);
    const label = found.encoding === "gsm7" ? "GSM-7" : "UCS-2";
    assert.deepEqual([label, found.segments, found.units], [encoding, segments, units], name);
  }
});

test("a43 characters are Unicode scalar values, and 919 are too many", () => {
  assert.equal(measure("a😀ç").characters, 3);
  assert.equal(measure("😀".repeat(918)).overLimit, false);
  assert.equal(measure("a".repeat(919)).overLimit, true);
});

test("r46 the characters that make a text Unicode are named once each", () => {
  assert.deepEqual(measure("Mi mandi “quello piccolo” “ora”").guilty, ["“", "”"]);
  assert.deepEqual(measure("è à ù €[]").guilty, []);
  assert.equal(measure(withPlainCharacters("“ora” — …")).encoding, "gsm7");
});

test("half a surrogate pair counts as the replacement character", () => {
  for (const half of ["\ud83d", "\ude00", "\ude00\ud83d"]) {
    const found = measure(half);
    assert.deepEqual([found.encoding, found.units, found.characters], ["ucs2", half.length, half.length]);
  }
});

test("room says what fits before the next segment begins", () => {
  assert.equal(measure("").room, 160);
  assert.equal(measure("a".repeat(160)).room, 0);
  assert.deepEqual([measure("a".repeat(161)).segments, measure("a".repeat(161)).room], [2, 145]);
  assert.equal(measure("ç").room, 69);
});

test("a text without a visible character is blank", () => {
  for (const text of ["", " \n", "\u200b", "\ufeff\u2060", "\u00ad", "\u0000\u007f", "\u3164", "\u2800"]) assert.ok(isBlank(text));
  for (const text of [".", "\u200ba", "👍", "\u0301", "\ufffd"]) assert.ok(!isBlank(text));
});
