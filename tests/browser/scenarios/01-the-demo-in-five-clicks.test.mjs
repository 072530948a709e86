// The first minute: the demo's link, and caller and agent in one window. The tests are one story, in this order.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, demo, until } from "./gateway.mjs";

/** @type {Awaited<ReturnType<typeof demo>>} */
let world;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chrome;
/** @type {import("playwright-core").Page} */
let page;

before(async () => {
  [world, chrome] = await Promise.all([demo(), browser()]);
});
after(async () => {
  await world?.close();
  await chrome?.close();
});

const phone = () => page.locator("off-phone .log");
const talk = () => page.locator("off-conversation");
/** What the phone shows that came from us. @param {string} text */
const onPhone = (text) => phone().locator(".m.i", { hasText: text });

/** The call's texts, as the platform sees them. */
async function transcript() {
  const id = new URL(page.url()).searchParams.get("call");
  const { body } = await world.platform("GET", `/v1/calls/${id}/messages`);
  return /** @type {Array<{ direction: string, kind: string, text: string, state: string, media: Array<{ content_type: string, state: string }> }>} */ (
    body.items
  );
}

test("r39 r40 the demo link leads to a delivered preset message in at most five clicks", async () => {
  page = await chrome.page(world.link);
  let clicks = 1;
  assert.equal(new URL(page.url()).pathname, "/playground");
  assert.equal(new URL(page.url()).hash, "", "the link's secret stays in the address");
  const click = async (/** @type {import("playwright-core").Locator} */ target) => {
    clicks += 1;
    await target.click();
  };
  await click(page.getByRole("button", { name: "Ring from +1 206 555 0152" }));
  const presets = page.locator("off-composer .chip:not([aria-haspopup])");
  await presets.first().waitFor();
  assert.deepEqual((await presets.allInnerTexts()).toSorted(), ["Ask for a photo", "Welcome"]);
  await click(presets.filter({ hasText: "Welcome" }));
  await talk().locator(".under", { hasText: "Delivered" }).waitFor();
  assert.ok(clicks <= 5, `${clicks} clicks`);
  const { body: preset } = await world.platform("GET", "/v1/presets/en/welcome");
  await onPhone(preset.text).waitFor();
  const [first] = await transcript();
  assert.deepEqual([first.kind, first.state, first.text], ["preset", "delivered", preset.text]);
  await talk().getByRole("button", { name: "Why?" }).click();
  const why = page.locator("dialog[open]");
  for (const step of ["accepted", "attempt", "sent", "delivered"]) await why.getByText(step).first().waitFor();
  await page.keyboard.press("Escape");
  await why.waitFor({ state: "detached" });
});

test("r2 r3 r12 r13 a text and a photo from the phone stand in the conversation", async () => {
  await page.fill("#phone-text", "It shows <b>7</b>");
  await page.keyboard.press("Enter");
  await talk().locator(".m.i", { hasText: "It shows <b>7</b>" }).waitFor();
  await talk()
    .locator(".m.i", { hasText: "It shows" })
    .locator("xpath=following-sibling::li[1]")
    .getByRole("button", { name: "Why?" })
    .click();
  await page.locator("dialog[open]").getByText("received").first().waitFor();
  await page.keyboard.press("Escape");
  await page.locator("off-phone").getByRole("button", { name: "Photo", exact: true }).click();
  const photo = talk().locator("img");
  await photo.waitFor();
  await until(() => photo.evaluate((image) => /** @type {HTMLImageElement} */ (image).naturalWidth > 0), "the photo is shown");
  const media = (await transcript()).flatMap(({ media }) => media);
  assert.deepEqual(
    media.map(({ content_type: type, state }) => [type, state]),
    [["image/jpeg", "ready"]],
  );
});

test("r51 r52 r53 r56 r60 a hang up closes the texts and nothing late is shown", async () => {
  const { body: settings } = await world.platform("GET", "/v1/settings");
  await page.getByRole("button", { name: "Hang up" }).click();
  const question = page.locator("dialog[open]", { hasText: "the closing message goes to the caller" });
  await question.getByRole("button", { name: "Hang up" }).click();
  await page.getByText("Call ended: texts are closed.").waitFor();
  await onPhone(settings.closing.texts.en).waitFor();
  assert.equal(await page.locator("off-composer textarea, off-composer .chip").count(), 0);
  await page.fill("#phone-text", "one more question");
  await page.keyboard.press("Enter");
  // That somebody wrote is told of; what they wrote stays on the phone.
  await page
    .getByText(/the caller wrote after the call and got the auto-reply/)
    .first()
    .waitFor();
  await onPhone(settings.auto_reply.texts.en).waitFor();
  assert.equal(await phone().getByText("one more question").count(), 1);
  assert.ok(!(await talk().innerText()).includes("one more question"));
  assert.ok((await transcript()).every(({ text }) => text !== "one more question"));
  await page.reload();
  await talk().locator(".m").first().waitFor();
  assert.ok(!(await talk().innerText()).includes("one more question"));
  chrome.calm();
});
