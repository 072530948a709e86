// The console's counter and the gateway's are two programs: over 10,000 random texts they say the same.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { measure } from "../../../src/http/console/web/live/counter.js";
import { gateway } from "./gateway.mjs";

const TEXTS = 10_000;
const CONNECTIONS = 4;
const AT_ONCE = 50;
/** Characters of GSM-7 and its extension, and then others: accents, quotes, pairs, joined and invisible ones. */
const GSM7 = [..."abc ABC 123 @£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ!\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà\n\r\f^{}\\[~]|€"];
const OTHERS = [..."`çá“”’—…😀👨‍👩‍👧\u0301\u202e漢字\ud7ff\ue000\uffff\u{10ffff}\t"];

/** Another run has other texts; OFFHOOK_SEED has those of a run that failed again. */
const SEED = Number(process.env.OFFHOOK_SEED ?? Math.floor(Math.random() * 1e9));

/** A text that anybody can make again by its number. Half of them are GSM-7; lengths lie close to the limits as well. @param {number} number */
function text(number) {
  let state = (Math.imul(number + SEED, 2654435761) + 1) >>> 0;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const pool = next() < 0.5 ? GSM7 : [...GSM7, ...OTHERS];
  const limits = [70, 134, 160, 201, 306, 459, 918];
  const length = next() < 0.3 ? limits[Math.floor(next() * limits.length)] + Math.floor(next() * 5) - 2 : Math.floor(next() ** 2 * 1000);
  return Array.from({ length }, () => pool[Math.floor(next() * pool.length)]).join("");
}

/** @type {Awaited<ReturnType<typeof gateway>>} */
let door;
before(async () => {
  door = await gateway();
});
after(() => door?.close());

/** Asks for many texts over one connection, each question sent before the answer to the one before. */
class Estimates {
  constructor() {
    this.url = new URL(door.door.address);
    this.socket = connect(Number(this.url.port), this.url.hostname);
    this.buffer = Buffer.alloc(0);
    /** @type {Array<{ resolve: (answer: any) => void, reject: (why: Error) => void }>} */
    this.waiting = [];
    this.socket.on("data", (bytes) => this.#read(bytes));
    for (const end of ["error", "close"])
      this.socket.on(end, () => this.waiting.forEach(({ reject }) => reject(new Error(`a connection: ${end}`))));
  }

  /** @param {string} text @returns {Promise<any>} */
  ask(text) {
    const body = Buffer.from(JSON.stringify({ text }));
    const head = `POST /v1/estimate HTTP/1.1\r\nHost: ${this.url.host}\r\nAuthorization: Bearer ${door.door.token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.socket.write(Buffer.concat([Buffer.from(head), body]));
    });
  }

  /** @param {Buffer} bytes */
  #read(bytes) {
    this.buffer = Buffer.concat([this.buffer, bytes]);
    for (;;) {
      const end = this.buffer.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = this.buffer.subarray(0, end).toString();
      const length = Number(/^content-length: (\d+)/im.exec(head)?.[1]);
      if (this.buffer.length < end + 4 + length) return;
      const body = this.buffer.subarray(end + 4, end + 4 + length).toString();
      this.buffer = this.buffer.subarray(end + 4 + length);
      const waits = this.waiting.shift();
      if (/^HTTP\/1\.1 200 /.test(head)) waits?.resolve(JSON.parse(body));
      else waits?.reject(new Error(`${head}\n${body}`));
    }
  }
}

test("a28 a43 10000 random texts count as the gateway counts them", async () => {
  const seen = { gsm7: 0, ucs2: 0, over: 0, single: 0 };
  const compare = async (/** @type {Estimates} */ estimates, /** @type {number} */ number) => {
    const body = text(number);
    const told = await estimates.ask(body);
    const found = measure(body);
    const ours = [found.encoding, found.characters, found.units, found.segments, found.overLimit];
    const theirs = [told.encoding, told.characters, told.units, told.segments, told.over_limit];
    if (String(ours) !== String(theirs)) assert.deepEqual(ours, theirs, `text ${number} of OFFHOOK_SEED=${SEED}: ${JSON.stringify(body)}`);
    seen[found.encoding] += 1;
    if (found.overLimit) seen.over += 1;
    if (found.segments === 1) seen.single += 1;
  };
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async (_, own) => {
      const estimates = new Estimates();
      for (let from = own; from < TEXTS; from += CONNECTIONS * AT_ONCE)
        await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => compare(estimates, from + at * CONNECTIONS)));
      estimates.socket.destroy();
    }),
  );
  assert.equal(seen.gsm7 + seen.ucs2, TEXTS);
  // Each kind of text was among them.
  for (const [kind, times] of Object.entries(seen)) assert.ok(times > TEXTS / 100, `${times} texts were ${kind}`);
});
