// A console stands open on each page while texts, calls and settings change and the gateway is stopped or killed again and again.
// Afterwards each page, without having been loaded again, shows what one shows that was just loaded.
// OFFHOOK_KILLS is how often it is killed.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, gateway, until } from "./gateway.mjs";
import { CALLER, OUR_NUMBER, call, desk, transcript } from "./desk.mjs";

const KILLS = Number(process.env.OFFHOOK_KILLS ?? 2);
/** What the platform and callers do between two kills at least. */
const ACTS = 12;
const OTHER_NUMBER = "+12065550101";
const PAGES = ["/calls", "/calls/c-1", "/settings/in-call-sms", "/presets", "/numbers", "/queues", "/queues/support", "/opt-outs", "/me"];

/** @type {Awaited<ReturnType<typeof gateway>>} */
let door;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {import("playwright-core").Page[]} */
const tabs = [];

before(async () => {
  const directory = desk();
  const number = directory.numbers[OUR_NUMBER];
  const billing = { name: "Billing", parent: "support", in_call_sms: null, outbound_numbers: [OUR_NUMBER] };
  door = await gateway({
    directory: {
      ...directory,
      numbers: { ...directory.numbers, [OTHER_NUMBER]: { ...number, label: "Pool" } },
      queues: { ...directory.queues, billing },
      presets: { ...directory.presets, it: { benvenuto: { label: "Benvenuto", text: "Buongiorno." } } },
    },
  });
  chrome = await browser();
  await call(door, "c-1");
  const first = await chrome.page(await door.link(), { path: PAGES[0] });
  tabs.push(first);
  for (const path of PAGES.slice(1)) {
    const tab = await first.context().newPage();
    await tab.goto(door.origin + path);
    tabs.push(tab);
  }
  for (const tab of tabs) {
    await tab.locator("h1").first().waitFor();
    await tab.evaluate("window.sinceTheBeginning = true");
  }
});
after(async () => {
  await door?.close();
  await chrome?.close();
});

/** Changes a resource as it is now. @param {string} path @param {(now: any) => object} change */
async function change(path, change) {
  const { status, body } = await door.platform("GET", path);
  if (status === 200) await door.platform("PUT", path, change(body));
}

const caller = (/** @type {number} */ n) => `+1206555${2000 + (n % 7)}`;
/** What goes on, by turns; each may be cut off by a kill at any moment. @type {Array<(n: number) => Promise<unknown>>} */
const LIFE = [
  (n) => door.text(CALLER, `in ${n}`),
  (n) => door.platform("POST", "/v1/calls/c-1/messages", { text: `out ${n}`, agent: "agent-17" }),
  (n) => call(door, `c-more-${n}`, { caller: caller(n) }),
  (n) => door.platform("POST", `/v1/calls/c-more-${n}/messages`, { preset: "welcome", language: "en" }),
  (n) => door.text(caller(n), `also in ${n}`),
  (n) => change("/v1/settings", (now) => ({ ...now, max_wait_ms: 10_000 + n * 1000, custom_messages: n % 2 === 0 })),
  (n) => change(`/v1/numbers/${OTHER_NUMBER}`, (now) => ({ ...now, label: `Pool ${n}` })),
  (n) => call(door, "c-1", { agent: `agent-${n}` }),
  (n) => change("/v1/queues/support", (now) => ({ ...now, name: `Support ${n}` })),
  (n) => door.platform("POST", `/v1/calls/c-more-${n}/end`, { reason: "agent_hangup" }),
  (n) => door.platform("POST", `/v1/numbers/${OTHER_NUMBER}/${n % 2 ? "suspend" : "resume"}`, n % 2 ? { reason: `a test ${n}` } : {}),
  (n) => door.text(CALLER, n % 2 ? "STOP" : "START"),
  (n) => change("/v1/presets/it/benvenuto", (now) => ({ ...now, label: `Benvenuto ${n}` })),
  (n) => door.platform("PUT", `/v1/presets/fr/p-${n}`, { label: `Bonjour ${n}`, text: "Bonjour." }),
  (n) => door.platform("PUT", `/v1/opt-outs/+1206555${3000 + (n % 5)}`, { everywhere: true, our_numbers: [], reason: "a test" }),
  (n) => door.platform("DELETE", `/v1/opt-outs/+1206555${3000 + ((n + 3) % 5)}?reason=test`),
  (n) => door.photo(CALLER).then(() => n),
  (n) => door.text(caller(n), `late ${n}`),
];

/** What a page shows, and what its fields say. @param {import("playwright-core").Page} tab @returns {Promise<string>} */
function shown(tab) {
  return tab.evaluate(() => {
    const fields = [...document.querySelectorAll("main input, main textarea, main select")];
    const values = fields.map((field) => {
      const { id, type, checked, value } = /** @type {HTMLInputElement} */ (field);
      return `${id} ${type === "checkbox" || type === "radio" ? checked : value}`;
    });
    // Opening a page uses the session, so when it was used last is never the same.
    const text = document.querySelector("main")?.innerText.replace(/used [\d:]+/g, "used");
    return `${text}\n${values.join("\n")}`;
  });
}

/** The lines that only one of two has. @param {string} a @param {string} b */
function difference(a, b) {
  const only = (/** @type {string} */ one, /** @type {string} */ other) =>
    one.split("\n").filter((line) => !other.split("\n").includes(line));
  return `open only: ${JSON.stringify(only(a, b))}\nfresh only: ${JSON.stringify(only(b, a))}`;
}

test("r3 r12 after kills each page equals one that was just loaded", async () => {
  let acts = 0;
  let failed = 0;
  let over = false;
  const life = (async () => {
    for (let n = 0; !over; n += 1) {
      for (const act of LIFE) {
        // While the gateway is away nothing of this works, and some of it is refused.
        await act(n).catch(() => (failed += 1));
        acts += 1;
        if (over) return;
      }
    }
  })();
  for (let kills = 0; kills < KILLS; kills += 1) {
    const before = acts;
    await until(() => acts >= before + ACTS, "life goes on");
    // At any moment of what is going on.
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 200));
    // The first time it is asked to stop, as for an upgrade.
    await (kills === 0 ? door.stop() : door.kill());
    await door.start();
  }
  const before = acts;
  await until(() => acts >= before + LIFE.length, "life goes on");
  over = true;
  await life;
  const messages = await transcript(door, "c-1");
  console.log(`# ${KILLS} kills, ${acts} acts of which ${failed} failed, ${messages.length} messages in one call`);
  assert.ok(messages.some(({ direction }) => direction === "inbound") && messages.some(({ direction }) => direction === "outbound"));

  for (const [at, tab] of tabs.entries()) {
    const fresh = await tab.context().newPage();
    await fresh.goto(door.origin + PAGES[at]);
    await fresh.locator("h1").first().waitFor();
    let [open, loaded] = ["", ""];
    await until(
      async () => {
        // New calls wait behind a button, which is gone once the list was loaded again for another reason.
        for (const page of [tab, fresh]) {
          const news = page.getByRole("button", { name: /^Show \d+ new calls?$/ });
          if (await news.isVisible()) await news.click({ timeout: 1000 }).catch(() => null);
        }
        [open, loaded] = await Promise.all([shown(tab), shown(fresh)]);
        return open === loaded && open.length > 100;
      },
      () => `${PAGES[at]} equals a fresh one\n${difference(open, loaded)}`,
    );
    assert.equal(await tab.evaluate("window.sinceTheBeginning"), true, `${PAGES[at]} was not loaded again`);
    await fresh.close();
  }
  const ids = await tabs[1].locator("off-conversation .m").evaluateAll((all) => all.map((one) => one.dataset.id));
  assert.deepEqual(
    ids,
    messages.map(({ id }) => id),
    "each message is one bubble, in order",
  );
});
