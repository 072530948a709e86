// The real gateway with a simulated carrier, or the demo, and a browser: what scenarios are played with.
// Whatever is started here ends after the file's last test, or with the process at the latest, and its directories go with it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { executablePath } from "../chromium.mjs";

const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
const binary = process.env.OFFHOOK_BIN ?? here("../../../target/debug/offhook");
assert.ok(existsSync(binary), `no binary at ${binary}: build it, or name another by OFFHOOK_BIN`);
const environment = { ...process.env, OFFHOOK_WEB: here("../../../src/http/console/web") };

/** Longer than anything here takes on a busy machine. */
export const SOON_MS = 20_000;
/** Longer than the demo's scenes, which take ten seconds where nothing else runs. */
const SCENES_MS = 120_000;
const TOKEN = "kingfisher-token-2f6c1b0d9e8a7f65";
const SCOPES = ["send", "calls", "read", "operate", "admin"];
/** A photo of the smallest kind. */
const PHOTO = readFileSync(here("../../../src/sim/carrier/grey.jpg"));

/** @typedef {import("node:child_process").ChildProcess} Child */
/** @typedef {import("playwright-core").Page} Page */
/** @typedef {{ phone: string, from: string, text: string }} Arrived a text that reached a phone */
/** @typedef {{ status: number, headers: Headers, body: any }} Answer */
/** @typedef {{ name: string, scopes?: string[], texts?: boolean }} Person */
/** @typedef {{ settings?: object, numbers?: Record<string, object>, queues?: Record<string, object>, presets?: Record<string, Record<string, object>>, opt_outs?: string[] }} Directory */

/** @type {Set<Child>} */
const children = new Set();
/** @type {Set<string>} */
const places = new Set();
/** @type {Set<import("playwright-core").Browser>} */
const browsers = new Set();
function leave() {
  for (const child of children) child.kill("SIGKILL");
  for (const place of places) rmSync(place, { recursive: true, force: true });
}
process.on("exit", leave);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));
after(async () => {
  await Promise.all([...browsers].map((chrome) => chrome.close()));
  leave();
});

function temporary() {
  const place = mkdtempSync(join(tmpdir(), "offhook-scenario-"));
  places.add(place);
  return place;
}

/** @param {string} place */
function remove(place) {
  rmSync(place, { recursive: true, force: true });
  places.delete(place);
}

/** Starts the binary; its words go to `hear`. It does not keep this process alive. @param {string[]} words @param {(text: string) => void} hear */
function run(words, hear) {
  const child = spawn(binary, words, { env: environment, stdio: ["pipe", "pipe", "pipe"] });
  children.add(child);
  child.once("exit", () => children.delete(child));
  child.once("error", (error) => hear(`${binary}: ${error.message}\n`));
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", hear);
  for (const stream of [child, child.stdin, child.stdout, child.stderr]) /** @type {any} */ (stream)?.unref();
  return child;
}

const gone = (/** @type {Child} */ child) => child.exitCode !== null || child.signalCode !== null || child.pid === undefined;

/** @param {Child | null} child @param {NodeJS.Signals} [signal] */
async function end(child, signal = "SIGKILL") {
  if (!child || gone(child)) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.ref();
  child.kill(signal);
  await exit;
}

/** Ports that were given to somebody here, whether they listen yet or not. @type {Set<number>} */
const given = new Set();

/** A free port below those that the system gives to outgoing connections, so that it stays free while its owner is down. */
async function freePort() {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 18_000);
    if (given.has(port)) continue;
    given.add(port);
    const server = createServer();
    const free = await new Promise((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

/** Waits until something is so, and returns it. @template T @param {() => T | Promise<T>} condition @param {string | (() => string)} what @param {number} [ms] @returns {Promise<NonNullable<T>>} */
export async function until(condition, what, ms = SOON_MS) {
  const deadline = Date.now() + ms;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > deadline) assert.fail(`never: ${typeof what === "string" ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Something to wait at until it is opened. */
export function gate() {
  /** @type {() => void} */
  let open = () => {};
  const opens = new Promise((resolve) => (open = () => resolve(null)));
  return { open, opens };
}

/** Asks the platform's door. @param {string} door @param {string} token @param {string} method @param {string} path @param {any} [body] @param {Record<string, string>} [headers] @returns {Promise<Answer>} */
async function ask(door, token, method, path, body, headers = {}) {
  const answer = await fetch(door + path, {
    method,
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text ? JSON.parse(text) : null };
}

/** @param {string} door @param {string} token @param {string} [name] */
async function newLink(door, token, name) {
  const { status, body } = await ask(door, token, "POST", "/v1/console/links", name ? { as: name } : {});
  assert.equal(status, 200, JSON.stringify(body));
  return /** @type {string} */ (body.url);
}

/**
 * The demo. Its scenes take some seconds before it prints the link; its `/demo/...` is at the console's origin, and its
 * platform's door takes every scope.
 */
export async function demo() {
  const place = temporary();
  let said = "";
  /** @type {Child} */
  let child;
  const link = () => said.match(/http:\S+\/sign-in#k=\S+(?=\s)/)?.[0];
  // It takes the usual ports where they are free; two demos that begin at once may want the same.
  for (let tries = 0; ; tries += 1) {
    said = "";
    child = run(["demo", "--data", join(place, `data-${tries}`)], (text) => (said += text));
    await until(
      () => link() ?? gone(child),
      () => `the demo's link in\n${said}`,
      SCENES_MS,
    );
    if (link()) break;
    assert.ok(tries < 4 && /in use/i.test(said), said);
  }
  const first = link() ?? "";
  const door = said.match(/platform\s+(http:\S+)/)?.[1] ?? "";
  const token = "demo-token";
  return {
    child,
    /** The one-time link that it printed. */
    link: first,
    origin: new URL(first).origin,
    /** @param {string} method @param {string} path @param {any} [body] @param {Record<string, string>} [headers] */
    platform: (method, path, body, headers) => ask(door, token, method, path, body, headers),
    /** Another link. */
    more: () => newLink(door, token),
    /** What it printed. */
    screen: () => said,
    async close() {
      await end(child);
      remove(place);
    },
  };
}

/**
 * A gateway over data of its own, with a simulated carrier whose account has `numbers`, and people who sign in by links.
 * @param {object} [options]
 * @param {Directory} [options.directory] what it begins with; nothing by default, as on the first day
 * @param {Person[]} [options.people] anna and bruno, with all scopes, by default
 * @param {string[]} [options.numbers] the numbers that the carrier has; a number that it has not fails to verify
 * @param {string} [options.behaviour] how the carrier answers sends, as `offhook sim --behaviour`
 * @param {(text: string) => string} [options.config] changes the configuration
 */
export async function gateway({
  directory,
  people = [{ name: "anna" }, { name: "bruno" }],
  numbers = ["+12065550100", "+12065550101", "+12065550102", "+12065550103"],
  behaviour,
  config = (text) => text,
} = {}) {
  const place = temporary();
  const [carriers, platformPort, console_, ops, sim] = await Promise.all(Array.from({ length: 5 }, freePort));
  const at = (/** @type {number} */ port) => `http://127.0.0.1:${port}`;
  const write = (/** @type {string} */ name, /** @type {string} */ text) => writeFileSync(join(place, name), text, { mode: 0o600 });
  const door = at(platformPort);
  const phones = `${at(sim)}/phones/`;
  /** @type {Arrived[]} */
  const arrived = [];
  /** @type {Child | null} */
  let simulated = null;
  /** @type {Child | null} */
  let served = null;
  let log = "";

  /** Starts the carrier, again if it runs, at the same port. @param {string} [name] its behaviour @param {string[]} [has] its account's numbers */
  async function carrier(name, has = numbers) {
    await end(simulated);
    const words = ["sim", "--carrier", "twilio", "--write", place, "--listen", `127.0.0.1:${sim}`];
    words.push("--gateway", `127.0.0.1:${carriers}`, ...has.flatMap((number) => ["--number", number]));
    let [said, line] = ["", ""];
    const child = run(name ? [...words, "--behaviour", name] : words, (text) => {
      said += text;
      const lines = (line + text).split("\n");
      line = lines.pop() ?? "";
      for (const one of lines) {
        const [, phone, from, words] = one.match(/^(\+\d+) from (\+\d+): (.*)$/) ?? [];
        if (phone) arrived.push({ phone, from, text: words });
      }
    });
    simulated = child;
    await until(
      () => said.includes("Texts that arrive on phones:") || gone(child),
      () => `the carrier runs\n${said}`,
    );
    assert.ok(!gone(child), said);
  }

  /** Starts the gateway over the same data and ports, and waits until it is ready. */
  async function start() {
    const words = ["serve", "--config", join(place, "offhook.toml")];
    if (directory) words.push("--seed", join(place, "directory.json"));
    const child = run(words, (text) => (log += text));
    served = child;
    const ready = () =>
      fetch(`${at(ops)}/readyz`)
        .then(({ ok }) => ok)
        .catch(() => false);
    await until(
      async () => gone(child) || (await ready()),
      () => `the gateway is ready\n${log}`,
    );
    assert.ok(!gone(child), log);
  }

  const list = (/** @type {string[]} */ words) => `[${words.map((word) => JSON.stringify(word)).join(", ")}]`;
  const person = ({ name, scopes = SCOPES, texts = true }) =>
    `[[console.person]]\nname = "${name}"\nscopes = ${list(scopes)}\ntexts = ${texts}\n`;
  /** Ends both, whether they run or not. */
  async function close() {
    await Promise.all([end(served), end(simulated)]);
    remove(place);
  }
  try {
    await carrier(behaviour);
    const text = `data_dir = "data"
[listen]
carriers = "127.0.0.1:${carriers}"
platform = "127.0.0.1:${platformPort}"
console = "127.0.0.1:${console_}"
ops = "127.0.0.1:${ops}"
[[platform.token]]
name = "platform"
scopes = ${list(SCOPES)}
token_file = "platform"
[console]
${people.map(person).join("")}${readFileSync(join(place, "account.toml"), "utf8")}`;
    write("platform", TOKEN);
    write("offhook.toml", config(text));
    if (directory)
      write("directory.json", JSON.stringify({ settings: {}, numbers: {}, queues: {}, presets: {}, opt_outs: [], ...directory }));
    await start();
  } catch (error) {
    await close();
    throw error;
  }

  /** @param {string} from @param {string | Buffer} body @param {string} type */
  async function post(from, body, type) {
    const answer = await fetch(phones + from, { method: "POST", headers: { "Content-Type": type }, body });
    const said = await answer.text();
    assert.match(said, /received it/, said);
  }
  return {
    /** The console's. */
    origin: at(console_),
    /** The platform's door, with every scope. @param {string} method @param {string} path @param {any} [body] @param {Record<string, string>} [headers] */
    platform: (method, path, body, headers) => ask(door, TOKEN, method, path, body, headers),
    /** Its address and token, for who asks it in another way. */
    door: { address: door, token: TOKEN },
    /** A one-time link for a person. @param {string} [name] */
    link: (name = "anna") => newLink(door, TOKEN, name),
    /** A caller texts the number that texted them last, else the account's first. @param {string} from @param {string} text */
    text: (from, text) => post(from, text, "text/plain"),
    /** @param {string} from @param {Buffer} [bytes] @param {string} [type] */
    photo: (from, bytes = PHOTO, type = "image/jpeg") => post(from, bytes, type),
    /** The texts that reached phones, or this one, in order. @param {string} [phone] */
    arrived: (phone) => arrived.filter((one) => phone === undefined || one.phone === phone),
    carrier,
    /** The gateway's process. */
    pid: () => served?.pid ?? 0,
    /** kill -9 of the gateway alone. */
    kill: () => end(served),
    /** Asks the gateway to stop, as an upgrade does. */
    stop: () => end(served, "SIGTERM"),
    start,
    /** What the gateway logged. */
    log: () => log,
    close,
  };
}

/**
 * Chromium, and what went wrong in its pages: their errors, reports of the CSP, dialogs, and requests that left the
 * page's own origin. `calm()` fails if there was any of it, and so does `close()`.
 */
export async function browser() {
  const chrome = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--no-proxy-server"],
  });
  browsers.add(chrome);
  /** @type {string[]} */
  const wrong = [];
  const calm = () => assert.deepEqual(wrong.splice(0), []);
  return {
    chrome,
    calm,
    /**
     * A page in a context of its own, signed in by a one-time link, at a path.
     * @param {string} link or any other address of the console, for somebody who is not signed in
     * @param {{ path?: string, allow?: RegExp, context?: import("playwright-core").BrowserContextOptions }} [options] `allow`:
     *   errors of the page that the scenario is about
     * @returns {Promise<Page>}
     */
    async page(link, { path, allow, context: options = {} } = {}) {
      const { origin, hash } = new URL(link);
      const context = await chrome.newContext({ viewport: { width: 1360, height: 800 }, locale: "en-US", ...options });
      context.setDefaultTimeout(SOON_MS);
      context.on("request", (request) => {
        if (!request.url().startsWith(`${origin}/`) && !/^(blob|data):/.test(request.url())) wrong.push(`request to ${request.url()}`);
      });
      await context.addInitScript(() =>
        document.addEventListener("securitypolicyviolation", (event) =>
          console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`),
        ),
      );
      context.on("page", (page) => {
        page.on("pageerror", (error) => wrong.push(String(error)));
        page.on("dialog", (dialog) => void dialog.dismiss().then(() => wrong.push(`dialog: ${dialog.message()}`)));
        page.on("console", (message) => {
          // A refused or failed request is what many scenarios are about; the page's own errors are not.
          const text = message.text();
          if (message.type() === "error" && !/Failed to load resource|net::ERR/.test(text) && !allow?.test(text)) wrong.push(text);
        });
      });
      const page = await context.newPage();
      // A link signs in at whatever address it is opened.
      await page.goto(path && hash ? origin + path + hash : link);
      if (hash) await page.locator("nav").first().waitFor({ state: "attached" });
      if (path) {
        if (!hash) await page.goto(origin + path);
        await page.locator("main h1").first().waitFor();
      }
      return page;
    },
    async close() {
      await chrome.close();
      browsers.delete(chrome);
      calm();
    },
  };
}
