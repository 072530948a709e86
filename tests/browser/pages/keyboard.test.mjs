import assert from "node:assert/strict";
import { test } from "node:test";
import { fill } from "../fake/scene.mjs";
import { loaded, startCall, until, world } from "./browser.mjs";

/** What has the focus, by what a screen reader would say. */
const FOCUSED = `(() => { const element = document.activeElement; const label = element.labels?.[0]?.innerText; return (element.getAttribute("aria-label") ?? label ?? element.innerText ?? "").trim().replace(/\\s+/g, " "); })()`;

/** Presses Tab until something has the focus. @param {import("playwright-core").Page} page @param {RegExp} name */
async function tabTo(page, name) {
  for (let n = 0; n < 80; n += 1) {
    if (name.test(String(await page.evaluate(FOCUSED)))) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`no way to ${name} by Tab`);
}

test(
  "a conversation by the keyboard only: ring, preset, own text, answer, hang up",
  world(async ({ page }) => {
    await page.getByRole("button", { name: /^Ring from/ }).waitFor();
    await tabTo(page, /^Ring from/);
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Welcome" }).waitFor();
    await tabTo(page, /^Welcome$/);
    await page.locator(".preview", { hasText: "Hello, this is your agent" }).getByText("1 segment").waitFor();
    await page.keyboard.press("Enter");
    await page.locator("off-conversation .under", { hasText: "Delivered" }).waitFor();
    await tabTo(page, /^Write a text$/);
    await page.keyboard.type("Own words");
    await page.keyboard.press("Control+Enter");
    await page.locator("off-phone .m.i", { hasText: "Own words" }).waitFor();
    await page.evaluate("document.activeElement.blur()");
    await tabTo(page, /^Text message$/);
    await page.keyboard.type("An answer");
    await page.keyboard.press("Enter");
    await page.locator("off-conversation .m.i", { hasText: "An answer" }).waitFor();
    await page.evaluate("document.activeElement.blur()");
    await tabTo(page, /^Hang up$/);
    await page.keyboard.press("Enter");
    await page.locator("dialog[open]", { hasText: "Hang up?" }).waitFor();
    await tabTo(page, /^Hang up$/);
    await page.keyboard.press("Enter");
    await page.getByText("Call ended: texts are closed.").waitFor();
  }),
);

test(
  "a number, a queue and a preset by the keyboard only",
  world(
    async ({ page, gateway }) => {
      await page.locator("table").waitFor();
      await tabTo(page, /^Add a number$/);
      await page.keyboard.press("Enter");
      await page.keyboard.type("+1 206 555 0160");
      await tabTo(page, /^Label$/);
      await page.keyboard.type("Night line");
      await page.keyboard.press("Control+s");
      await until(() => gateway.docs.has("/v1/numbers/+12065550160"), "the number");
      await until(async () => (await page.locator("dialog[open]").count()) === 0, "the dialog is closed");
      await page.evaluate("document.activeElement.blur()");
      await page.keyboard.press("j");
      await page.keyboard.press("j");
      assert.equal(await page.evaluate("document.activeElement.closest('tr') === document.querySelectorAll('tbody tr')[1]"), true);
      await page.evaluate("document.activeElement.blur()");
      await tabTo(page, /^Select all unverified$/);
      await page.keyboard.press("Enter");
      await tabTo(page, /^Verify \(/);
      await page.keyboard.press("Space");
      await tabTo(page, /^Verify$/);
      await page.keyboard.press("Enter");
      await until(() => gateway.docs.get("/v1/numbers/+12065550160").verification.state === "verified", "verified");
      await page.evaluate("document.activeElement.blur()");
      for (const key of ["g", "q"]) await page.keyboard.press(key);
      await page.locator("table").waitFor();
      for (let n = 0; n < 4; n += 1) await page.keyboard.press("j");
      await page.keyboard.press("Enter");
      await page.waitForURL("**/queues/night");
      await page.locator("#queue-inbound").waitFor();
      await tabTo(page, /^Inbound numbers$/);
      await page.keyboard.type("0160");
      await page.keyboard.press("Enter");
      await page.keyboard.press("Control+s");
      await until(() => gateway.docs.get("/v1/queues/night").inbound_numbers[0] === "+12065550160", "the queue has it");
    },
    { path: "/numbers" },
  ),
);

test(
  "the focus is visible, inside the window and not below the bars, at every stop",
  world(async ({ page, origin, gateway }) => {
    fill(gateway);
    for (const path of ["/numbers", "/settings/in-call-sms", "/playground", "/calls/c-42"]) {
      await page.goto(origin + path);
      await loaded(page);
      const seen = new Set();
      for (let n = 0; n < 60; n += 1) {
        await page.keyboard.press("Tab");
        const stop = /** @type {any} */ (
          await page.evaluate(`(() => {
        const element = document.activeElement;
        if (element === document.body) return null;
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        const box = element.getBoundingClientRect();
        const on = document.elementFromPoint(box.x + Math.min(box.width, innerWidth) / 2, box.y + Math.min(box.height, 40) / 2);
        return { html: element.outerHTML.slice(0, 120), ring: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2, inside: box.bottom > 0 && box.top < innerHeight, covered: !!on && !element.contains(on) && !on.contains(element) && !on.closest("label, .switch") };
      })()`)
        );
        if (!stop || seen.has(stop.html)) continue;
        seen.add(stop.html);
        assert.deepEqual([stop.ring, stop.inside, stop.covered], [true, true, false], `${path}: ${stop.html}`);
      }
      assert.ok(seen.size > 8, `${path}: ${seen.size} stops`);
    }
  }),
);

test(
  "a screen reader hears the caller, a text's fate, and the counter after a rest",
  world(
    async ({ page, gateway }) => {
      const said = page.locator("#say");
      await page.waitForSelector("off-composer textarea");
      gateway.receive("+12065550142", { to: "+12065550100", text: "Are you there?" });
      await said.filter({ hasText: "Caller: Are you there?" }).waitFor({ state: "attached" });
      // What comes together is said together, and a photo has no words.
      await page.evaluate(`(async () => {
        const { say } = await import(new URL("../parts/element.js", document.querySelector("script[type=module]").src).href);
        say("one"); say("two");
      })()`);
      await said.filter({ hasText: /^one\. two$/ }).waitFor({ state: "attached" });
      gateway.receive("+12065550142", { to: "+12065550100", text: "", photos: 1 });
      await said.filter({ hasText: "Caller: 1 photo or video" }).waitFor({ state: "attached" });
      await page.fill("off-composer textarea", "a".repeat(150));
      await page.waitForTimeout(1_300);
      assert.ok(!(await said.textContent())?.includes("segment"));
      await page.evaluate(`(() => {
        document.addEventListener("input", () => (window.written = performance.now()), true);
        new MutationObserver(() => (window.heard = performance.now())).observe(document.querySelector("#say"), { childList: true });
      })()`);
      await page.fill("off-composer textarea", "a".repeat(161));
      await said.filter({ hasText: "2 segments, 757 characters left" }).waitFor({ state: "attached" });
      const rest = Number(await page.evaluate("window.heard - window.written"));
      assert.ok(rest >= 990, `heard after ${rest} ms`);
      await page.keyboard.press("Control+Enter");
      await said.filter({ hasText: "Delivered" }).waitFor({ state: "attached" });
    },
    { path: "/calls/c-1", setUp: (door) => void startCall(door.gateway) },
  ),
);

test(
  "Arabic and Hebrew run right to left inside their bubbles only",
  world(
    async ({ page, gateway }) => {
      await page.locator("off-conversation").waitFor();
      for (const text of ["مرحبا رقم الطلب 4711 ABC", "שלום, הזמנה 4711 ABC", "plain"])
        gateway.receive("+12065550142", { to: "+12065550100", text });
      await until(async () => (await page.locator("off-conversation .m").count()) === 3, "three bubbles");
      const found = await page
        .locator("off-conversation .m")
        .evaluateAll((all) =>
          all.map((bubble) => [
            getComputedStyle(/** @type {Element} */ (bubble.querySelector("p"))).direction,
            getComputedStyle(bubble).direction,
          ]),
        );
      assert.deepEqual(found, [
        ["rtl", "ltr"],
        ["rtl", "ltr"],
        ["ltr", "ltr"],
      ]);
    },
    { path: "/calls/c-1", setUp: (door) => void startCall(door.gateway) },
  ),
);

test(
  "g n goes to numbers, / to the filter, ? shows all, and they can be switched off",
  world(
    async ({ page, origin }) => {
      await page.keyboard.press("g");
      await page.keyboard.press("n");
      await page.waitForURL("**/numbers");
      await page.locator("table").waitFor();
      await page.keyboard.press("/");
      assert.equal(await page.evaluate("document.activeElement.id"), "numbers-filter");
      await page.keyboard.press("Tab");
      await page.evaluate("document.activeElement.blur()");
      await page.keyboard.press("?");
      await page.getByRole("heading", { name: "Keys" }).waitFor();
      await page.keyboard.press("Escape");
      await page.goto(`${origin}/me`);
      await page.getByLabel("Single keys act").uncheck();
      await page.evaluate("document.activeElement.blur()");
      await page.keyboard.press("?");
      await page.waitForTimeout(100);
      assert.equal(await page.locator("dialog[open]").count(), 0);
      // Whoever goes back and then stays is where they were, with what the address says.
      await page.goto(`${origin}/calls`);
      await page.evaluate(() => history.pushState(null, "", "/settings/in-call-sms?from=here"));
      await page.reload();
      await page.getByRole("switch").first().click();
      await page.goBack();
      await page.locator("dialog[open]", { hasText: "Leave without saving?" }).getByRole("button", { name: "Cancel" }).click();
      assert.equal(page.url(), `${origin}/settings/in-call-sms?from=here`);
      await page.getByRole("switch").first().click();
      await page.goBack();
      await page.waitForURL(`${origin}/calls`);
      await page.getByText("No calls yet").waitFor();
    },
    { path: "/calls" },
  ),
);
