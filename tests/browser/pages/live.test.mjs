import assert from "node:assert/strict";
import { test } from "node:test";
import { problem } from "../fake/gateway.mjs";
import { fill } from "../fake/scene.mjs";
import { startCall, until, world } from "./browser.mjs";

const CALL = { path: "/calls/c-1", setUp: (/** @type {any} */ door) => void startCall(door.gateway) };

test(
  "a bar says that the gateway is gone, and afterwards nothing is missing or double",
  world(async ({ page, gateway, door }) => {
    gateway.receive("+12065550142", { to: "+12065550100", text: "before" });
    await page.locator("off-conversation .m", { hasText: "before" }).waitFor();
    door.down = true;
    door.cut();
    await page.getByText(/Live updates lost at/).waitFor();
    // Who hears the page is not told of each second.
    await page.locator("[role=alert] [aria-hidden=true]", { hasText: /trying again in \d+ s/ }).waitFor();
    assert.equal(await page.locator("off-conversation .m").count(), 1);
    gateway.receive("+12065550142", { to: "+12065550100", text: "meanwhile" });
    door.down = false;
    // Unless it has tried by itself since.
    const again = page.getByRole("button", { name: "Try again" }).first();
    await again.click({ timeout: 3_000 }).catch(() => null);
    await page.locator("off-conversation .m", { hasText: "meanwhile" }).waitFor();
    await until(async () => (await page.getByText(/Live updates lost at/).count()) === 0, "the bar is gone");
    assert.deepEqual(await page.locator("off-conversation .m").allInnerTexts(), ["before", "meanwhile"]);
    gateway.health = { ...gateway.health, ready: false, reasons: ["low_disk", "brand_new"] };
    gateway.emit("account.paused", { account: "main" }, null);
    await page.getByText("Not ready: its disk has little space left; brand_new").waitFor();
  }, CALL),
);

test(
  "eight tabs share one stream, and another takes it over when its tab is closed",
  world(async ({ page, gateway, door, newPage }) => {
    const tabs = [];
    for (let n = 0; n < 7; n += 1) tabs.push(await newPage("/calls/c-1"));
    await tabs[6].locator("off-conversation").waitFor();
    assert.equal(door.streams.size, 1);
    gateway.receive("+12065550142", { to: "+12065550100", text: "to all" });
    for (const tab of [page, ...tabs]) await tab.locator("off-conversation .m", { hasText: "to all" }).waitFor();
    await page.close();
    await until(() => door.streams.size === 1, "another leads");
    gateway.receive("+12065550142", { to: "+12065550100", text: "to the rest" });
    for (const tab of tabs) await tab.locator("off-conversation .m", { hasText: "to the rest" }).waitFor();
  }, CALL),
);

test(
  "without locks and without storage the console works",
  world(async ({ context, gateway, origin, page, door }) => {
    await context.addInitScript(() => {
      Object.defineProperty(navigator, "locks", { value: undefined });
      for (const name of ["localStorage", "sessionStorage"])
        Object.defineProperty(window, name, {
          get: () => {
            throw new Error("denied");
          },
        });
    });
    await page.goto(`${origin}/calls/c-1`);
    await page.fill("#sign-in-name", "anna");
    await page.fill("#sign-in-password", "secret");
    await page.keyboard.press("Enter");
    await page.fill("off-composer textarea", "Hello");
    await page.keyboard.press("Control+Enter");
    await page.locator("off-conversation .under", { hasText: "Delivered" }).waitFor();
    gateway.receive("+12065550142", { to: "+12065550100", text: "answer" });
    await page.locator("off-conversation .m", { hasText: "answer" }).waitFor();
    // A tab that nobody looks at has no stream, and is not cut off.
    const look = (/** @type {string} */ state) =>
      page.evaluate(
        `Object.defineProperty(document, "visibilityState", { value: "${state}", configurable: true }); document.dispatchEvent(new Event("visibilitychange"))`,
      );
    assert.equal(door.streams.size, 1);
    await look("hidden");
    await until(() => door.streams.size === 0, "the hidden tab streams no more");
    gateway.receive("+12065550142", { to: "+12065550100", text: "while hidden" });
    await page.waitForTimeout(100);
    assert.equal(await page.locator("off-conversation .m", { hasText: "while hidden" }).count(), 0);
    await look("visible");
    await page.locator("off-conversation .m", { hasText: "while hidden" }).waitFor();
    assert.equal(await page.getByText(/Live updates lost at/).count(), 0);
  }, CALL),
);

test(
  "a browser that keeps no cookies is told so",
  world(
    async ({ page, context }) => {
      await context.route("**/session", async (route) => {
        const response = await route.fetch();
        await context.clearCookies();
        const { "set-cookie": _, ...headers } = response.headers();
        await route.fulfill({ response, headers });
      });
      await page.fill("#sign-in-name", "anna");
      await page.fill("#sign-in-password", "secret");
      await page.keyboard.press("Enter");
      await page.locator("[role=alert]", { hasText: "This browser keeps no cookies of this address" }).waitFor();
      await context.unroute("**/session");
      await page.fill("#sign-in-password", "secret");
      await page.keyboard.press("Enter");
      await page.waitForSelector("nav");
    },
    { signIn: false, path: "/sign-in" },
  ),
);

test(
  "a laptop that slept for a night asks who is there and shows what came",
  world(async ({ page, gateway, door }) => {
    await page.clock.install();
    await page.reload();
    gateway.receive("+12065550142", { to: "+12065550100", text: "in the evening" });
    await page.locator("off-conversation .m", { hasText: "in the evening" }).waitFor();
    await page.fill("off-composer textarea", "Half written");
    // Asleep, it hears nothing, not even that its connection is gone.
    gateway.listeners.clear();
    door.sessions.clear();
    gateway.receive("+12065550142", { to: "+12065550100", text: "in the night" });
    gateway.expired = gateway.events.length;
    await page.clock.fastForward("09:00:00");
    await page.locator("dialog[open]").getByLabel("Password").fill("secret");
    await page.keyboard.press("Enter");
    await page.locator("off-conversation .m", { hasText: "in the night" }).waitFor();
    assert.deepEqual(await page.locator("off-conversation .m").allInnerTexts(), ["in the evening", "in the night"]);
    assert.equal(await page.inputValue("off-composer textarea"), "Half written");
    await page.getByText(/Live updates lost at/).waitFor({ state: "detached" });
    gateway.receive("+12065550142", { to: "+12065550100", text: "in the morning" });
    await page.locator("off-conversation .m", { hasText: "in the morning" }).waitFor();
  }, CALL),
);

test(
  "events that are no longer kept load the page again",
  world(async ({ page, gateway, door }) => {
    await page.locator("off-conversation").waitFor();
    gateway.receive("+12065550142", { to: "+12065550100", text: "first" });
    await page.locator("off-conversation .m", { hasText: "first" }).waitFor();
    door.down = true;
    door.cut();
    gateway.receive("+12065550142", { to: "+12065550100", text: "second" });
    // The oldest events are gone: the tab's cursor is unknown.
    gateway.expired = gateway.events.length;
    door.down = false;
    await page.locator("off-conversation .m", { hasText: "second" }).waitFor();
  }, CALL),
);

test(
  "a browser whose clock is five minutes off still says when a text is due",
  world(async ({ page, context, gateway, origin }) => {
    gateway.step = 60_000;
    await context.addInitScript(() => {
      const now = Date.now.bind(Date);
      Date.now = () => now() + 300_000;
    });
    await page.goto(`${origin}/calls/c-1`);
    await page.fill("off-composer textarea", "Hello");
    await page.keyboard.press("Control+Enter");
    await page
      .getByText(/Waiting [23]\.\d s: number's rate/)
      .first()
      .waitFor();
  }, CALL),
);

test(
  "after ten cuts under load every page equals one that was just loaded",
  world(async ({ page, gateway, door, origin }) => {
    gateway.step = 20;
    const tabs = [page];
    for (const path of ["/calls", "/numbers", "/queues", "/presets", "/opt-outs", "/settings/in-call-sms"])
      tabs.push(
        await page
          .context()
          .newPage()
          .then(async (tab) => (await tab.goto(origin + path), tab)),
      );
    const call = gateway.calls.get("c-1");
    for (let n = 0; n < 10; n += 1) {
      for (let m = 0; m < 5; m += 1) {
        gateway.receive("+12065550142", { to: "+12065550100", text: `in ${n}.${m}` });
        gateway.send(call, "custom", `out ${n}.${m}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      gateway.change("/v1/numbers/+12065550103", { ...gateway.docs.get("/v1/numbers/+12065550103"), label: `Pool ${n}` });
      gateway.change("/v1/queues/billing", { ...gateway.docs.get("/v1/queues/billing"), name: `Billing ${n}` });
      gateway.change("/v1/presets/en/wait", { ...gateway.docs.get("/v1/presets/en/wait"), label: `Wait ${n}` });
      gateway.change("/v1/settings", { ...gateway.docs.get("/v1/settings"), max_wait_ms: 10_000 + n * 1000 });
      door.down = n % 2 === 0;
      door.cut();
      await new Promise((resolve) => setTimeout(resolve, 50));
      door.down = false;
    }
    const again = page.getByRole("button", { name: "Try again" }).first();
    const shown = (/** @type {import("playwright-core").Page} */ tab) =>
      tab.evaluate(
        "document.querySelector('main').innerText + [...document.querySelectorAll('main input, main textarea, main select')].map((element) => element.value).join()",
      );
    for (const tab of tabs) {
      const fresh = await page.context().newPage();
      await fresh.goto(tab.url());
      await fresh.waitForSelector("h1");
      let [a, b] = ["", "-"];
      for (let tries = 0; a !== b && tries < 80; tries += 1) {
        await new Promise((resolve) => setTimeout(resolve, 250));
        // So many cuts make it wait before it tries again, unless somebody says so.
        if (await again.isVisible()) await again.click({ timeout: 1_000 }).catch(() => null);
        [a, b] = /** @type {string[]} */ (await Promise.all([shown(tab), shown(fresh)]));
      }
      assert.equal(a, b, tab.url());
      await fresh.close();
    }
    assert.equal(await page.locator("off-conversation .m").count(), 100);
  }, CALL),
);

test(
  "an upgraded gateway offers to reload",
  world(async ({ page, context, gateway, door }) => {
    // It has other files by now, so a page that was never opened does not come.
    await context.route("**/pages/queues.js", (route) => route.abort());
    await page.reload();
    await page.locator("off-conversation").waitFor();
    await page.getByRole("link", { name: "Queues" }).click();
    const reload = page.locator(".bar", { hasText: "The gateway does not answer" }).getByRole("button", { name: "Reload" });
    await reload.waitFor();
    gateway.me = { ...gateway.me, build: "build-2" };
    door.cut();
    await page.getByText("Offhook was updated").waitFor();
    await reload.waitFor({ state: "detached" });
    await context.unroute("**/pages/queues.js");
    await page.getByRole("button", { name: "Reload" }).click();
    await page.locator("tr", { hasText: "Billing" }).waitFor();
  }, CALL),
);

test(
  "new calls wait behind a button, and shown rows follow",
  world(
    async ({ page, gateway }) => {
      await page.locator("table").waitFor();
      // No call is new to somebody who types a number.
      await page.fill("#filter-caller", "+1 206 55");
      await page.getByText("No call matches these filters").waitFor();
      await page.getByText("Calls are kept for 30 days.").waitFor();
      await startCall(gateway, "c-0", { caller: "+12065550144" });
      await page.fill("#filter-caller", "");
      await page.locator("tr", { hasText: "+1 206 555 0144" }).waitFor();
      // A withheld number is no number.
      await startCall(gateway, "c-3", { caller: "anonymous" });
      await page.getByRole("button", { name: "1 new call" }).click();
      await page.locator("tr", { hasText: "Caller unknown" }).waitFor();
      await startCall(gateway, "c-2", { caller: "+12065550143" });
      await page.getByRole("button", { name: "1 new call" }).click();
      await page.locator("tr", { hasText: "+1 206 555 0143" }).waitFor();
      const { answer } = await import("../fake/routes.mjs");
      await answer(gateway, {
        method: "POST",
        path: "/v1/calls/c-2/end",
        query: new URLSearchParams(),
        headers: {},
        body: { reason: "x" },
      });
      await page.locator("tr", { hasText: "+1 206 555 0143" }).getByText("Ended").waitFor();
      // Those of a night are not counted one by one.
      for (let n = 0; n < 1_100; n += 1) await startCall(gateway, `night-${n}`, { caller: "+12065550145" });
      await page.getByRole("button", { name: "999+ new calls" }).click();
      const rows = page.locator("tr", { hasText: "+1 206 555 0145" });
      await until(async () => (await rows.count()) === 50, "those of the night");
      // Rows that went left nothing behind.
      const nodes = () => page.locator("tbody").evaluate((body) => body.childNodes.length);
      const after = await nodes();
      await page.reload();
      await until(async () => (await rows.count()) === 50, "the same after a reload");
      assert.equal(after, await nodes());
    },
    { ...CALL, path: "/calls" },
  ),
);

test(
  "a call is found by its number in two actions, and the address holds the filter",
  world(
    async ({ page, gateway }) => {
      fill(gateway);
      await page.reload();
      await page.fill("#filter-caller", "+39 347 123 4567");
      await until(async () => (await page.locator("tbody tr").count()) === 1, "one row");
      assert.ok(page.url().includes("caller="));
      await page.reload();
      await until(async () => (await page.locator("tbody tr").count()) === 1, "one row after a reload");
      await page.keyboard.press("Control+k");
      await page.keyboard.type("+1 206 555 0177");
      await page.keyboard.press("Enter");
      await page.waitForURL(/caller=%2B12065550177/);
      const numbers = () => page.locator("tbody a[data-row]").allInnerTexts();
      await until(async () => (await numbers()).every((number) => number === "+1 206 555 0177"), "the rows are those of the number");
      assert.equal(await page.inputValue("#filter-caller"), "+12065550177");
      // The menu and Back change the page along with its address.
      await page.getByRole("link", { name: "Conversations" }).click();
      await until(async () => (await numbers()).length > 1, "all rows");
      await page.goBack();
      await until(async () => (await page.inputValue("#filter-caller")) === "+12065550177", "the filter is back");
      await until(async () => (await numbers()).every((number) => number === "+1 206 555 0177"), "and so are its rows");
    },
    { path: "/calls" },
  ),
);

test(
  "a one-time link signs in, and does not stay in the address",
  world(
    async ({ page, origin }) => {
      await page.waitForSelector("nav");
      assert.ok(!page.url().includes("once"), page.url());
      const other = await page.context().newPage();
      await other.goto(`${origin}/sign-in`);
      await other.waitForSelector("nav");
    },
    { signIn: false, path: "/sign-in#k=once" },
  ),
);

test(
  "a link that has to wait is used when the wait is over",
  world(
    async ({ page, door }) => {
      await page.getByText(/Try again in [123] second/).waitFor();
      door.tries = 0;
      door.links.add("later");
      await page.waitForSelector("nav");
    },
    { signIn: false, path: "/sign-in#k=later", setUp: (door) => void (door.tries = 9) },
  ),
);

test(
  "a wrong password and an unknown name read alike, and too many tries count down",
  world(
    async ({ page }) => {
      await page.clock.install();
      await page.reload();
      await page.fill("#sign-in-name", "nobody");
      for (let n = 0; n < 6; n += 1) {
        await page.fill("#sign-in-password", "wrong");
        await page.keyboard.press("Enter");
        await until(async () => (await page.inputValue("#sign-in-password")) === "", "an answer");
        if (n < 5) await page.getByText("Name, password or session is not valid").waitFor();
      }
      await page.getByText(/Try again in \d+ seconds/).waitFor();
      assert.ok(await page.getByRole("button", { name: "Sign in" }).isDisabled());
      await page.clock.runFor(31_000);
      await until(async () => page.getByRole("button", { name: "Sign in" }).isEnabled(), "the wait is over");
    },
    { signIn: false, path: "/sign-in", setUp: (door) => void (door.wait = 30) },
  ),
);

test(
  "10,000 calls are listed without a task over 50 ms",
  world(
    async ({ page, gateway, origin }) => {
      fill(gateway);
      const one = gateway.calls.get("c-42");
      for (let n = 0; n < 10_000; n += 1) gateway.calls.set(`many-${n}`, { ...one, id: `many-${n}` });
      await page.goto(`${origin}/queues`);
      await page.locator("table").waitFor();
      await page.evaluate(
        "window.long = []; new PerformanceObserver((list) => window.long.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' })",
      );
      await page.getByRole("link", { name: "Conversations" }).click();
      await page.locator("tbody tr").nth(49).waitFor();
      gateway.instead = async ({ path, query }) => (path === "/v1/calls" && query.get("cursor") ? problem(503, "overloaded") : null);
      await page.getByRole("button", { name: "Show more" }).click();
      await page.locator("main [role=alert]", { hasText: "The gateway has too much to do" }).waitFor();
      const asked = gateway.seen.length;
      gateway.instead = async () => void (await new Promise((resolve) => setTimeout(resolve, 50))) ?? null;
      await page.getByRole("button", { name: "Try again" }).dblclick();
      await page.locator("tbody tr").nth(99).waitFor();
      gateway.instead = null;
      const pages = gateway.seen.slice(asked).filter(({ path, query }) => path === "/v1/calls" && query.get("cursor"));
      assert.deepEqual([pages.length, await page.locator("tbody tr").count()], [1, 100]);
      // A row below the first page follows its texts as well.
      const last = page.locator("tbody tr").nth(99);
      const id = (await last.locator("a").getAttribute("href"))?.split("/").at(-1) ?? "";
      const row = structuredClone(gateway.calls.get(id));
      Object.assign(row.usage, { preset_sent: 0, smart_action_sent: 0, system_sent: 0, custom_sent: 77 });
      gateway.calls.set(id, row);
      gateway.send(row, "custom", "Hello");
      await last.getByText("↑ 77").waitFor();
      const long = await page.evaluate("window.long");
      console.log(`# tasks over 50 ms: ${JSON.stringify(long)}`);
    },
    { path: "/calls" },
  ),
);
