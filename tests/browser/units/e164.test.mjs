import assert from "node:assert/strict";
import { test } from "node:test";
import { readNumber, showNumber } from "../../../src/http/console/web/live/e164.js";

test("r26 a number is read in any dress", () => {
  for (const [pasted, number] of [
    ["+12065550104", "+12065550104"],
    [" +1 (206) 555-0104 ", "+12065550104"],
    ["tel:+1-206-555-0104;ext=4", "+12065550104"],
    ["0039 347 123 4567", "+393471234567"],
    ["+44 (0)20 7946 0018", "+442079460018"],
    ["\u202d+1\u00a0206\u2011555\u20110104\u202c", "+12065550104"],
    ["＋１２０６５５５０１０４", "+12065550104"],
  ]) {
    assert.deepEqual(readNumber(pasted), { number, problem: null }, pasted);
  }
});

test("r26 a number without its country code is not guessed", () => {
  for (const [pasted, problem] of [
    ["", "empty"],
    ["(206) 555-0104", "no_code"],
    ["12065550104", "no_code"],
    ["+1 206 CALL NOW", "letters"],
    ["+12", "too_short"],
    ["+1234567890123456", "too_long"],
    ["+0123456789", "invalid"],
    ["+1206555#0104", "invalid"],
    ["++12065550104", "invalid"],
  ]) {
    assert.deepEqual(readNumber(pasted), { number: null, problem }, pasted);
  }
});

test("a number is shown in groups", () => {
  for (const [number, shown] of [
    ["+12065550142", "+1 206 555 0142"],
    ["+393471234567", "+39 347 123 4567"],
    ["+442079460018", "+44 207 946 0018"],
    ["+35312345678", "+353 123 456 78"],
    ["anonymous", "anonymous"],
  ]) {
    assert.equal(showNumber(number), shown);
  }
});
