// A carrier of the size that a test needs: it takes texts as Twilio does, gives out files well or badly, and posts what
// phones send. The simulated carrier of the program does all of this too, but is not told to by a browser's test.
import { createHmac, randomBytes } from "node:crypto";
import { createServer, request } from "node:http";

const ACCOUNT = "AC11223344556677889900aabbccddeeff";
const TOKEN = "5f3a9c0e7b21d4468ac0ff13572b9e60";
const PUBLIC_URL = "https://sms.example.com";

/** @typedef {{ status: number, headers?: Record<string, string>, body?: string | Buffer }} Answer */
/** @typedef {{ type: string, bytes: Buffer, answer?: (response: import("node:http").ServerResponse) => void }} File what a phone sends, and how it is given out instead */

export class Carrier {
  url = "";
  /** The texts that it took. @type {Array<{ from: string, to: string, text: string }>} */
  sent = [];
  /** How it answers a send; `null` as a carrier that works. @type {(() => Answer) | null} */
  answer = null;
  /** @type {Map<string, File>} */
  #files = new Map();
  #server = createServer((request, response) => void this.#serve(request, response));

  async open() {
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", () => resolve(null)));
    const address = /** @type {import("node:net").AddressInfo} */ (this.#server.address());
    this.url = `http://127.0.0.1:${address.port}`;
    return this;
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #serve(request, response) {
    const path = request.url ?? "";
    const file = this.#files.get(path.split("/").at(-1) ?? "");
    if (file) {
      if (file.answer) return file.answer(response);
      return void response.writeHead(200, { "Content-Type": file.type, "Content-Length": file.bytes.length }).end(file.bytes);
    }
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const form = new URLSearchParams(Buffer.concat(pieces).toString());
    const own = this.answer?.();
    if (own) return void response.writeHead(own.status, own.headers).end(own.body);
    const sid = `SM${randomBytes(16).toString("hex")}`;
    this.sent.push({ from: form.get("From") ?? "", to: form.get("To") ?? "", text: form.get("Body") ?? "" });
    const taken = { sid, account_sid: ACCOUNT, status: "queued", num_segments: "1", error_code: null };
    response.writeHead(201, { "Content-Type": "application/json" }).end(JSON.stringify(taken));
  }

  /**
   * Posts what a phone sends to the gateway's door for carriers; gives the status of the answer.
   * @param {string} door as in http://127.0.0.1:8080
   * @param {{ from: string, to: string, text?: string, files?: File[] }} message
   */
  async text(door, { from, to, text = "", files = [] }) {
    const sid = `MM${randomBytes(16).toString("hex")}`;
    const form = new Map([
      ["MessageSid", sid],
      ["AccountSid", ACCOUNT],
      ["From", from],
      ["To", to],
      ["Body", text],
      ["NumMedia", String(files.length)],
    ]);
    for (const [nth, file] of files.entries()) {
      const id = `ME${randomBytes(16).toString("hex")}`;
      this.#files.set(id, file);
      form.set(`MediaUrl${nth}`, `${this.url}/2010-04-01/Accounts/${ACCOUNT}/Messages/${sid}/Media/${id}`);
      form.set(`MediaContentType${nth}`, file.type);
    }
    const path = "/carriers/main/messages";
    const signed = [...form].sort(([a], [b]) => (a < b ? -1 : 1)).reduce((all, [name, value]) => all + name + value, PUBLIC_URL + path);
    const signature = createHmac("sha1", TOKEN).update(signed).digest("base64");
    return post(door + path, new URLSearchParams([...form]).toString(), {
      "Content-Type": "application/x-www-form-urlencoded",
      "X-Twilio-Signature": signature,
    });
  }
}

/** @param {string} url @param {string} body @param {Record<string, string>} headers @returns {Promise<number>} */
function post(url, body, headers) {
  return new Promise((resolve, reject) => {
    const sending = request(url, { method: "POST", headers }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    });
    sending.on("error", reject);
    sending.end(body);
  });
}

/**
 * A carrier, and what a gateway's configuration becomes to use it.
 * @returns {Promise<{ carrier: Carrier, config: (text: string) => string, door: () => string }>} `door` is the gateway's for carriers
 */
export async function ownCarrier() {
  const carrier = await new Carrier().open();
  let door = "";
  const config = (/** @type {string} */ text) => {
    door = `http://${/carriers = "([^"]+)"/.exec(text)?.[1]}`;
    return text.replace(/api_url = ".*"/, `api_url = "${carrier.url}"`);
  };
  return { carrier, config, door: () => door };
}
