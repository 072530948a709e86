import assert from "node:assert/strict";
import { test } from "node:test";
import { problem } from "../fake/gateway.mjs";
import { startCall, until, world } from "./browser.mjs";

/** @param {import("./browser.mjs").World["gateway"]} gateway */
const sends = (gateway) => gateway.seen.filter(({ method, path }) => method === "POST" && path.endsWith("/messages"));
const CALL = { path: "/calls/c-1", setUp: (/** @type {any} */ door) => void startCall(door.gateway) };
/** @param {import("playwright-core").Page} page @param {string} text */
async function write(page, text) {
  await page.fill("off-composer textarea", text);
  await page.keyboard.press("Control+Enter");
}
/** The line under a bubble. @param {import("playwright-core").Page} page @param {string} text */
const under = (page, text) => page.locator("off-conversation .under", { hasText: text }).first();
/** @param {import("playwright-core").Page} page */
const bubbles = (page) => page.locator("off-conversation .m").allInnerTexts();

test(
  "r39 r40 a preset is delivered by two clicks, and the phone answers with a photo",
  world(async ({ page, gateway, door }) => {
    await page.getByRole("button", { name: /^Ring from/ }).click();
    await page.getByRole("button", { name: "Welcome" }).click();
    await under(page, "Delivered").waitFor();
    await page.locator("off-phone .m.i", { hasText: "Hello, this is your agent" }).waitFor();
    await page.fill("#phone-text", "Here is the meter");
    await page.getByRole("button", { name: "Photo", exact: true }).first().click();
    await page.locator("off-conversation .m.i", { hasText: "Here is the meter" }).waitFor();
    await page.locator("off-conversation img").waitFor();
    await page.locator("off-gateway", { hasText: "media.ready" }).waitFor();
    const large = { name: "large.jpg", mimeType: "image/jpeg", buffer: Buffer.alloc(5_000_001) };
    await page.locator("off-phone input[type=file]").setInputFiles(large);
    await page.locator("off-phone [role=alert]", { hasText: "A file may have 5 MB at most." }).getByText("too_large").waitFor();
    // A session that ends in an upload: it goes once somebody has signed in again.
    door.sessions.clear();
    await page.locator("off-phone input[type=file]").setInputFiles({ ...large, buffer: Buffer.alloc(2_000_000) });
    await page.locator("dialog[open]").getByLabel("Password").fill("secret");
    await page.keyboard.press("Enter");
    await page.locator("off-conversation img").nth(1).waitFor();
    const uploads = gateway.seen.filter(({ body }) => body?.file);
    assert.deepEqual([uploads.length, Buffer.from(uploads[0].body.file.data, "base64").length], [1, 2_000_000]);
    // Phones that are changed fast: the answer for the first comes when another is looked at.
    const phones = page.locator("#phone-number");
    const [first, second] = await phones.locator("option").evaluateAll((all) => all.map((option) => option.value));
    await phones.selectOption(second);
    await page.getByText("This phone is not on a call.").waitFor();
    /** @type {Array<() => void>} */
    const opens = [];
    gateway.instead = async ({ path, query }) => {
      if (path === "/v1/calls" && query.get("caller") === first) await new Promise((resolve) => opens.push(() => resolve(null)));
      return null;
    };
    await phones.selectOption(first);
    await until(() => opens.length === 1, "the call of the first phone is looked for");
    await phones.selectOption(second);
    const answered = page.waitForResponse((response) => response.url().includes(encodeURIComponent(first)));
    opens[0]();
    await (await answered).finished();
    await page.evaluate("new Promise((resolve) => setTimeout(resolve))");
    assert.equal(await page.locator("off-conversation").count(), 0);
    assert.equal(new URL(page.url()).searchParams.get("call"), null);
  }),
);

test(
  "r51 r52 r53 r56 r60 an ended call has no composer and its late texts are told of",
  world(async ({ page }) => {
    await page.getByRole("button", { name: /^Ring from/ }).click();
    await page.getByRole("button", { name: "Welcome" }).click();
    await under(page, "Delivered").waitFor();
    await page.getByRole("button", { name: "Hang up" }).click();
    await page
      .locator("dialog[open]", { hasText: "the closing message goes to the caller" })
      .getByRole("button", { name: "Hang up" })
      .click();
    await page.getByText("Call ended: texts are closed.").waitFor();
    assert.equal(await page.locator("off-composer textarea, off-composer .chip").count(), 0);
    await page.locator("off-phone .m.i", { hasText: "This conversation has ended" }).waitFor();
    await page.fill("#phone-text", "secret late words");
    await page.keyboard.press("Enter");
    await page.getByText(/the caller wrote after the call and got the auto-reply/).waitFor();
    await page.locator("off-phone .m.i", { hasText: "not monitored" }).waitFor();
    assert.ok(!(await page.locator("off-conversation").innerText()).includes("secret late words"));
  }),
);

test(
  "r50 at 919 characters the counter is red, Send is off and nothing is cut",
  world(async ({ page }) => {
    const text = "a".repeat(919);
    await page.fill("off-composer textarea", text);
    assert.ok(await page.getByRole("button", { name: "Send" }).isDisabled());
    await page.getByText("1 character too many").waitFor();
    assert.equal(await page.inputValue("off-composer textarea"), text);
    await page.fill("off-composer textarea", text.slice(1));
    assert.ok(await page.getByRole("button", { name: "Send" }).isEnabled());
    await page.fill("off-composer textarea", "“ora”");
    await page.getByText("Unicode: “ ”").waitFor();
    await page.getByRole("button", { name: "use plain characters" }).click();
    assert.equal(await page.inputValue("off-composer textarea"), '"ora"');
  }, CALL),
);

test(
  "the event before the answer, and the same text twice fast, are two bubbles",
  world(async ({ page, gateway }) => {
    const { answer } = await import("../fake/routes.mjs");
    gateway.instead = async (request) => {
      if (request.method !== "POST" || !request.path.endsWith("/messages")) return null;
      gateway.instead = null;
      const found = await answer(gateway, request);
      // The stream is faster than the answer.
      await under(page, "Delivered").waitFor();
      return found;
    };
    await write(page, "ok");
    await write(page, "ok");
    await until(
      async () => (await page.locator("off-conversation .under").allInnerTexts()).filter((text) => text.includes("Delivered")).length === 2,
      "both delivered",
    );
    assert.deepEqual(await bubbles(page), ["ok", "ok"]);
  }, CALL),
);

test(
  "a 504 is asked about with the same key, also after a reload, and is one bubble",
  world(async ({ page, gateway }) => {
    gateway.instead = (request) =>
      request.method === "POST" && request.path.endsWith("/messages") ? problem(504, "outcome_unknown") : null;
    await write(page, "Did it go?");
    await under(page, "Not known yet").waitFor();
    await page.reload();
    await under(page, "Not known yet").waitFor();
    gateway.instead = null;
    await under(page, "Delivered").waitFor();
    const keys = new Set(sends(gateway).map(({ headers }) => headers["idempotency-key"]));
    assert.deepEqual([keys.size, await bubbles(page), [...gateway.messages.values()].length], [1, ["Did it go?"], 1]);
  }, CALL),
);

test(
  "a refused text and a 503 return to the composer with the reason",
  world(async ({ page, gateway }) => {
    for (const [status, code, words] of /** @type {const} */ ([
      [503, "draining", "The gateway is stopping"],
      [429, "rate_limited", "Too much is waiting"],
    ])) {
      gateway.instead = (request) => (request.method === "POST" ? problem(status, code) : null);
      await write(page, `Text of ${code}`);
      await page.locator("off-composer [role=alert]", { hasText: words }).waitFor();
      assert.equal(await page.inputValue("off-composer textarea"), `Text of ${code}`);
      assert.deepEqual(await bubbles(page), []);
    }
  }, CALL),
);

test(
  "a text that is refused after its page was left, or with the call, is not lost",
  world(async ({ page, gateway }) => {
    /** @type {Array<() => void>} */
    const opens = [];
    gateway.instead = async (request) => {
      if (request.method !== "POST" || !request.path.endsWith("/messages")) return null;
      await new Promise((resolve) => opens.push(() => resolve(null)));
      return problem(503, "draining");
    };
    await write(page, "Refused while away");
    await until(() => opens.length === 1, "the text is under way");
    await page.getByRole("link", { name: "Conversations" }).click();
    await page.locator("table").waitFor();
    const answered = page.waitForResponse((response) => response.status() === 503);
    opens[0]();
    await answered;
    await page.locator("a[data-row]").click();
    await page.locator("off-composer [role=alert]", { hasText: "The gateway is stopping" }).waitFor();
    assert.equal(await page.inputValue("off-composer textarea"), "Refused while away");

    // The call ends while another try is under way.
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Send" }).click();
    await until(() => opens.length === 2, "it is under way again");
    const { answer } = await import("../fake/routes.mjs");
    const end = { method: "POST", path: "/v1/calls/c-1/end", query: new URLSearchParams(), headers: {}, body: { reason: "x" } };
    await answer(gateway, end);
    await page.locator("off-composer", { hasText: "Call ended: texts are closed." }).waitFor();
    opens[1]();
    const unsent = page.locator("off-composer .bar.bad", { hasText: "Refused while away" });
    await unsent.waitFor();
    assert.match(await unsent.innerText(), /^Not sent\. The gateway is stopping/);
    await unsent.getByRole("button", { name: "Copy" }).waitFor();
  }, CALL),
);

test(
  "r48 an own text is kept as a draft for its call",
  world(async ({ page, origin }) => {
    await page.fill("off-composer textarea", "not sent yet");
    await page.goto(`${origin}/calls`);
    await page.goto(`${origin}/calls/c-1`);
    await page.waitForSelector("off-composer textarea");
    assert.equal(await page.inputValue("off-composer textarea"), "not sent yet");
  }, CALL),
);

test(
  "r42 presets only takes the composer away at once",
  world(async ({ page, gateway }) => {
    await page.waitForSelector("off-composer textarea");
    gateway.change("/v1/settings", { ...gateway.docs.get("/v1/settings"), presets_only: true });
    await page.getByText("Only preset messages can be sent").waitFor();
    assert.equal(await page.locator("off-composer textarea").count(), 0);
    await page.getByRole("button", { name: "Welcome" }).click();
    await under(page, "Delivered").waitFor();
  }, CALL),
);

test(
  "a46 STOP in mid-call replaces the composer by the reason",
  world(async ({ page, gateway }) => {
    await page.waitForSelector("off-composer textarea");
    gateway.receive("+12065550142", { to: "+12065550100", text: "STOP" });
    await page.locator("off-composer", { hasText: "The caller sent STOP" }).waitFor();
    await page.getByText("opt-out word: STOP").waitFor();
    assert.equal(await page.locator("off-composer textarea").count(), 0);
  }, CALL),
);

test(
  "texts, names and labels that are HTML, script or overrides stay text",
  world(async ({ page, gateway }) => {
    const evil = [
      '<img src=x onerror="alert(1)">',
      "<script>alert(1)</script>",
      "javascript:alert(1)",
      "abc\u202egnp.exe",
      "nul\u0000byte",
      "z̷̡̛a̸l̵g̶o̷",
      "x".repeat(10_000),
    ];
    gateway.docs.set("/v1/queues/support", { ...gateway.docs.get("/v1/queues/support"), name: evil[0] });
    gateway.docs.set("/v1/presets/en/evil", { label: evil[1], text: evil[3], position: 0 });
    for (const text of evil) gateway.receive("+12065550142", { to: "+12065550100", text });
    await until(async () => (await bubbles(page)).length === evil.length, "all bubbles");
    const shown = await bubbles(page);
    assert.equal(shown[0], evil[0]);
    assert.ok(shown[3].includes("U+202E") && !shown[3].includes("\u202e"), shown[3]);
    assert.ok(shown[4].includes("U+0000"));
    const sideways = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
    assert.ok(Number(sideways) <= 0, `${sideways}`);
    for (const path of ["/queues", "/queues/support", "/presets", "/playground"]) {
      await page.goto(new URL(path, page.url()).href);
      await page.waitForSelector("h1");
      await page.waitForTimeout(200);
      assert.equal(await page.locator("main img[src=x], main script").count(), 0, path);
    }
  }, CALL),
);

test(
  "a reader who has scrolled up is not moved, and is told of new messages",
  world(async ({ page, gateway }) => {
    for (let n = 0; n < 40; n += 1) gateway.receive("+12065550142", { to: "+12065550100", text: `message ${n}` });
    await until(async () => (await bubbles(page)).length === 40, "forty bubbles");
    const log = page.locator("off-conversation .log");
    const atEnd = () => log.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight < 3);
    await until(atEnd, "at the end");
    await log.evaluate(
      (element) =>
        new Promise((resolve) => {
          element.addEventListener("scroll", resolve, { once: true });
          element.scrollTop = 100;
        }),
    );
    gateway.receive("+12065550142", { to: "+12065550100", text: "new one" });
    await page.getByRole("button", { name: "1 new message" }).waitFor();
    assert.equal(await log.evaluate((element) => element.scrollTop), 100);
    await page.getByRole("button", { name: "1 new message" }).click();
    await until(atEnd, "at the end again");
  }, CALL),
);

test(
  "unknown fields, types, states and codes are shown or passed over",
  world(async ({ page, gateway }) => {
    await page.waitForSelector("off-composer textarea");
    // Its carrier takes its time, so that the odd state stands.
    gateway.step = 60_000;
    gateway.emit("lunar.eclipse", { a: 1 }, "c-1");
    gateway.emit(
      "message.read",
      { ...gateway.send(gateway.calls.get("c-1"), "telepathy", "Hm"), state: "read_aloud", later: { x: 1 } },
      "c-1",
    );
    await under(page, "read_aloud").waitFor();
    gateway.instead = (request) => (request.method === "POST" ? problem(409, "brand_new_code", "Something newer than this page") : null);
    await write(page, "Hello");
    await page.locator("off-composer [role=alert]", { hasText: "Something newer than this page" }).waitFor();
    gateway.instead = (request) =>
      request.path.startsWith("/v1/calls") ? { status: 200, body: "<html>proxy</html>", headers: { "Content-Type": "text/html" } } : null;
    await page.goto(new URL("/calls", page.url()).href);
    await page.getByText("The answer makes no sense").waitFor();
    gateway.instead = null;
    await page.getByRole("button", { name: "Try again" }).click();
    await page.locator("table").waitFor();
  }, CALL),
);

test(
  "whoever may not see texts sees none",
  world(
    async ({ page, gateway }) => {
      const message = gateway.send(gateway.calls.get("c-1"), "custom", "secret");
      Object.assign(message, { text: null, text_hidden: true });
      await page.reload();
      await page.getByText("Text hidden").waitFor();
      const expired = gateway.send(gateway.calls.get("c-1"), "custom", "old");
      gateway.emit("message.sent", { ...expired, text: null, text_expired: true }, "c-1");
      await page.getByText("Text erased after 30 days").waitFor();
      const hidden = { ...expired, id: "msg_h", direction: "inbound", kind: "inbound", state: "received", text: null, text_hidden: true };
      gateway.emit("message.received", hidden, "c-1");
      await page.locator("#say", { hasText: "The caller sent a text that you may not see" }).waitFor({ state: "attached" });
    },
    {
      ...CALL,
      setUp: (door) => {
        void startCall(door.gateway);
        Object.assign(door.gateway.me, { texts: false, scopes: ["read", "operate"] });
      },
    },
  ),
);

test(
  "why a text waits is told by the machine",
  world(async ({ page, gateway }) => {
    gateway.step = 60_000;
    await write(page, "Hello");
    await page.getByText(/Waiting 3.0 s|Waiting 2.9 s/).waitFor();
    await page.getByRole("button", { name: "Why?" }).click();
    await page.locator("dialog", { hasText: "number's rate" }).waitFor();
    // What is outside of an open dialog is inert: what is said and what can be undone is inside as long as it is open.
    await page.evaluate(`(async () => {
      const { toast } = await import(new URL("../parts/dialog.js", document.querySelector("script[type=module]").src).href);
      toast("Changed", { label: "Undo it", act: () => (window.undone = true) });
    })()`);
    await page.locator("dialog[open] #say").waitFor({ state: "attached" });
    await page.getByRole("button", { name: "Undo it" }).click();
    assert.equal(await page.evaluate("window.undone"), true);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Cancel" }).click();
    await under(page, "Cancelled: on request").waitFor();
    assert.deepEqual(await page.locator("body > #say, body > off-toasts").count(), 2);
  }, CALL),
);

test(
  "/ lists the presets, and Enter sends the chosen one",
  world(async ({ page, gateway }) => {
    const inView = () =>
      page.locator('.options [aria-selected="true"]').evaluate((option) => {
        const [inner, outer] = [option, /** @type {Element} */ (option.parentElement)].map((element) => element.getBoundingClientRect());
        return inner.top >= outer.top && inner.bottom <= outer.bottom + 1;
      });
    for (let n = 0; n < 20; n += 1) {
      gateway.docs.set(`/v1/presets/en/more-${n}`, { label: `More ${n}`, text: "More.", position: 10 + n });
      gateway.docs.set(`/v1/queues/more-${n}`, { ...gateway.docs.get("/v1/queues/support"), name: `More ${n}` });
    }
    await page.reload();
    for (const open of ["/", "Control+k"]) {
      await page.focus("off-composer textarea");
      await page.keyboard.press(open);
      await page.locator("dialog[open] [role=option]").nth(20).waitFor();
      for (let n = 0; n < 18; n += 1) await page.keyboard.press("ArrowDown");
      await until(inView, `${open}: what is chosen is in view`);
      await page.keyboard.press("Escape");
    }
    await page.focus("off-composer textarea");
    await page.keyboard.press("/");
    await page.waitForSelector("dialog[open]");
    await page.keyboard.type("photo");
    await page.keyboard.press("Enter");
    await page.locator("off-conversation .m", { hasText: "Please send me a photo" }).waitFor();
  }, CALL),
);
