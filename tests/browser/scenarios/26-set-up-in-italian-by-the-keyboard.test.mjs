// A new user, in Italian, without a mouse: from nothing to a closing message on a phone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, gateway, until } from "./gateway.mjs";
import { tabTo } from "./keyboard.mjs";

const CALLER = "+12065550142";

/** @type {Awaited<ReturnType<typeof gateway>>} */
let world;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {import("playwright-core").Page} */
let page;

before(async () => {
  [world, chrome] = await Promise.all([gateway({ numbers: ["+12065550100"] }), browser()]);
  page = await chrome.page(await world.link(), { context: { locale: "it-IT" } });
});
after(async () => {
  await world?.close();
  await chrome?.close();
});

const press = (/** @type {string} */ key) => page.keyboard.press(key);
const type = (/** @type {string} */ text) => page.keyboard.type(text);
const go = async (/** @type {RegExp} */ name) => {
  await tabTo(page, name);
  await press("Enter");
};
const stands = (/** @type {string} */ path) => page.waitForURL(world.origin + path);
/** What vanishes while it has the focus must not leave it nowhere. */
const focusOn = (/** @type {string} */ selector, /** @type {RegExp} */ text) =>
  until(
    () => page.locator(`${selector}:focus`, { hasText: text }).count(),
    () => `the focus is on ${selector} ${text}`,
  );
const get = async (/** @type {string} */ path) => (await world.platform("GET", path)).body;

test("r15 r16 r62 a number is activated and a queue answers on it", async () => {
  await page.getByText("Nessun numero statunitense (+1) valido è ancora attivo: non si può inviare nulla.").waitFor();
  await go(/^Attiva un numero$/);
  await stands("/numbers");
  await page.getByRole("heading", { name: "Attiva il tuo primo numero" }).waitFor();
  await page.getByText("Ancora nessun numero. Attiva qui sopra il primo.").waitFor();
  await tabTo(page, /^Numero di telefono statunitense/);
  await type("206 555 0199");
  await press("Enter");
  await page.getByText("L'operatore non ce l'ha in questo account.").first().waitFor();
  await tabTo(page, /^Numero di telefono statunitense/);
  await press("Control+a");
  await type("206 555 0100");
  await press("Enter");
  await page.getByText("+1 206 555 0100 è attivo").waitFor();
  await page.locator(".pill", { hasText: /^✓ Verificato solo per la messaggistica SMS$/ }).waitFor();
  await focusOn("main", /^\s*Numeri/);
  await go(/^Sospendi \+1 206 555 0100$/);
  await page.locator("dialog[open] #suspend-reason").waitFor();
  await type("Prova");
  await press("Enter");
  await focusOn("tr button", /^\+1 206 555 0100$/);
  await go(/^Riprendi \+1 206 555 0100$/);
  await page.locator(".pill", { hasText: "Sospeso" }).waitFor({ state: "detached" });
  await focusOn("tr button", /^\+1 206 555 0100$/);

  await go(/^Code$/);
  await stands("/queues");
  await page.getByText("Ancora nessuna coda").waitFor();
  await go(/^Aggiungi una coda$/);
  await page.locator("dialog[open] #queue-name").waitFor();
  await type("営業");
  await press("Enter");
  await page.locator("#queue-id-wrong", { hasText: "Da questo nome non si ricava un id: scrivine uno." }).waitFor();
  assert.equal(await page.evaluate("document.activeElement.id"), "queue-id");
  await press("Escape");
  await page.getByRole("heading", { name: "Uscire senza salvare?" }).waitFor();
  await press("Enter");
  await until(() => page.evaluate("document.activeElement.closest('dialog')?.querySelector('#queue-id') !== null"), "the form again");
  await page.locator("#queue-id").focus();
  await press("Shift+Tab");
  await press("Control+a");
  await type("Assistenza");
  await press("Enter");
  await stands("/queues/assistenza");
  await page.locator("#queue-inbound").waitFor();
  await tabTo(page, /^Lingua$/);
  await type("Ital");
  await tabTo(page, /^Numeri in entrata$/);
  await type("0100");
  await press("Enter");
  await page.locator(".chip", { hasText: "+1 206 555 0100" }).waitFor();
  await press("Control+s");
  await page.getByText("Salvato: Assistenza").waitFor();
  await page.getByText("Gli SMS durante la chiamata sono disattivati per tutto l'ambiente").first().waitFor();
  const queue = await get("/v1/queues/assistenza");
  assert.deepEqual([queue.name, queue.language, queue.inbound_numbers], ["Assistenza", "it", ["+12065550100"]]);
});

test("r43 r44 r45 r47 two messages are added in italian", async () => {
  await go(/^Messaggi preimpostati$/);
  await stands("/presets");
  await page.getByRole("tab", { name: "Italiano (0)" }).waitFor();
  await tabTo(page, /^Inglese \(0\)$/);
  await press("ArrowRight");
  await page.getByText("Qui gli agenti non vedono nulla in italiano").waitFor();
  await go(/^Aggiungi una lingua$/);
  await page.locator("dialog[open] #language-code").waitFor();
  await go(/^Annulla$/);
  await focusOn("button", /^Aggiungi una lingua$/);
  await go(/^Aggiungi messaggio SMS$/);
  const label = page.locator("dialog[open] #preset-label");
  for (const [name, text] of [
    ["Benvenuto", "Buongiorno, può scrivermi qui."],
    ["Foto", "Per favore, mi mandi una foto."],
  ]) {
    await until(() => label.evaluate((input) => input === document.activeElement && input.value === ""), "an empty form with the focus");
    await type(name);
    await tabTo(page, /^Contenuto$/);
    await type(text);
    await go(/^Salva$/);
    await page.getByText(`${name}: aggiunto`).last().waitFor();
  }
  await until(() => label.evaluate((input) => input.value === ""), "an empty form");
  await press("Escape");
  await page.getByRole("tab", { name: "Italiano (2)" }).waitFor();
  const order = async () => (await get("/v1/presets?language=it")).items.map((/** @type {{ label: string }} */ { label }) => label).join();
  assert.equal(await order(), "Benvenuto,Foto");
  await go(/^↓\s*Sposta giù: Benvenuto$/);
  await page.locator("#say", { hasText: "Benvenuto è ora il numero 2" }).waitFor({ state: "attached" });
  assert.equal(await order(), "Foto,Benvenuto");
  await focusOn("tr button", /^Benvenuto$/);
  await page.keyboard.press("Tab");
  await press("Enter");
  await page.locator("#say", { hasText: "Benvenuto è ora il numero 1" }).waitFor({ state: "attached" });
  assert.equal(await order(), "Benvenuto,Foto");
  await focusOn("tr button", /^Benvenuto$/);
});

test("r14 r38 r55 r57 texts are switched on and the closing message is set", async () => {
  await go(/^nessun testo$/);
  await stands("/settings/in-call-sms?language=it");
  await page.locator("#closing-on").waitFor();
  await tabTo(page, /^SMS durante la chiamata Non attivo$/);
  await press("Space");
  assert.equal((await get("/v1/settings")).in_call_sms, false, "nothing acts before Set");
  await go(/^Imposta$/);
  await until(async () => (await get("/v1/settings")).in_call_sms, "texts are on");
  await tabTo(page, /^Invia un messaggio di chiusura$/);
  assert.ok(await page.locator("#closing-on").isChecked(), "it is sent by default, as soon as it has a text");
  await tabTo(page, /^Testo in italiano$/);
  await type("Grazie della chiamata.");
  assert.deepEqual((await get("/v1/settings")).closing.texts, {}, "nothing acts before Set");
  await tabTo(page, /^Imposta$/);
  await press("Enter");
  await until(async () => (await get("/v1/settings")).closing.texts.it, "the text is set");
  const { enabled, texts } = (await get("/v1/settings")).closing;
  assert.deepEqual([enabled, texts], [true, { it: "Grazie della chiamata." }]);
});

test("r39 r55 r56 what was set up is what a caller gets", async () => {
  const call = { caller: CALLER, queue: "assistenza", agent: "a-1" };
  assert.equal((await world.platform("PUT", "/v1/calls/c-1", call)).status, 201);
  const [preset] = (await get("/v1/presets?language=it")).items;
  const sent = await world.platform("POST", "/v1/calls/c-1/messages", { preset: preset.id, agent: "a-1" });
  assert.equal(sent.status, 202, JSON.stringify(sent.body));
  await until(() => world.arrived(CALLER)[0], "the message arrives");
  assert.equal((await world.platform("POST", "/v1/calls/c-1/end", { reason: "agent_hangup" })).status, 200);
  await until(() => world.arrived(CALLER)[1], "the closing message arrives");
  assert.deepEqual(
    world.arrived(CALLER).map(({ text }) => text),
    ["Buongiorno, può scrivermi qui.", "Grazie della chiamata."],
  );
  await go(/^Conversazioni$/);
  await stands("/calls");
  await page.locator("td a", { hasText: "+1 206 555 0142" }).waitFor();
  await go(/^\+1 206 555 0142$/);
  await page.getByText(/^Chiamata terminata alle \S+: gli SMS sono chiusi · ha riagganciato l'agente$/).waitFor();
  await go(/^Perché\?$/);
  await page.locator("dialog[open] li", { hasText: /\S+\s+accettato\s*$/ }).waitFor();
  chrome.calm();
});
