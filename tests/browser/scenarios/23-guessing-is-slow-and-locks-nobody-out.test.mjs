// Whoever guesses passwords is made to wait, and is told how long; nobody else waits for that.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browser, gateway, SOON_MS } from "./gateway.mjs";
import { directory } from "./set.mjs";

const PASSWORD = "correct horse battery";
/** Made by `offhook console password`. */
const HASH = "$argon2id$v=19$m=19456,t=2,p=1$e2LBWwSNgpo/Jh2pAHsvAA$nO+QrEZlBV3wV/7lNj2Pf5GCM6ZUv+k2N/+EfyAodH0";
/** Addresses of this machine that a gateway takes for strangers, since only 127.0.0.1 is a proxy of its own. */
const [HOME, GUESSER, ELSEWHERE] = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];
/** The failures that cost nothing, and the wait after them. */
const FREE = 5;
const WAIT_S = 10;
const MEMORY_MAX_KIB = 200 * 1024;

/** @typedef {{ status: number, code: string, name: string, retryAfter: number }} Said */

/** @type {Awaited<ReturnType<typeof gateway>>} */
let world;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {import("playwright-core").Page} a page that guesses, and counts down while others sign in */
let page;
const countdown = () => page.getByText(/^Try again in \d+ seconds?\.$/);
const place = mkdtempSync(join(tmpdir(), "offhook-secrets-"));

before(async () => {
  const file = join(place, "password");
  writeFileSync(file, HASH, { mode: 0o600 });
  chrome = await browser();
  const config = (/** @type {string} */ text) => text.replaceAll(/(name = "(?:anna|bruno|carla)")/g, `$1\npassword_file = "${file}"`);
  world = await gateway({ directory: directory(), people: [{ name: "anna" }, { name: "bruno" }, { name: "carla" }], config });
});
after(async () => {
  rmSync(place, { recursive: true, force: true });
  await chrome?.close();
  await world?.close();
});

/** Asks for a session from an address of this machine, as a program would. @param {object} proof @param {string} from @param {Agent} [agent] @returns {Promise<Said>} */
function post(proof, from, agent) {
  const { hostname, port, host, origin } = new URL(world.origin);
  const headers = { Host: host, Origin: origin, "Content-Type": "application/json" };
  return new Promise((resolve, reject) => {
    const sending = request({ hostname, port, method: "POST", path: "/session", localAddress: from, headers, agent }, async (answer) => {
      let text = "";
      for await (const piece of answer) text += piece;
      const { code = "", name = "" } = JSON.parse(text);
      resolve({ status: answer.statusCode ?? 0, code, name, retryAfter: Number(answer.headers["retry-after"] ?? 0) });
    });
    sending.setTimeout(SOON_MS, () => sending.destroy(new Error("no answer")));
    sending.on("error", reject);
    sending.end(JSON.stringify(proof));
  });
}

/** @param {string} name @param {string} password @param {string} from @param {Agent} [agent] */
const signIn = (name, password, from, agent) => post({ name, password }, from, agent);

/** Tries a password on the page. @param {string} password */
async function guess(password) {
  const answered = page.waitForResponse((response) => response.url().endsWith("/session"));
  await page.fill("#sign-in-password", password);
  await page.locator("#sign-in-password").press("Enter");
  await answered;
}

test("a page that guesses is told how long to wait", async () => {
  page = await chrome.page(`${world.origin}/sign-in`);
  const password = page.locator("#sign-in-password");
  await page.fill("#sign-in-name", "carla");
  await guess("a first guess");
  await page.locator(".bar.bad", { hasText: "Name, password or session is not valid" }).waitFor();
  // Links count as passwords do, and cost the gateway nothing.
  for (let n = 1; n < FREE; n += 1) assert.equal((await post({ link: `guess ${n}` }, "127.0.0.1")).status, 401);
  await guess("a last guess");
  await page.locator(".bar.bad", { hasText: "Too many attempts to sign in" }).waitFor();
  await countdown().waitFor();
  const first = Number(/\d+/.exec((await countdown().textContent()) ?? "")?.[0]);
  assert.ok(first >= 1 && first <= WAIT_S, `${first} s`);
  assert.ok(await page.locator("form button.p").isDisabled());
});

test("thirty wrong passwords of one address slow that address only", async () => {
  assert.equal((await signIn("anna", PASSWORD, HOME)).status, 200);
  /** @type {Said[]} */
  const said = [];
  for (let n = 0; n < 30; n += 1) said.push(await signIn("anna", `guess number ${n}`, GUESSER));
  assert.ok(
    said.slice(0, FREE).every(({ status, code }) => status === 401 && code === "unauthorized"),
    JSON.stringify(said.slice(0, FREE)),
  );
  // One more may have its turn if these took more than ten seconds.
  const slowed = said.filter(({ status }) => status === 429);
  assert.ok(slowed.length >= 20, JSON.stringify(said));
  assert.ok(
    slowed.every(({ code, retryAfter }) => code === "too_many_attempts" && retryAfter >= 1 && retryAfter <= WAIT_S),
    JSON.stringify(slowed),
  );
  // The right password is of no use there, so that a guess that hits is not told apart from others.
  assert.equal((await signIn("anna", PASSWORD, GUESSER)).status, 429);
  // Anna's own address, and other people from anywhere, do not wait.
  assert.deepEqual([(await signIn("anna", PASSWORD, HOME)).status, (await signIn("bruno", PASSWORD, ELSEWHERE)).status], [200, 200]);
  // Nobody is locked out: an address that she never used waits seconds, not hours.
  const stranger = await signIn("anna", PASSWORD, ELSEWHERE);
  assert.ok(stranger.status === 200 || (stranger.status === 429 && stranger.retryAfter <= WAIT_S), JSON.stringify(stranger));
});

test("the page signs in once it has counted down", async () => {
  await countdown().waitFor({ state: "detached" });
  await page.fill("#sign-in-password", PASSWORD);
  await page.locator("form button.p").click();
  await page.locator("nav.side").waitFor();
  assert.match((await page.locator(".top").textContent()) ?? "", /carla/);
});

test("three hundred sign ins at once are all answered in little memory", async () => {
  const agent = new Agent({ keepAlive: false, maxSockets: 300 });
  // Ten addresses, half of them with the right password, for people who exist and who do not.
  const all = await Promise.all(
    Array.from({ length: 300 }, (_, n) =>
      signIn(["anna", "bruno", `nobody-${n}`][n % 3], n % 2 ? PASSWORD : `guess number ${n}`, `127.0.1.${1 + (n % 100)}`, agent),
    ),
  );
  const count = (/** @type {number} */ status) => all.filter((one) => one.status === status).length;
  assert.equal(count(200) + count(401) + count(429) + count(503), 300, JSON.stringify(all.map(({ status }) => status)));
  assert.ok(count(503) > 0, "more than wait for one check at a time are sent away");
  assert.ok(all.every(({ status, name }) => status !== 200 || ["anna", "bruno"].includes(name)));
  // It still works, and has not taken memory for all of them at once.
  assert.equal((await signIn("anna", PASSWORD, HOME)).status, 200);
  const kib = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${world.pid()}/status`, "utf8"))?.[1]);
  assert.ok(kib > 0 && kib < MEMORY_MAX_KIB, `${kib} KiB`);
});
