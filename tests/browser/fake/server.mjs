// The console's door in small: the files with their headers, sessions, and the routes of the gateway in memory, or of a
// real one (OFFHOOK_UPSTREAM, OFFHOOK_TOKEN) behind the same door.
import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import http from "node:http";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { Gateway, problem } from "./gateway.mjs";
import { answer } from "./routes.mjs";

export const WEB = fileURLToPath(new URL("../../../src/http/console/web/", import.meta.url));
const BUILD = "test";
const TYPES = /** @type {Record<string, string>} */ ({
  js: "text/javascript",
  css: "text/css",
  svg: "image/svg+xml",
  html: "text/html; charset=utf-8",
  LICENSE: "text/plain",
});

/** The headers of the console on every answer. */
const HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'; trusted-types lit-html",
  "X-Content-Type-Options": "nosniff",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Permissions-Policy": "",
  "Referrer-Policy": "same-origin",
};

/** All modules of the console. */
export function modules() {
  return ["app", "live", "pages", "parts", "vendor", "words"].flatMap((folder) =>
    readdirSync(`${WEB}${folder}`)
      .filter((file) => file.endsWith(".js"))
      .map((file) => `${folder}/${file}`),
  );
}

export class Door {
  gateway = new Gateway();
  /** @type {Map<string, { key: string, id: string }>} sessions by cookie */
  sessions = new Map();
  tries = 0;
  /** How long who guesses has to wait, in seconds. */
  wait = 3;
  links = new Set(["once"]);
  /** @type {Set<http.ServerResponse>} */
  streams = new Set();
  /** Whether the door refuses connections, as a gateway that is killed. */
  down = false;

  /** @returns {Promise<string>} its origin */
  async open(port = 0) {
    this.server = http.createServer((request, response) => void this.#take(request, response).catch((failed) => response.destroy(failed)));
    await new Promise((resolve) => this.server?.listen(port, "127.0.0.1", () => resolve(null)));
    const address = /** @type {import("node:net").AddressInfo} */ (this.server.address());
    this.origin = `http://127.0.0.1:${address.port}`;
    return this.origin;
  }

  close() {
    this.server?.closeAllConnections();
    this.server?.close();
  }

  /** Ends all streams, as a gateway that stops. */
  cut() {
    for (const stream of this.streams) stream.destroy();
  }

  endSessions() {
    this.sessions.clear();
    this.cut();
  }

  /** @param {http.IncomingMessage} request @param {http.ServerResponse} response */
  async #take(request, response) {
    if (this.down) return void request.socket.destroy();
    const url = new URL(request.url ?? "/", this.origin);
    const give = (/** @type {import("./gateway.mjs").Answer} */ { status, body, headers = {} }) => {
      const raw = Buffer.isBuffer(body) || typeof body === "string";
      const type = status >= 400 ? "application/problem+json" : "application/json";
      response.writeHead(status, {
        ...HEADERS,
        "Cache-Control": "no-store",
        ...(body === undefined ? {} : { "Content-Type": type }),
        ...headers,
      });
      response.end(body === undefined ? undefined : raw ? body : JSON.stringify(body));
    };
    if (url.pathname.startsWith("/assets/")) return give(file(url.pathname));
    if (url.pathname === "/session" && request.method === "POST") return give(this.#signIn(JSON.parse(await read(request))));
    if (/^\/(v1|demo|session)(\/|$)/.test(url.pathname)) {
      const session = this.#session(request);
      if (!session) return give(problem(401, "unauthorized", "sign in"));
      if (url.pathname.startsWith("/session")) return give(this.#sessions(request, url, session));
      if (process.env.OFFHOOK_UPSTREAM && url.pathname.startsWith("/v1/")) return this.#forward(request, response, url);
      if (url.pathname === "/v1/events" && request.headers.accept?.includes("text/event-stream"))
        return this.#stream(request, response, url);
      const text = await read(request);
      const headers = /** @type {Record<string, string | undefined>} */ (request.headers);
      const found = await answer(this.gateway, {
        method: request.method ?? "",
        path: url.pathname,
        query: url.searchParams,
        body: text ? JSON.parse(text) : undefined,
        headers,
      });
      return give({
        ...found,
        headers: { ...(request.method === "GET" ? { "Offhook-Cursor": this.gateway.cursor } : {}), ...found.headers },
      });
    }
    const index = readFileSync(`${WEB}index.html`, "utf8").replaceAll("BUILD", BUILD);
    give({ status: 200, body: index, headers: { "Content-Type": TYPES.html } });
  }

  /** @param {http.IncomingMessage} request */
  #session(request) {
    const cookie = /offhook-test=(\w+)/.exec(request.headers.cookie ?? "")?.[1];
    const session = cookie ? this.sessions.get(cookie) : undefined;
    return session && session.key === request.headers["x-offhook-key"] ? session : undefined;
  }

  /** @param {any} proof @returns {import("./gateway.mjs").Answer} */
  #signIn({ name, password, link }) {
    const right = link ? this.links.delete(link) : password === "secret";
    if (!right && ++this.tries > 5)
      return { ...problem(429, "too_many_attempts", `wait ${this.wait} s`), headers: { "Retry-After": String(this.wait) } };
    if (!right) return problem(401, "unauthorized", "name and password do not match");
    this.tries = 0;
    if (name) this.gateway.me.name = name;
    const cookie = randomBytes(16).toString("hex");
    const key = randomBytes(16).toString("hex");
    this.sessions.set(cookie, { key, id: cookie.slice(0, 8) });
    const { me } = this.gateway;
    return {
      status: 200,
      body: { key, name: me.name, scopes: me.scopes, texts: me.texts, expires_at: new Date(Date.now() + 900_000).toISOString() },
      headers: { "Set-Cookie": `offhook-test=${cookie}; HttpOnly; SameSite=Strict; Path=/` },
    };
  }

  /** @param {http.IncomingMessage} request @param {URL} url @param {{ id: string }} session @returns {import("./gateway.mjs").Answer} */
  #sessions(request, url, session) {
    if (request.method === "DELETE") {
      const id = url.pathname.split("/")[2] ?? session.id;
      for (const [cookie, other] of this.sessions) if (other.id === id) this.sessions.delete(cookie);
      return { status: 204 };
    }
    const items = [...this.sessions.values()].map(({ id }) => ({
      id,
      current: id === session.id,
      began_at: "2026-11-30T08:00:00.000Z",
      used_at: new Date().toISOString(),
      expires_at: "2026-11-30T16:00:00.000Z",
      address: "127.0.0.1",
    }));
    return { status: 200, body: { items, next_cursor: null } };
  }

  /** @param {http.IncomingMessage} request @param {http.ServerResponse} response @param {URL} url */
  #stream(request, response, url) {
    const { gateway } = this;
    const after = url.searchParams.get("after") ?? "c0";
    const from = after === "now" ? gateway.events.length : Number(after.slice(1));
    if (from < gateway.expired) {
      response.writeHead(410, { ...HEADERS, "Content-Type": "application/problem+json" });
      return void response.end(JSON.stringify({ code: "events_expired", detail: "continue from oldest" }));
    }
    response.writeHead(200, { ...HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    const write = (/** @type {any} */ event) =>
      response.write(`id: ${event.cursor}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    response.write(`retry: 2000\n: position\nid: c${from}\n\n`);
    gateway.events.slice(from).forEach(write);
    gateway.listeners.add(write);
    this.streams.add(response);
    request.on("close", () => {
      gateway.listeners.delete(write);
      this.streams.delete(response);
    });
  }

  /** @param {http.IncomingMessage} request @param {http.ServerResponse} response @param {URL} url */
  #forward(request, response, url) {
    const { host: _h, cookie: _c, "x-offhook-key": _k, origin: _o, referer: _r, ...headers } = request.headers;
    const upstream = http.request(
      new URL(url.pathname + url.search, process.env.OFFHOOK_UPSTREAM),
      { method: request.method, headers: { ...headers, authorization: `Bearer ${process.env.OFFHOOK_TOKEN}` } },
      (found) => {
        response.writeHead(found.statusCode ?? 502, { ...found.headers, ...HEADERS });
        found.pipe(response);
      },
    );
    upstream.on("error", () => response.destroy());
    response.on("close", () => upstream.destroy());
    request.pipe(upstream);
  }
}

/** @param {string} path @returns {import("./gateway.mjs").Answer} */
function file(path) {
  const name = path.replace(/^\/assets\/[^/]+\//, "");
  if (!["look.css", "icon.svg", ...modules()].includes(name)) return problem(404, "not_found");
  return {
    status: 200,
    body: gzipSync(readFileSync(WEB + name)),
    headers: {
      "Content-Encoding": "gzip",
      "Content-Type": TYPES[name.split(".").at(-1) ?? ""],
      "Cache-Control": "public, max-age=31536000, immutable",
    },
  };
}

/** @param {http.IncomingMessage} request */
async function read(request) {
  let text = "";
  for await (const piece of request) text += piece;
  return text;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await new Door().open(Number(process.env.PORT ?? 0)));
