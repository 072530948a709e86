// Against a real gateway (OFFHOOK_UPSTREAM, OFFHOOK_TOKEN): the counter is the gateway's own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { measure } from "../../../src/http/console/web/live/counter.js";

const upstream = process.env.OFFHOOK_UPSTREAM;
const POOL = [..."abc ABC 123 @£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ!\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà\n\r\f^{}\\[~]|€", ..."`çá“”’—…😀👨‍👩‍👧\u0301\u202e漢字"];

/** A text that anybody can make again by its number. @param {number} seed */
function text(seed) {
  let state = seed * 2654435761 + 1;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const gsm7 = next() < 0.5;
  const length = Math.floor(next() ** 2 * 1000);
  return Array.from({ length }, () => POOL[Math.floor(next() * (gsm7 ? 110 : POOL.length))]).join("");
}

test("a28 10,000 random texts count as the gateway counts them", { skip: upstream ? false : "SKIPPED: no gateway in OFFHOOK_UPSTREAM" }, async () => {
  const ask = async (/** @type {number} */ seed) => {
    const body = text(seed);
    const response = await fetch(`${upstream}/v1/estimate`, { method: "POST", headers: { Authorization: `Bearer ${process.env.OFFHOOK_TOKEN}`, "Content-Type": "application/json" }, body: JSON.stringify({ text: body }) });
    assert.equal(response.status, 200, await response.clone().text());
    const { encoding, characters, units, segments, over_limit: overLimit } = await response.json();
    const found = measure(body);
    assert.deepEqual({ encoding: found.encoding, characters: found.characters, units: found.units, segments: found.segments, overLimit: found.overLimit }, { encoding, characters, units, segments, overLimit }, `text ${seed}`);
  };
  for (let seed = 0; seed < 10_000; seed += 50) await Promise.all(Array.from({ length: 50 }, (_, at) => ask(seed + at)));
});
