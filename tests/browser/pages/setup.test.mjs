import assert from "node:assert/strict";
import { test } from "node:test";
import { problem } from "../fake/gateway.mjs";
import { until, world } from "./browser.mjs";

const SETTINGS = { path: "/settings/in-call-sms" };
/** @param {import("playwright-core").Page} page @param {string} title */
const card = (page, title) => page.locator("section.card", { has: page.locator("h2", { hasText: title }) });
/** @param {import("./browser.mjs").World["gateway"]} gateway @param {string} path */
const puts = (gateway, path) => gateway.seen.filter((request) => request.method === "PUT" && decodeURIComponent(request.path) === path);

test(
  "r14 r38 the switch acts by Set only, and can be undone",
  world(async ({ page, gateway }) => {
    const main = card(page, "In-call SMS").first();
    const set = main.getByRole("button", { name: "Set", exact: true });
    assert.ok(await set.isDisabled());
    await main.getByRole("switch").click();
    assert.equal(gateway.docs.get("/v1/settings").in_call_sms, true);
    await set.click();
    await until(() => gateway.docs.get("/v1/settings").in_call_sms === false, "the switch is off");
    assert.equal(puts(gateway, "/v1/settings")[0].headers["if-match"], '"101"');
    await page.getByRole("button", { name: "Undo" }).click();
    await until(() => gateway.docs.get("/v1/settings").in_call_sms === true, "it is undone");
  }, SETTINGS),
);

test(
  "r25 phone number management is a click from In-call SMS",
  world(async ({ page }) => {
    await page.getByRole("link", { name: "Phone number management" }).click();
    await page.waitForURL("**/numbers");
    await page.locator("table").waitFor();
  }, SETTINGS),
);

test(
  "r33 r34 r35 r36 r37 the non-US switches are two, with the reason and one Set",
  world(async ({ page, gateway }) => {
    const non = card(page, "Non-US numbers");
    await non.getByRole("switch", { name: "Wait-time SMS to non-US numbers" }).click();
    await non.getByRole("button", { name: "Set", exact: true }).click();
    await until(() => gateway.docs.get("/v1/settings").non_us.wait_time === true, "wait-time is on");
    assert.deepEqual(gateway.docs.get("/v1/settings").non_us, { in_call: false, wait_time: true, rule: "plus_one" });
  }, SETTINGS),
);

test(
  "r41 r42 r49 presets only shows the checkbox of own texts as without effect",
  world(async ({ page, gateway }) => {
    const session = card(page, "In-call SMS session");
    await session.getByLabel("Agents may send only these messages").check();
    await session.getByText("Without effect while agents may send only preset messages.").waitFor();
    const types = card(page, "Limits of use").getByLabel("Types of calls");
    const before = await types.inputValue();
    await types.press("End");
    await types.pressSequentially(", web");
    assert.equal(await types.inputValue(), `${before}, web`);
    await card(page, "Limits of use").getByRole("button", { name: "Discard changes" }).click();
    assert.equal(await types.inputValue(), before);
    await session.getByLabel("Agents may send only these messages").focus();
    await page.keyboard.press("Control+s");
    await until(() => gateway.docs.get("/v1/settings").presets_only === true, "presets only");
  }, SETTINGS),
);

test(
  "r54 r55 r57 r58 r59 r61 closing and auto-reply are set per language",
  world(async ({ page, gateway }) => {
    for (const [title, field] of /** @type {const} */ ([
      ["Closing message", "closing"],
      ["Auto-reply message", "auto_reply"],
    ])) {
      const one = card(page, title);
      await one.getByLabel("Language").selectOption("it");
      await one.getByLabel("Text in Italian").fill(`Testo di ${field}`);
      await one.getByRole("button", { name: "Set", exact: true }).click();
      await until(() => gateway.docs.get("/v1/settings")[field].texts.it === `Testo di ${field}`, title);
    }
    assert.equal(await card(page, "Auto-reply message").getByText("Missing in").count(), 0);
  }, SETTINGS),
);

test(
  "two admins lose nothing, and choose side by side where both changed a field",
  world(async ({ page, gateway }) => {
    const closing = card(page, "Closing message");
    const settings = () => gateway.docs.get("/v1/settings");
    await closing.getByLabel("Text in English").fill("Mine");
    gateway.change("/v1/settings", { ...settings(), non_us: { ...settings().non_us, in_call: true } });
    await closing.getByText("bruno changed this meanwhile").waitFor();
    await closing.getByRole("button", { name: "Set", exact: true }).click();
    await until(() => settings().closing.texts.en === "Mine" && settings().non_us.in_call === true, "both are there");
    await closing.getByLabel("Text in English").fill("Mine again");
    gateway.change("/v1/settings", {
      ...settings(),
      closing: { ...settings().closing, texts: { ...settings().closing.texts, en: "Bruno's" } },
    });
    await closing.getByRole("button", { name: "Set", exact: true }).click();
    await closing.getByText("Text in English: you and somebody else changed it").waitFor();
    await closing.getByText("Changed by bruno,").waitFor();
    await closing.getByText("Bruno's").first().waitFor();
    assert.equal(settings().closing.texts.en, "Bruno's");
    await closing.getByRole("button", { name: "Keep mine" }).click();
    await closing.getByRole("button", { name: "Set", exact: true }).click();
    await until(() => settings().closing.texts.en === "Mine again", "my text");
  }, SETTINGS),
);

test(
  "a session that ends in a form is signed in again, and the form is sent once",
  world(async ({ page, gateway, door }) => {
    const closing = card(page, "Closing message");
    await closing.getByLabel("Text in English").fill("Typed before the end");
    door.endSessions();
    await closing.getByRole("button", { name: "Set", exact: true }).click();
    const dialog = page.locator("dialog[open]");
    await dialog.getByText("Your session has ended").waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor();
    await dialog.getByLabel("Password").fill("secret");
    await page.keyboard.press("Enter");
    await until(() => gateway.docs.get("/v1/settings").closing.texts.en === "Typed before the end", "it is saved");
    assert.equal(puts(gateway, "/v1/settings").length, 1);
    assert.equal(await closing.getByLabel("Text in English").inputValue(), "Typed before the end");
  }, SETTINGS),
);

test(
  "unsaved changes are not left without a question",
  world(async ({ page }) => {
    await card(page, "Closing message").getByLabel("Text in English").fill("Unsaved");
    await page.getByRole("link", { name: "Numbers", exact: true }).click();
    await page.locator("dialog[open]", { hasText: "Leave without saving?" }).getByRole("button", { name: "Cancel" }).click();
    assert.ok(page.url().endsWith("/settings/in-call-sms"));
    await page.getByRole("link", { name: "Numbers", exact: true }).click();
    await page.getByRole("button", { name: "Leave without saving" }).click();
    await page.waitForURL("**/numbers");
  }, SETTINGS),
);

test(
  "r26 r27 r28 r29 a number is added in any dress and the dialog stays for more",
  world(
    async ({ page, gateway }) => {
      await page.getByRole("button", { name: "Add a number" }).click();
      const dialog = page.locator("dialog[open]");
      await dialog.getByLabel("Number", { exact: true }).fill("(206) 555-0105");
      await dialog.getByLabel("Label").fill("Pool 3");
      await dialog.getByRole("button", { name: "Add another" }).click();
      await dialog.getByText("The country code is missing").waitFor();
      await dialog.getByLabel("Number", { exact: true }).fill("0039 347 123 4567");
      await dialog.getByText("+39 347 123 4567").waitFor();
      assert.equal(await dialog.getByLabel("Set as the global outbound number").isChecked(), false);
      // The label of the next one, which is typed before the answer comes, stays.
      gateway.instead = async ({ method }) => {
        if (method === "PUT") await dialog.getByLabel("Label").fill("Next");
        return null;
      };
      await dialog.getByRole("button", { name: "Add another" }).click();
      await until(() => gateway.docs.has("/v1/numbers/+393471234567"), "the number");
      await until(async () => (await dialog.getByLabel("Number", { exact: true }).inputValue()) === "", "an empty form");
      gateway.instead = null;
      assert.equal(gateway.docs.get("/v1/numbers/+393471234567").label, "Pool 3");
      assert.equal(await dialog.getByLabel("Label").inputValue(), "Next");
      await dialog.getByLabel("Number", { exact: true }).fill("+1 206 555 0100");
      await dialog.getByLabel("Label").fill("Again");
      await dialog.getByRole("button", { name: "Add a number" }).click();
      await dialog.getByText("already in the list").waitFor();
    },
    { path: "/numbers" },
  ),
);

test(
  "r15 r30 r32 unverified numbers are verified at once, with the exact words",
  world(
    async ({ page, gateway }) => {
      await page.getByRole("button", { name: "Select all unverified" }).click();
      await page.getByRole("button", { name: "Verify (2)" }).click();
      await page.locator("dialog[open]").getByRole("button", { name: "Verify", exact: true }).click();
      const row = (/** @type {string} */ text) => page.locator("tr", { hasText: text });
      await row("Pool 2").getByText("Verified for SMS messaging only").waitFor();
      await row("Old").getByText("Failed").waitFor();
      await row("Old").getByRole("code").filter({ hasText: "https://sms.example.com/carriers/main/messages" }).waitFor();
      assert.equal(gateway.seen.filter(({ path }) => path === "/v1/numbers/verify").length, 1);
    },
    { path: "/numbers" },
  ),
);

test(
  "r16 r17 the first number is activated in one go, and the section is gone",
  world(
    async ({ page, gateway }) => {
      await page.getByText("Activate your first number").waitFor();
      await page.getByLabel("US (+1) phone number").fill("+39 347 123 4567");
      await page.getByRole("button", { name: "Activate", exact: true }).click();
      await page.getByText("Enter a US number").waitFor();
      await page.getByLabel("US (+1) phone number").fill("206 555 0150");
      await page.getByRole("button", { name: "Activate", exact: true }).click();
      await until(async () => (await page.getByText("Activate your first number").count()) === 0, "the section is gone");
      assert.equal(gateway.docs.get("/v1/numbers/+12065550150").verification.state, "verified");
      await page.reload();
      await page.locator("table").waitFor();
      assert.equal(await page.getByText("Activate your first number").count(), 0);
    },
    {
      path: "/numbers",
      setUp: ({ gateway }) => {
        for (const [path] of gateway.under("/v1/numbers/")) gateway.docs.delete(`/v1/numbers/${path}`);
      },
    },
  ),
);

test(
  "r16 while activation is required every page says so",
  world(
    async ({ page }) => {
      await page.getByRole("link", { name: "Activate a number" }).click();
      await page.getByText("Activate your first number").waitFor();
    },
    {
      path: "/calls",
      setUp: ({ gateway }) => {
        for (const [path] of gateway.under("/v1/numbers/")) gateway.docs.delete(`/v1/numbers/${path}`);
      },
    },
  ),
);

test(
  "r18 r19 r20 r21 r31 pickers say beforehand why a number cannot be taken",
  world(
    async ({ page, gateway }) => {
      await page.getByLabel("Inbound numbers", { exact: true }).first().focus();
      const options = page.getByRole("listbox", { name: "Inbound numbers" }).getByRole("option");
      const text = (await options.allInnerTexts()).join("\n");
      for (const reason of [
        "is for chat SMS",
        "is the global outbound number",
        "inbound of Sales: one queue only",
        "outbound only, held by Support",
        "not verified yet",
        "its verification failed",
      ])
        assert.ok(text.includes(reason), `${reason} in ${text}`);
      await options.filter({ hasText: "Pool 2" }).click({ force: true });
      assert.equal(await page.locator(".chip").count(), 0);
      gateway.change("/v1/numbers/+12065550103", {
        ...gateway.docs.get("/v1/numbers/+12065550103"),
        verification: gateway.docs.get("/v1/numbers/+12065550100").verification,
      });
      await until(async () => !(await options.filter({ hasText: "Pool 2" }).innerText()).includes("not verified"), "it may be taken");
      await page.getByLabel("Inbound numbers", { exact: true }).first().press("ArrowDown");
      await options.filter({ hasText: "Pool 2" }).click();
      await page.getByRole("button", { name: "Set", exact: true }).click();
      await until(() => gateway.docs.get("/v1/queues/billing").inbound_numbers.length === 1, "the queue has it");
      await page.getByLabel("Inbound numbers", { exact: true }).first().press("ArrowDown");
      await options.filter({ hasText: "Second" }).click();
      await page.getByRole("button", { name: "Set", exact: true }).click();
      await until(() => gateway.docs.get("/v1/queues/billing").inbound_numbers.length === 2, "the queue has both");
      // Of very many numbers the first are drawn, and the keys stay within those.
      const field = page.getByLabel("Inbound numbers", { exact: true }).first();
      await field.fill(" ");
      await field.press("ArrowUp");
      assert.equal(await options.count(), 100);
      assert.equal(await options.last().getAttribute("id"), await field.getAttribute("aria-activedescendant"));
    },
    {
      path: "/queues/billing",
      setUp: ({ gateway }) => {
        const usual = gateway.docs.get("/v1/numbers/+12065550100");
        for (const [digits, more] of /** @type {const} */ ([
          ["0106", { label: "Chat", purpose: "chat" }],
          ["0107", { label: "Global", global_outbound: true }],
          ["0108", { label: "Second" }],
        ])) {
          gateway.docs.set(`/v1/numbers/+1206555${digits}`, { ...usual, ...more });
        }
        for (let n = 0; n < 120; n += 1) gateway.docs.set(`/v1/numbers/+1206555${7000 + n}`, { ...usual, label: `Line ${n}` });
      },
    },
  ),
);

test(
  "a refusal of the machine stands at the field that it concerns",
  world(
    async ({ page, gateway }) => {
      const detail = "+12065550100 is an inbound number of Support: take it out there first";
      gateway.instead = (request) =>
        request.method === "PUT"
          ? problem(409, "inbound_number_taken", detail, {
              errors: [{ field: "inbound_numbers[0]", code: "inbound_number_taken", detail }],
            })
          : null;
      await page.getByLabel("Name").fill("Billing, new");
      await page.getByRole("button", { name: "Set", exact: true }).click();
      const wrong = page.locator("#queue-inbound-wrong");
      await wrong.waitFor();
      assert.equal(await wrong.innerText(), `! ${detail}`);
      assert.equal(await page.getByLabel("Name").inputValue(), "Billing, new");
      await page.evaluate(async () => {
        const source = document.querySelector("script[type=module]")?.getAttribute("src") ?? "";
        (await import(source.replace("app/main.js", "words/words.js"))).setLanguage("it");
      });
      await wrong.getByText("Il numero è in entrata di un'altra coda; può esserlo di una sola.").waitFor();
      assert.equal(await wrong.locator(".meta[lang=en]").innerText(), detail);
    },
    { path: "/queues/billing" },
  ),
);

test(
  "r62 r63 a queue inherits, is on or off, and is greyed while all is off",
  world(
    async ({ page, gateway }) => {
      await page.getByLabel("Inherit from Support (now on)").waitFor();
      await page.getByLabel("Off", { exact: true }).check();
      await page.getByRole("button", { name: "Set", exact: true }).click();
      await until(() => gateway.docs.get("/v1/queues/billing").in_call_sms === false, "off");
      gateway.change("/v1/settings", { ...gateway.docs.get("/v1/settings"), in_call_sms: false });
      await page.getByText("In-call SMS is off for the whole environment").first().waitFor();
      assert.ok(await page.getByLabel("Off", { exact: true }).isDisabled());
    },
    { path: "/queues/billing" },
  ),
);

test(
  "r43 r44 r45 r46 r47 a preset has a language, a label and a warning",
  world(
    async ({ page, gateway }) => {
      await page.getByRole("tab", { name: "Italian" }).click();
      await page.getByRole("button", { name: "Add SMS message" }).click();
      const dialog = page.locator("dialog[open]");
      await dialog.getByLabel("Label").fill("Attendere");
      await dialog.getByLabel("Content").fill("a".repeat(161));
      await dialog.getByText("2 segments: most phones get it in parts").waitFor();
      // The label of the next one, which is typed before the answer comes, stays.
      gateway.instead = async ({ method }) => {
        if (method === "PUT") await dialog.getByLabel("Label").fill("Next");
        return null;
      };
      await dialog.getByRole("button", { name: "Save" }).click();
      await until(() => gateway.docs.get("/v1/presets/it/attendere")?.text.length === 161, "saved");
      await until(async () => (await dialog.getByLabel("Content").inputValue()) === "", "an empty form");
      gateway.instead = null;
      assert.equal(await dialog.getByLabel("Label").inputValue(), "Next");
      await dialog.getByLabel("Label").fill("");
      await dialog.getByRole("button", { name: "Close" }).click();
      await page.getByRole("button", { name: "Move up: Attendere" }).click();
      await until(() => gateway.docs.get("/v1/presets/it/attendere").position === 1, "moved");
      await page.getByRole("button", { name: "Add a language" }).click();
      await page.getByLabel("Code").fill("fr");
      await page.locator("dialog").getByRole("button", { name: "Add a language" }).click();
      await page.getByText("Agents see nothing here in French").waitFor();
      gateway.instead = ({ method }) => (method === "PUT" ? problem(503, "overloaded", "busy") : null);
      await page.getByRole("button", { name: "Copy from English" }).click();
      await page.locator(".bar.bad", { hasText: "busy" }).waitFor();
      assert.equal(await page.getByText("Copied.").count(), 0);
      gateway.instead = null;
      await page.getByRole("button", { name: "Copy from English" }).click();
      await page.getByText("Copied. Translate the texts now.").waitFor();
      await until(() => gateway.docs.has("/v1/presets/fr/welcome"), "copied");
      // Who may only read moves through the rows all the same.
      gateway.me.scopes = ["read"];
      await page.reload();
      await page.locator("bdi[data-row]").first().waitFor();
      await page.keyboard.press("j");
      assert.equal(await page.evaluate("document.activeElement === document.querySelector('bdi[data-row]')"), true);
    },
    { path: "/presets" },
  ),
);

test(
  "Escape does not lose what was typed in a dialog",
  world(
    async ({ page }) => {
      await page.getByRole("button", { name: "Add SMS message" }).click();
      await page.getByLabel("Content").fill("half a message");
      await page.keyboard.press("Escape");
      await page.locator("dialog[open]", { hasText: "Leave without saving?" }).getByRole("button", { name: "Cancel" }).click();
      await page.getByLabel("Content").waitFor();
      assert.equal(await page.getByLabel("Content").inputValue(), "half a message");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Leave without saving" }).click();
      await until(async () => (await page.locator("dialog[open]").count()) === 0, "both are closed");
    },
    { path: "/presets" },
  ),
);

test(
  "a46 removing an opt-out asks for a reason and the last four digits",
  world(
    async ({ page, gateway }) => {
      await page.getByRole("button", { name: "Remove +1 206 555 0199" }).click();
      const dialog = page.locator("dialog[open]");
      await dialog.getByLabel("Reason").fill("asked on the phone");
      assert.ok(await dialog.getByRole("button", { name: "Remove", exact: true }).isDisabled());
      await dialog.getByLabel(/last four digits/).fill("0199");
      await dialog.getByRole("button", { name: "Remove", exact: true }).click();
      await page.getByText("Nobody has opted out").waitFor();
      assert.equal(gateway.seen.find(({ method }) => method === "DELETE")?.query.get("reason"), "asked on the phone");

      // Of many more a page is shown, and what else was asked for stays whatever happens.
      for (let n = 0; n < 150; n += 1) {
        const number = `+1206555${2000 + n}`;
        gateway.optOuts.set(number, { number, everywhere: true, our_numbers: [], since: "2026-11-28T08:00:00.000Z", by: "keyword" });
      }
      const rows = page.locator("tbody tr");
      const happens = () => gateway.emit("contact.opted_out", { number: "+12065552000" });
      happens();
      await until(async () => (await rows.count()) === 100, "a page of them");
      gateway.instead = ({ path }) => (path === "/v1/opt-outs" ? problem(400, "cursor_invalid", "read it again") : null);
      await page.getByRole("button", { name: "Show more" }).click();
      await page.locator(".bar.bad", { hasText: "read it again" }).waitFor();
      assert.equal(await rows.count(), 100);
      gateway.instead = null;
      await page.getByRole("button", { name: "Show more" }).click();
      await until(async () => (await rows.count()) === 150, "all of them");
      const asked = gateway.seen.length;
      gateway.optOuts.delete("+12065552149");
      happens();
      await until(async () => (await rows.count()) === 149, "all but one");
      assert.ok(gateway.seen.length > asked);
      await page.keyboard.press("j");
      assert.equal(await page.evaluate("document.activeElement.textContent"), "+1 206 555 2000");
    },
    { path: "/opt-outs" },
  ),
);

test(
  "the console speaks Italian with the original's names, and keeps to it",
  world(
    async ({ page }) => {
      await page.getByLabel("Language").selectOption("it");
      await page.getByRole("heading", { name: "Le tue sessioni" }).waitFor();
      await page.reload();
      await page.getByRole("link", { name: "SMS durante la chiamata" }).click();
      await page.getByRole("button", { name: "Imposta" }).first().waitFor();
      assert.equal(await page.evaluate("document.documentElement.lang"), "it");
    },
    { path: "/me" },
  ),
);
