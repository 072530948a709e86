// Whatever a caller, an agent or an administrator writes is text: it runs nothing, asks for nothing, hides nothing and
// pushes nothing aside.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, gateway, until } from "./gateway.mjs";
import { walk } from "./places.mjs";
import { CALLER, directory, holds, OURS } from "./set.mjs";

const IMAGE = `<img src=x onerror="alert(1)">`;
const SCRIPT = `"><script>fetch("https://evil.test/")</script>`;
const LINK = "javascript:alert(document.domain)//https://evil.test/a";
const OVERRIDE = "invoice\u202Egnp.exe";
const ZALGO = `Z${"\u0300\u0315\u035F\u0489".repeat(15)}algo`;
const NUL = "before \u0000 after";
const LONG = "x".repeat(10_000);
/** Of a text; the gateway keeps names shorter and without NUL. */
const TEXTS = [IMAGE, SCRIPT, LINK, OVERRIDE, ZALGO, NUL, LONG];

/** @type {Awaited<ReturnType<typeof gateway>>} */
let world;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;

before(async () => {
  const base = directory();
  const numbers = { ...base.numbers, [OURS]: { ...base.numbers?.[OURS], label: IMAGE } };
  numbers["+12065550101"] = { ...numbers["+12065550101"], label: OVERRIDE };
  numbers["+12065550102"] = { ...numbers["+12065550102"], label: "W".repeat(100) };
  const queues = {
    support: { ...base.queues?.support, name: SCRIPT },
    sales: { ...base.queues?.sales, name: OVERRIDE, parent: "support" },
    long: { name: "W".repeat(100), parent: "sales" },
  };
  const presets = {
    en: {
      image: { label: IMAGE, text: SCRIPT },
      override: { label: OVERRIDE, text: OVERRIDE },
      long: { label: "W".repeat(100), text: "W".repeat(918) },
      zalgo: { label: ZALGO, text: LINK },
    },
  };
  chrome = await browser();
  world = await gateway({ directory: { ...base, numbers, queues, presets } });
  const put = async (/** @type {string} */ path, /** @type {object} */ body) => {
    const { status, body: said } = await world.platform("PUT", path, body);
    assert.ok(status < 300, `${path}: ${JSON.stringify(said)}`);
  };
  await put("/v1/calls/c-1", { caller: CALLER, queue: "support", agent: OVERRIDE });
  await put("/v1/calls/c-2", { caller: "+12065550143", queue: "long", agent: IMAGE });
  await put("/v1/calls/c-3", { caller: "+12065550144", queue: "sales", agent: "W".repeat(128) });
  await put("/v1/opt-outs/+12065550188", { everywhere: true, reason: SCRIPT });
  const suspended = await world.platform("POST", "/v1/numbers/+12065550102/suspend", { reason: OVERRIDE });
  assert.equal(suspended.status, 200);
  for (const text of TEXTS) await world.text(CALLER, text);
  const sent = await world.platform("POST", "/v1/calls/c-1/messages", { text: OVERRIDE, agent: OVERRIDE });
  assert.equal(sent.status, 202, JSON.stringify(sent.body));
  await world.platform("POST", "/v1/calls/c-3/end", { reason: OVERRIDE });
});
after(async () => {
  // Closing the browser fails on each dialog, foreign request, error of a page and report of the CSP.
  await chrome?.close();
  await world?.close();
});

/**
 * Characters that turn round or hide what follows, in anything that is shown; and elements and links that a text made.
 * @param {import("playwright-core").Page} page
 */
function madeOf(page) {
  return page.evaluate(() => {
    const found = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode())
      if (/[\u0000\u202a-\u202e\u2066-\u2069]/.test(node.textContent ?? ""))
        found.push(`hidden in ${node.parentElement?.outerHTML.slice(0, 160)}`);
    for (const element of document.querySelectorAll(
      "body script, img:not(.tile img), iframe, object, [onerror], [href^='javascript'], .m a",
    ))
      found.push(element.outerHTML.slice(0, 160));
    return found;
  });
}

/** @param {import("playwright-core").Page} page @param {string} what */
async function harmless(page, what) {
  assert.deepEqual(await madeOf(page), [], what);
  const size = page.viewportSize();
  for (const width of [320, 1360]) {
    await page.setViewportSize({ width, height: 800 });
    await holds(page, what);
  }
  if (size) await page.setViewportSize(size);
}

test("r12 what a caller writes is shown as text and does nothing", async () => {
  const page = await chrome.page(await world.link(), { path: "/calls/c-1" });
  const bubbles = page.locator("off-conversation .m.i");
  await until(async () => (await bubbles.count()) === TEXTS.length, "all texts are there");
  const shown = await bubbles.evaluateAll((all) => all.map((bubble) => bubble.textContent?.trim()));
  const boxed = [IMAGE, SCRIPT, LINK, OVERRIDE.replace("\u202E", "U+202E"), ZALGO, NUL.replace("\u0000", "U+0000"), LONG];
  assert.deepEqual(shown, boxed);
  const boxes = await page.locator("off-conversation .m.i .boxed").allTextContents();
  assert.deepEqual(boxes, ["U+202E", "U+0000"]);
  // Marks that pile up stay inside their bubble.
  const clips = await bubbles.evaluateAll((all) => all.map((bubble) => getComputedStyle(bubble).overflowY));
  assert.deepEqual(new Set(clips), new Set(["clip"]));
  await harmless(page, "the conversation");
  await page.getByRole("button", { name: "Why?" }).first().click();
  await page.locator("dialog[open]", { hasText: "What happened" }).waitFor();
  await harmless(page, "Why?");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: /Preset messages…/ }).click();
  await page.locator("dialog[open] [role=option]").nth(3).waitFor();
  await harmless(page, "the list of presets");
  await page.context().close();
  chrome.calm();
});

test("r28 r45 labels and names that look like pages are names on every page", async () => {
  const page = await chrome.page(await world.link());
  /** Where to look, what has come once it is there, and a dialog. @type {Array<[string, string, (string | RegExp)?]>} */
  const places = [
    ["/calls", OVERRIDE.replace("\u202E", "U+202E")],
    ["/calls/c-2", IMAGE],
    ["/calls/c-3", "W".repeat(128)],
    ["/numbers", IMAGE, "Edit +1 206 555 0101"],
    ["/numbers?q=0101", "U+202E", "Delete +1 206 555 0101"],
    ["/queues", SCRIPT, "Add a queue"],
    ["/queues/sales", "U+202E", "Delete"],
    ["/queues/long", "W".repeat(100)],
    ["/presets", "U+202E", "Add SMS message"],
    ["/presets?language=en", IMAGE, IMAGE],
    ["/opt-outs", "+1 206 555 0188", "Remove +1 206 555 0188"],
    ["/opt-outs?q=", "+1 206 555 0188", "Find number, call, page"],
  ];
  for (const [path, text, opener] of places) {
    await walk(page, path);
    await page.locator("main", { hasText: text }).waitFor();
    await harmless(page, path);
    if (!opener) continue;
    await page.getByRole("button", { name: opener }).first().click();
    await page.locator("dialog[open]").waitFor();
    await harmless(page, `${opener} on ${path}`);
  }
  await walk(page, "/queues/support");
  await page.locator("#queue-inbound").focus();
  await page.locator("#queue-inbound-list [role=option]").first().waitFor();
  await harmless(page, "the numbers to choose from");
  await page.context().close();
  chrome.calm();
});

test("r12 a69 what errors and refusals say is shown as text too", async () => {
  const detail = [IMAGE, SCRIPT, OVERRIDE, NUL, LONG].join(" ");
  const page = await chrome.page(await world.link(), { path: "/calls/c-1" });
  await page.route("**/v1/calls/c-1/messages?*", async (route) => {
    const response = await route.fetch();
    const { items, ...rest } = await response.json();
    const failed = {
      ...items[0],
      id: "msg_zzz",
      direction: "outbound",
      kind: OVERRIDE,
      state: "failed",
      error: { code: OVERRIDE, detail },
    };
    const photo = { id: "med_zzz", state: "failed", content_type: SCRIPT, reason: OVERRIDE, detail };
    await route.fulfill({ response, body: JSON.stringify({ ...rest, items: [...items, { ...failed, media: [photo] }] }) });
  });
  await page.reload();
  await page.locator("off-conversation .under", { hasText: "Failed" }).waitFor();
  await page.locator("off-conversation .tile").waitFor();
  await harmless(page, "a failed text with a failed photo");
  await page.unrouteAll();

  await walk(page, "/settings/in-call-sms");
  const limits = page.locator("section.card", { has: page.locator("h2", { hasText: "Limits of use" }) });
  const wait = limits.getByLabel("Longest wait before a text is refused (s)");
  await wait.fill("12");
  const field = { field: "max_wait_ms", code: OVERRIDE, detail };
  for (const refusal of [
    { code: "invalid_field", detail, errors: [field] },
    { code: OVERRIDE, detail, errors: [field] },
    { code: OVERRIDE, detail: "", errors: [{ ...field, detail: "" }] },
  ]) {
    const body = JSON.stringify({ title: IMAGE, status: 422, ...refusal });
    await page.route("**/v1/settings", (route) => route.fulfill({ status: 422, contentType: "application/problem+json", body }));
    await limits.getByRole("button", { name: "Set", exact: true }).click();
    await limits.locator(".bar.bad", { hasText: refusal.code.replace("\u202E", "U+202E") }).waitFor();
    await limits.locator("[aria-invalid=true]").waitFor();
    await harmless(page, JSON.stringify(refusal).slice(0, 80));
    await page.unrouteAll();
    await wait.fill(refusal.detail ? "13" : "14");
  }
  await page.context().close();
  chrome.calm();
});
