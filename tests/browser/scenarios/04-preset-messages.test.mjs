// An administrator offers messages, and an agent who is in a call has them at once.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { browser, gateway, until } from "./gateway.mjs";

const verification = { state: "verified", sms: true, mms: true };
const directory = {
  settings: { in_call_sms: true, custom_messages: true, default_language: "en" },
  numbers: { "+12065550100": { label: "Support", account: "main", limits: { segments_per_second: 50, burst: 50 }, verification } },
  queues: { support: { name: "Support", inbound_numbers: ["+12065550100"], language: "en" } },
  presets: { en: { welcome: { label: "Welcome", text: "Hello, this is your agent.", position: 1 } } },
};

/** @type {Awaited<ReturnType<typeof gateway>>} */
let world;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** The administrator's page and the agent's. @type {import("playwright-core").Page} */
let admin;
/** @type {import("playwright-core").Page} */
let agent;

before(async () => {
  [world, chrome] = await Promise.all([gateway({ directory }), browser()]);
  const call = { caller: "+12065550142", queue: "support", agent: "agent-17", language: "en" };
  assert.equal((await world.platform("PUT", "/v1/calls/c-1", call)).status, 201);
  admin = await chrome.page(await world.link("anna"), { path: "/presets" });
  agent = await chrome.page(await world.link("bruno"), { path: "/calls/c-1" });
  await agent.locator("off-composer textarea").waitFor();
});
beforeEach(() => chrome.calm());
after(async () => {
  await world?.close();
  await chrome?.close();
});

const chips = () => agent.locator("off-composer .chip:not([aria-haspopup])");
const form = () => admin.locator("dialog[open]");
/** Saves what is in the form, which then is empty again. @param {string} label @param {string} text */
async function add(label, text) {
  await form().getByLabel("Label").fill(label);
  await form().getByLabel("Content").fill(text);
  await form().getByRole("button", { name: "Save" }).click();
  await admin.getByText(`${label} added`).last().waitFor();
  await until(async () => (await form().getByLabel("Label").inputValue()) === "", "an empty form");
  assert.equal(await form().getByLabel("Content").inputValue(), "");
  assert.ok(
    await form()
      .getByLabel("Label")
      .evaluate((input) => input === document.activeElement),
    "the label has the focus",
  );
}
/** Label and text of a language's presets, as the platform has them. @param {string} language */
async function presets(language) {
  const { body } = await world.platform("GET", `/v1/presets?language=${language}`);
  return body.items.map((/** @type {{ label: string, text: string }} */ { label, text }) => [label, text]);
}

test("r43 r44 r45 r47 messages are added one after another in two languages", async () => {
  await admin.getByRole("button", { name: "Add SMS message" }).click();
  await add("Photo", "Please send a photo of the meter.");
  await add("Thanks", "Thank you, it has arrived.");
  await form().getByRole("button", { name: "Close" }).click();
  await admin.getByRole("button", { name: "Add a language" }).click();
  await form().getByLabel("Language").selectOption({ label: "Italian" });
  await form().getByRole("button", { name: "Add a language" }).click();
  await admin.getByText("Agents see nothing here in Italian").waitFor();
  await admin.getByRole("button", { name: "Add SMS message" }).click();
  await add("Foto", "Per favore, mi mandi una foto.");
  await form().getByRole("button", { name: "Close" }).click();
  await admin.getByRole("tab", { name: "Italian (1)", selected: true }).waitFor();
  await admin.getByRole("tab", { name: "English (3)" }).click();
  assert.deepEqual(await admin.locator("#preset-panel [data-row]").allInnerTexts(), ["Welcome", "Photo", "Thanks"]);
  assert.deepEqual(await presets("it"), [["Foto", "Per favore, mi mandi una foto."]]);
  assert.deepEqual((await presets("en")).length, 3);
});

test("r46 the form warns at 161 characters and not at 160 and saves both", async () => {
  await admin.getByRole("button", { name: "Add SMS message" }).click();
  const count = form().locator(".count");
  await form().getByLabel("Label").fill("Whole");
  await form().getByLabel("Content").fill("a".repeat(160));
  await count.getByText("1 segment (160/160)").waitFor();
  assert.equal(await count.getByText("most phones get it in parts").count(), 0);
  await form().getByLabel("Content").fill("a".repeat(161));
  await count.getByText("2 segments: most phones get it in parts").waitFor();
  assert.ok(await form().getByRole("button", { name: "Save" }).isEnabled(), "a warning is no limit");
  await add("Long", "a".repeat(161));
  await form().getByRole("button", { name: "Close" }).click();
  await admin.locator("tr", { hasText: "Long" }).getByText("2 segments").waitFor();
  assert.equal((await presets("en")).find(([label]) => label === "Long")?.[1].length, 161);
});

test("r44 a72 a message that two change loses nobodys work and keeps what is typed", async () => {
  const one = "/v1/presets/en/photo";
  const there = async () => (await world.platform("GET", one)).body;
  const theirs = async (/** @type {string} */ text) =>
    assert.equal((await world.platform("PUT", one, { ...(await there()), text })).status, 200);
  const content = form().getByLabel("Content");
  const saves = form().getByRole("button", { name: "Save" });
  await admin.getByRole("button", { name: "Photo", exact: true }).click();
  await content.fill("Mine.");
  await theirs("Theirs.");
  await form()
    .getByText(/ changed this meanwhile\. Save keeps your fields and theirs/)
    .waitFor();
  await saves.click();
  const choice = form().getByRole("alert");
  await choice.getByText("Content: you and somebody else changed it").waitFor();
  assert.equal((await there()).text, "Theirs.");
  assert.ok(await saves.isDisabled());
  await content.fill("Mine, after all.");
  await choice.getByRole("button", { name: "Keep mine" }).click();
  // What is typed while the answer is on its way stays, and so does the form.
  await admin.route(`**${one}`, async (route) => {
    const response = await route.fetch();
    await content.fill("Please send a photo of the meter.");
    await route.fulfill({ response });
  });
  await saves.click();
  await admin.getByText("Saved: ").last().waitFor();
  await admin.unroute(`**${one}`);
  assert.equal((await there()).text, "Mine, after all.");
  assert.equal(await content.inputValue(), "Please send a photo of the meter.");
  await form().getByRole("button", { name: "Close" }).click();
  await admin.getByRole("heading", { name: "Leave without saving?" }).waitFor();
  await form().last().getByRole("button", { name: "Cancel" }).click();
  await saves.click();
  await form().waitFor({ state: "detached" });
  assert.equal((await there()).text, "Please send a photo of the meter.");

  // Moved, a message keeps the words that it has by then.
  const words = (await there()).text;
  await admin.route(`**${one}`, async (route) => {
    if (route.request().method() === "GET") await theirs("New words.");
    else assert.match((await route.request().allHeaders())["if-match"] ?? "", /^"\d+"$/);
    await route.continue();
  });
  await admin.getByRole("button", { name: "Move up: Photo" }).click();
  await until(async () => (await presets("en"))[1][0] === "Photo", "it is moved");
  assert.equal((await presets("en"))[1][1], "New words.");
  await admin.unroute(`**${one}`);
  await theirs(words);
  await admin.getByRole("button", { name: "Move down: Photo" }).click();
  await until(async () => (await presets("en"))[2][0] === "Photo", "it is moved back");
});

test("r39 r40 an agent in a call has a new message at once and a click sends it", async () => {
  await until(async () => (await chips().allInnerTexts()).join(" ") === "Welcome Long Photo", "the agent has the new message");
  await chips().filter({ hasText: "Photo" }).click();
  await until(() => world.arrived("+12065550142")[0], "it arrives");
  assert.equal(world.arrived("+12065550142")[0].text, "Please send a photo of the meter.");
  // The whole list, with those of other languages after the call's own.
  await agent.getByRole("button", { name: /^Preset messages/ }).click();
  const options = agent.locator("dialog[open] [role=option]");
  assert.deepEqual(await options.locator("b").allInnerTexts(), ["Welcome", "Long", "Photo", "Thanks", "Foto"]);
  await options.filter({ hasText: "Foto" }).click();
  await until(() => world.arrived("+12065550142")[1], "the second arrives");
  assert.equal(world.arrived("+12065550142")[1].text, "Per favore, mi mandi una foto.");
});

test("r41 r42 r48 r49 own texts are switched off and on in mid call", async () => {
  await admin.getByRole("navigation").getByRole("link", { name: "In-call SMS" }).click();
  const card = admin.locator("section.card", { has: admin.locator("h2", { hasText: "In-call SMS session" }) });
  await card.getByRole("heading", { name: "Admin preset messages" }).waitFor();
  await card.getByText("5 preset messages (languages: 2)").waitFor();
  let etag = (await world.platform("GET", "/v1/settings")).headers.get("etag");
  const set = async (/** @type {string} */ label, /** @type {boolean} */ on) => {
    await card.getByLabel(label).setChecked(on);
    const before = (await world.platform("GET", "/v1/settings")).headers.get("etag");
    assert.equal(before, etag, "nothing acts before Set");
    await card.getByRole("button", { name: "Set", exact: true }).click();
    await card.getByRole("button", { name: "Discard changes" }).waitFor({ state: "detached" });
    etag = (await world.platform("GET", "/v1/settings")).headers.get("etag");
  };
  const writer = agent.locator("off-composer textarea");
  const send = (/** @type {string} */ text) => world.platform("POST", "/v1/calls/c-1/messages", { text, agent: "agent-17" });
  await writer.fill("half written");

  await set("Agents may send only these messages", true);
  await card.getByText("Without effect while agents may send only preset messages.").waitFor();
  await writer.waitFor({ state: "detached" });
  await agent.getByText("Only preset messages can be sent: own texts are switched off.").waitFor();
  assert.ok((await chips().count()) > 0, "presets stay");
  const only = await send("forced");
  assert.deepEqual([only.status, only.body.code], [403, "presets_only"]);

  await set("Agents may send only these messages", false);
  await writer.waitFor();
  assert.equal(await writer.inputValue(), "half written", "what was being written is still there");

  await set("Agents may write their own messages", false);
  await writer.waitFor({ state: "detached" });
  const off = await send("forced");
  assert.deepEqual([off.status, off.body.code], [403, "custom_messages_off"]);
  await set("Agents may write their own messages", true);
  await writer.waitFor();
  await writer.fill("own words");
  await agent.keyboard.press("Control+Enter");
  await until(() => world.arrived("+12065550142").some(({ text }) => text === "own words"), "own words arrive");
});

test("r49 an own text forced from a page that has not heard is refused and kept", async () => {
  // A page without live events still shows the field.
  const context = agent.context();
  await context.route(/\/v1\/events\?/, (route) => route.abort());
  await agent.reload();
  await agent.locator("off-composer textarea").waitFor();
  await agent.getByText(/^Live updates lost at/).waitFor();
  const { body: settings } = await world.platform("GET", "/v1/settings");
  assert.equal((await world.platform("PUT", "/v1/settings", { ...settings, custom_messages: false })).status, 200);
  const before = world.arrived().length;
  await agent.fill("off-composer textarea", "forced words");
  await agent.getByRole("button", { name: "Send", exact: true }).click();
  await agent.locator("off-composer").getByText("Own texts are switched off: send a preset message.").waitFor();
  assert.equal(await agent.locator("off-composer textarea").inputValue(), "forced words");
  assert.equal(await agent.locator("off-conversation .m", { hasText: "forced words" }).count(), 0);
  assert.equal(world.arrived().length, before);
  await context.unroute(/\/v1\/events\?/);
});
