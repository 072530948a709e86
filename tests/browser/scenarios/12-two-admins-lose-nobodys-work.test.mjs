import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "./gateway.mjs";
import { card, changes, directory, press, read, setButton, stage } from "./set-up.mjs";

const FIRST = "Thanks for calling.";
const ADDRESSES = { anna: "192.0.2.7", bruno: "198.51.100.23" };

const { world, chrome } = await stage({ directory: directory({ closing: { enabled: true, texts: { en: FIRST } } }) });

/** The settings as seen by a person at an address of their own, which a proxy on this host names. @param {"anna" | "bruno"} name */
const settings = async (name) =>
  chrome.page(await world.link(name), {
    path: "/settings/in-call-sms",
    context: { extraHTTPHeaders: { "X-Forwarded-For": ADDRESSES[name] } },
  });
/** @param {import("./set-up.mjs").Page} page */
const closing = (page) => card(page, "Closing message");
/** @param {import("./set-up.mjs").Page} page */
const text = (page) => closing(page).getByLabel("Text in English");

test("a72 two admins change one card and nobody loses what was written", async () => {
  const [anna, bruno] = [await settings("anna"), await settings("bruno")];
  // Different fields of one card.
  await text(anna).fill("Written by Anna.");
  await closing(bruno).getByLabel("Send a closing message").uncheck();
  await press(closing(bruno));
  await closing(anna)
    .getByText(/^bruno changed this meanwhile\. Set keeps your fields and theirs/)
    .waitFor();
  assert.equal(await text(anna).inputValue(), "Written by Anna.");
  await press(closing(anna));
  await anna.getByText("Saved, together with what somebody else changed meanwhile").waitFor();
  assert.deepEqual((await read(world, "/v1/settings")).closing, { enabled: false, texts: { en: "Written by Anna." } });
  assert.equal(await closing(anna).getByLabel("Send a closing message").isChecked(), false);
  // What was saved is seen by the other at once, who was not editing.
  await until(async () => (await text(bruno).inputValue()) === "Written by Anna.", "Anna's text in Bruno's browser");

  // The same field.
  await text(anna).fill("Anna's second.");
  await text(bruno).fill("Bruno's first.");
  await press(closing(bruno));
  await setButton(closing(anna)).click();
  const choice = closing(anna).getByRole("alert");
  await choice.getByText("Text in English: you and somebody else changed it").waitFor();
  await choice.getByText("Anna's second.").waitFor();
  await choice.getByText("Bruno's first.").waitFor();
  await choice.getByText("Changed by bruno,").waitFor();
  const [mine, theirs] = [await choice.getByText("Yours").boundingBox(), await choice.getByText("There now").boundingBox()];
  assert.equal(mine?.y, theirs?.y, "side by side");
  assert.ok(await setButton(closing(anna)).isDisabled());
  assert.equal((await read(world, "/v1/settings")).closing.texts.en, "Bruno's first.");
  await choice.getByRole("button", { name: "Keep mine" }).click();
  await press(closing(anna));
  assert.equal((await read(world, "/v1/settings")).closing.texts.en, "Anna's second.");

  await until(async () => (await text(bruno).inputValue()) === "Anna's second.", "Anna's text in Bruno's browser");
  await text(anna).fill("Anna's third.");
  await text(bruno).fill("Bruno's second.");
  await press(closing(bruno));
  await setButton(closing(anna)).click();
  await choice.getByRole("button", { name: "Take theirs" }).click();
  assert.equal(await text(anna).inputValue(), "Bruno's second.");
  await closing(anna).locator("h2 .dot").waitFor({ state: "detached" });
  assert.ok(await setButton(closing(anna)).isDisabled(), "nothing of hers is left to set");

  const entries = await changes(world, "settings");
  assert.deepEqual(
    entries.map(({ actor, address, after }) => [actor, address, after.closing.enabled, after.closing.texts.en]),
    [
      ["bruno", ADDRESSES.bruno, false, FIRST],
      ["anna", ADDRESSES.anna, false, "Written by Anna."],
      ["bruno", ADDRESSES.bruno, false, "Bruno's first."],
      ["anna", ADDRESSES.anna, false, "Anna's second."],
      ["bruno", ADDRESSES.bruno, false, "Bruno's second."],
    ],
  );
});

test("r38 a72 a change can be undone until somebody else has changed it", async () => {
  const [anna, bruno] = [await settings("anna"), await settings("bruno")];
  const minutes = (/** @type {import("./set-up.mjs").Page} */ page) => card(page, "Auto-reply message").getByLabel("Quiet minutes");
  const saved = async () => (await read(world, "/v1/settings")).auto_reply.quiet_minutes;
  const before = await saved();
  const undo = anna.getByRole("button", { name: "Undo" });
  await minutes(anna).fill("3");
  await press(card(anna, "Auto-reply message"));
  // It goes after ten seconds, unless somebody is at it.
  await undo.focus();
  assert.equal(await saved(), 3);
  await until(async () => (await minutes(bruno).inputValue()) === "3", "the change in Bruno's browser");
  await undo.click();
  await anna.getByText("Undone").waitFor();
  assert.equal(await saved(), before);
  await until(async () => (await minutes(anna).inputValue()) === String(before), "the undone change in Anna's browser");
  await until(async () => (await minutes(bruno).inputValue()) === String(before), "the undone change in Bruno's browser");

  await minutes(anna).fill("4");
  await press(card(anna, "Auto-reply message"));
  await undo.focus();
  await until(async () => (await minutes(bruno).inputValue()) === "4", "the change in Bruno's browser");
  await minutes(bruno).fill("5");
  await press(card(bruno, "Auto-reply message"));
  await undo.click();
  await anna.getByText("Not undone: Somebody else changed it first. Look at it again.").waitFor();
  assert.equal(await saved(), 5);
});
