import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "./gateway.mjs";
import { directory, press, read, setButton, stage, verified } from "./set-up.mjs";

/** @typedef {import("./set-up.mjs").Page} Page */
/** @typedef {"Inbound" | "Outbound"} Role */

const usual = directory();
const POOL = "+12065550102";
const SPARE = "+12065550103";
const SECOND = "+12065550104";
const NEW = ["+12065550108", "+12065550109"];

const { world, chrome } = await stage({
  numbers: ["+12065550100", "+12065550101", POOL, SPARE, SECOND, "+12065550105", "+12065550106", ...NEW],
  directory: {
    ...usual,
    numbers: {
      ...usual.numbers,
      [POOL]: verified("Pool"),
      [SPARE]: verified("Spare"),
      [SECOND]: verified("Second"),
      "+12065550105": verified("Desk chat", { purpose: "chat" }),
      "+12065550106": verified("Global", { global_outbound: true }),
      "+12065550107": verified("Gone", { verification: { state: "unverified" } }),
    },
    queues: {
      ...usual.queues,
      support: { ...usual.queues.support, outbound_numbers: [POOL] },
      billing: { name: "Billing", parent: "support" },
    },
  },
});

/** @param {Page} page @param {Role} role */
const field = (page, role) => page.getByRole("combobox", { name: `${role} numbers` });
/** @param {Page} page @param {Role} role @param {string} label */
const option = (page, role, label) =>
  page
    .getByRole("listbox", { name: `${role} numbers` })
    .getByRole("option")
    .filter({ hasText: ` ${label}` });
/** @param {Page} page @param {Role} role @param {string} label */
async function take(page, role, label) {
  await field(page, role).click();
  await option(page, role, label).click();
  await chips(page, role).filter({ hasText: label }).waitFor();
}
/** @param {Page} page @param {Role} role */
const chips = (page, role) => page.locator("off-picker", { has: field(page, role) }).locator(".chip");

/** What a picker offers: each label with its reason, null where it can be taken. @param {Page} page @param {Role} role */
async function offered(page, role) {
  await field(page, role).click();
  const options = await page
    .getByRole("listbox", { name: `${role} numbers` })
    .getByRole("option")
    .all();
  /** @type {Record<string, string | null>} */
  const found = {};
  for (const one of options) {
    const label = (await one.locator("span").first().innerText()).replace(/^\+1 \d+ \d+ \d+ /, "");
    const greyed = (await one.getAttribute("aria-disabled")) === "true";
    found[label] = greyed ? await one.locator(".meta").innerText() : null;
  }
  await page.keyboard.press("Escape");
  return found;
}

test("r18 r19 r21 r31 a picker greys what the gateway would refuse and says why", async () => {
  await world.platform("POST", "/v1/numbers/verify", { numbers: ["+12065550107"] });
  const page = await chrome.page(await world.link(), { path: "/queues/billing" });
  const never = { "Desk chat": "is for chat SMS", Global: "is the global outbound number", Gone: "its verification failed: see Numbers" };
  const free = { Spare: null, Second: null };
  const inbound = await offered(page, "Inbound");
  const held = {
    "Support A": "inbound of Support: one queue only",
    Sales: "inbound of Sales: one queue only",
    Pool: "outbound only, held by Support",
  };
  assert.deepEqual(inbound, { ...held, ...free, ...never });
  const outbound = await offered(page, "Outbound");
  assert.deepEqual(outbound, { "Support A": null, Sales: null, Pool: null, ...free, ...never });

  for (const [role, greyed] of /** @type {const} */ ([
    ["Inbound", inbound],
    ["Outbound", outbound],
  ])) {
    for (const [label, reason] of Object.entries(greyed)) {
      if (!reason) continue;
      await field(page, role).click();
      await option(page, role, label).click({ force: true });
    }
    assert.equal(await chips(page, role).count(), 0, role);
    await page.keyboard.press("Escape");
  }
  assert.ok(await setButton(page).isDisabled());

  // A queue's own outbound number is free for inbound once it is taken out there.
  await page.getByRole("heading").getByRole("link", { name: "Support", exact: true }).click();
  await page.waitForURL("**/queues/support");
  await chips(page, "Outbound").filter({ hasText: "Pool" }).waitFor();
  assert.equal((await offered(page, "Inbound")).Pool, "outbound only, held by Support");
  await page.getByRole("button", { name: /^Remove .* Pool/ }).click();
  assert.equal((await offered(page, "Inbound")).Pool, null);
  await page.close();

  // What the page says beforehand is what the gateway says to whoever asks it.
  for (const { number, label } of (await read(world, "/v1/numbers")).items) {
    for (const [role, greyed] of /** @type {const} */ ([
      ["inbound_numbers", inbound],
      ["outbound_numbers", outbound],
    ])) {
      const { status } = await world.platform("PUT", "/v1/queues/billing", { name: "Billing", parent: "support", [role]: [number] });
      assert.equal(status, greyed[label] ? 409 : 200, `${label} as ${role}`);
      if (status === 200) await world.platform("PUT", "/v1/queues/billing", { name: "Billing", parent: "support" });
    }
  }
});

test("r29 r31 numbers added one after another can be taken once they are verified", async () => {
  const queue = await chrome.page(await world.link(), { path: "/queues/billing" });
  const page = await queue.context().newPage();
  await page.goto(`${world.origin}/numbers`);
  await page.getByRole("button", { name: "Add a number" }).click();
  const dialog = page.locator("dialog[open]");
  for (const number of NEW) {
    await dialog.getByLabel("Number", { exact: true }).fill(number);
    await dialog.getByLabel("Label").fill(`New ${number.slice(-4)}`);
    await dialog.getByRole("button", { name: "Add another" }).click();
    await until(async () => (await dialog.getByLabel("Number", { exact: true }).inputValue()) === "", "a form for the next number");
  }
  await dialog.getByRole("button", { name: "Close" }).click();
  await field(queue, "Inbound").click();
  for (const label of ["New 0108", "New 0109"])
    await option(queue, "Inbound", label).getByText("not verified yet: verify it under Numbers").waitFor();
  for (const label of ["New 0108", "New 0109"]) await page.locator("tr", { hasText: label }).waitFor();
  await page.getByRole("button", { name: "Select all unverified" }).click();
  await page.getByRole("button", { name: "Verify (3)" }).click();
  await dialog.getByRole("button", { name: "Verify", exact: true }).click();
  for (const label of ["New 0108", "New 0109"])
    await until(async () => (await option(queue, "Inbound", label).getAttribute("aria-disabled")) === null, `${label} can be taken`);
});

test("r20 r21 r22 r23 a queue takes several numbers of both kinds", async () => {
  const page = await chrome.page(await world.link(), { path: "/queues/billing" });
  for (const label of ["New 0108", "New 0109"]) await take(page, "Inbound", label);
  for (const label of ["Pool", "Sales"]) await take(page, "Outbound", label);
  await page.getByLabel("Default outbound number").selectOption(POOL);
  await press(page.locator("section.card"));
  const { inbound_numbers, outbound_numbers, default_outbound } = await read(world, "/v1/queues/billing");
  assert.deepEqual(
    { inbound_numbers, outbound_numbers, default_outbound },
    {
      inbound_numbers: NEW,
      outbound_numbers: [POOL, "+12065550101"],
      default_outbound: POOL,
    },
  );
  assert.deepEqual((await read(world, `/v1/numbers/${POOL}`)).queues, { inbound: null, outbound: ["billing", "support"] });
  assert.deepEqual((await read(world, "/v1/numbers/+12065550101")).queues, { inbound: "sales", outbound: ["billing"] });

  // The default goes with its number.
  await page.getByRole("button", { name: /^Remove .* Pool/ }).click();
  await page.keyboard.press("Escape");
  assert.equal(await page.getByLabel("Default outbound number").inputValue(), "");
  await press(page.locator("section.card"));
  const without = await read(world, "/v1/queues/billing");
  assert.deepEqual([without.outbound_numbers, without.default_outbound], [["+12065550101"], null]);
});

test("r19 what a second admin took meanwhile is refused at the field", async () => {
  const anna = await chrome.page(await world.link("anna"), { path: "/queues/billing" });
  await take(anna, "Inbound", "Spare");
  await anna.getByLabel("Name").fill("Billing and refunds");
  const bruno = await chrome.page(await world.link("bruno"), { path: "/queues/sales" });
  await take(bruno, "Inbound", "Spare");
  await press(bruno.locator("section.card"));

  await setButton(anna).click();
  const wrong = anna.locator("#queue-inbound-wrong");
  await wrong.waitFor();
  assert.match(await wrong.innerText(), /\+12065550103.*(sales|Sales)/);
  assert.equal(await field(anna, "Inbound").getAttribute("aria-invalid"), "true");
  assert.equal(await anna.getByLabel("Name").inputValue(), "Billing and refunds");
  const before = await read(world, "/v1/queues/billing");
  assert.deepEqual([before.name, before.inbound_numbers], ["Billing", NEW], "nothing of it was taken");

  await anna.getByRole("button", { name: /^Remove .* Spare/ }).click();
  await wrong.waitFor({ state: "detached" });
  await press(anna.locator("section.card"));
  const after = await read(world, "/v1/queues/billing");
  assert.deepEqual([after.name, after.inbound_numbers], ["Billing and refunds", NEW]);
  assert.deepEqual((await read(world, `/v1/numbers/${SPARE}`)).queues.inbound, "sales");
});
