import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "./gateway.mjs";
import { call, card, directory, hangUp, onPhone, press, read, setButton, stage } from "./set-up.mjs";

const TEXTS = {
  closing: { it: "Grazie della chiamata. La conversazione è finita.", en: "Thanks for calling. This conversation is over." },
  auto_reply: { it: "Qui non legge nessuno. Ci chiami, per favore.", en: "Nobody reads this. Please call us." },
};
const UNSET = { closing: { enabled: false, texts: {} }, auto_reply: { enabled: false, texts: {} } };

const { world, chrome } = await stage({ directory: directory(UNSET) });

/** A call on which a text has gone to the caller. @param {string} id @param {string} caller @param {string} language */
async function talked(id, caller, language) {
  await call(world, id, { caller, language });
  const { status } = await world.platform("POST", `/v1/calls/${id}/messages`, { text: `About ${id}` });
  assert.equal(status, 202);
  await onPhone(world, caller, `About ${id}`);
}

/** Writes both texts into a card and enables it, without Set. @param {import("./set-up.mjs").Locator} one @param {{ it: string, en: string }} texts @param {string} checkbox */
async function write(one, texts, checkbox) {
  assert.equal(await one.getByLabel(checkbox).isChecked(), false);
  assert.ok(await setButton(one).isDisabled());
  for (const [code, name] of /** @type {const} */ ([
    ["it", "Italian"],
    ["en", "English"],
  ])) {
    await one.getByLabel("Language").selectOption(code);
    await one.getByLabel(`Text in ${name}`).fill(texts[code]);
    await one.locator(".m", { hasText: texts[code] }).waitFor();
  }
  await one.getByLabel(checkbox).check();
}

test("r54 r55 r56 r57 the closing message goes out in the language of the call", async () => {
  const page = await chrome.page(await world.link(), { path: "/settings/in-call-sms" });
  const closing = card(page, "Closing message");
  await write(closing, TEXTS.closing, "Send a closing message");
  await talked("before", "+12065550140", "en");
  await hangUp(world, "before");
  assert.deepEqual((await read(world, "/v1/settings")).closing, UNSET.closing, "nothing is set before Set");
  await press(closing);
  assert.deepEqual((await read(world, "/v1/settings")).closing, { enabled: true, texts: TEXTS.closing });

  await talked("english", "+12065550141", "en");
  await talked("italian", "+12065550142", "it");
  await hangUp(world, "english", "caller_hangup");
  await hangUp(world, "italian", "agent_hangup");
  await onPhone(world, "+12065550141", TEXTS.closing.en);
  await onPhone(world, "+12065550142", TEXTS.closing.it);
  assert.deepEqual(
    world.arrived("+12065550140").map(({ text }) => text),
    ["About before"],
  );
});

test("r58 r59 r60 r61 a text after the call is answered in the language of the call", async () => {
  await talked("one", "+12065550151", "en");
  await talked("two", "+12065550152", "it");
  await talked("three", "+12065550153", "it");
  for (const id of ["one", "two", "three"]) await hangUp(world, id);
  for (const caller of ["+12065550151", "+12065550152", "+12065550153"])
    await until(() => world.arrived(caller).length === 2, "the closing messages");

  const page = await chrome.page(await world.link(), { path: "/settings/in-call-sms" });
  const reply = card(page, "Auto-reply message");
  await reply.getByText("Goes to whoever writes after the call, so that nobody waits for an answer.").waitFor();
  await write(reply, TEXTS.auto_reply, "Send an auto-reply");
  await reply.getByText("further ones at most every 15 minutes and 3 times a day").waitFor();
  await reply.getByLabel("Quiet minutes between two replies").fill("0");
  await world.text("+12065550153", "Is anybody there?");
  assert.equal((await read(world, "/v1/settings")).auto_reply.enabled, false, "nothing is set before Set");
  await press(reply);
  const { enabled, texts } = (await read(world, "/v1/settings")).auto_reply;
  assert.deepEqual({ enabled, texts }, { enabled: true, texts: TEXTS.auto_reply });

  await world.text("+12065550151", "One more thing");
  await world.text("+12065550152", "Ancora una cosa");
  await onPhone(world, "+12065550151", TEXTS.auto_reply.en);
  await onPhone(world, "+12065550152", TEXTS.auto_reply.it);
  await world.text("+12065550152", "Pronto?");
  await until(() => world.arrived("+12065550152").filter(({ text }) => text === TEXTS.auto_reply.it).length === 2, "each try is answered");
  assert.equal(world.arrived("+12065550153").length, 2, "what came before Set was not answered");
  await world.text("+12065550153", "Hello?");
  await onPhone(world, "+12065550153", TEXTS.auto_reply.it);
});
