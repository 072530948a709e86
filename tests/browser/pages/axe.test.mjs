import assert from "node:assert/strict";
import { test } from "node:test";
import { fill } from "../fake/scene.mjs";
import { accessible, loaded, world } from "./browser.mjs";

const PAGES = [
  "/playground",
  "/calls",
  "/calls/c-42",
  "/settings/in-call-sms",
  "/presets",
  "/numbers",
  "/queues",
  "/queues/billing",
  "/opt-outs",
  "/me",
  "/nowhere",
];
/** Dialogs, by the page and what opens them. @type {Array<[string, string]>} */
const DIALOGS = [
  ["/numbers", "Add a number"],
  ["/numbers", "Edit +1 206 555 0100"],
  ["/numbers", "Suspend +1 206 555 0100"],
  ["/numbers", "Delete +1 206 555 0100"],
  ["/queues", "Add a queue"],
  ["/queues/billing", "Delete"],
  ["/presets", "Add SMS message"],
  ["/presets", "Add a language"],
  ["/opt-outs", "Add an opt-out"],
  ["/opt-outs", "Remove +1 206 555 0199"],
  ["/calls/c-42", "Preset messages…"],
  ["/calls/c-42", "Why?"],
  ["/playground", "Transfer"],
  ["/playground", "Find number, call, page"],
];
const LOOKS = /** @type {const} */ ([
  ["light, English", { colorScheme: "light", locale: "en-US" }],
  ["dark, Italian", { colorScheme: "dark", locale: "it-IT" }],
  ["320 px", { viewport: { width: 320, height: 700 } }],
  ["1024 px", { viewport: { width: 1024, height: 700 } }],
  ["920 px", { viewport: { width: 920, height: 700 } }],
  ["200 %", { viewport: { width: 680, height: 400 }, deviceScaleFactor: 2 }],
]);

for (const [look, context] of LOOKS) {
  test(
    `every page is accessible and does not scroll sideways: ${look}`,
    world(
      async ({ page, origin, gateway }) => {
        fill(gateway);
        for (const path of PAGES) {
          await page.goto(origin + path);
          await loaded(page);
          await accessible(page, `${path}, ${look}`);
          const sideways = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
          assert.ok(Number(sideways) <= 0, `${path} scrolls sideways by ${sideways}`);
        }
      },
      { context },
    ),
  );
}

for (const [look, context] of [LOOKS[0], ["dark", { colorScheme: "dark" }]]) {
  test(
    `every dialog is accessible: ${look}`,
    world(
      async ({ page, origin, gateway }) => {
        fill(gateway);
        for (const [path, opener] of DIALOGS) {
          await page.goto(origin + path);
          await page
            .getByRole("button", { name: opener, exact: opener !== "Preset messages…" })
            .first()
            .click();
          await page.waitForSelector("dialog[open]");
          await loaded(page);
          await accessible(page, `${opener} on ${path}, ${look}`);
        }
      },
      { context: /** @type {object} */ (context) },
    ),
  );
}

test(
  "the sign-in is accessible",
  world(
    async ({ page }) => {
      await page.waitForSelector("#sign-in-name");
      await accessible(page, "sign-in");
    },
    { signIn: false, path: "/sign-in" },
  ),
);
