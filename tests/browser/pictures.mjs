// Screenshots of every page, light and dark, wide and at 320 px, into out/.
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";
import { Door } from "./fake/server.mjs";
import { fill } from "./fake/scene.mjs";

const only = process.argv[2];
const door = new Door();
const origin = await door.open();
fill(door.gateway);
mkdirSync(new URL("out/", import.meta.url), { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const pages = ["playground", "calls", "calls/c-42", "settings/in-call-sms", "presets", "numbers", "queues", "queues/billing", "opt-outs", "me"];
for (const [look, width, height, scheme, language] of /** @type {const} */ ([["light", 1360, 780, "light", "en"], ["dark", 1360, 780, "dark", "it"], ["narrow", 320, 640, "light", "en"]])) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, locale: language });
  const page = await context.newPage();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && console.log(look, message.text()));
  page.on("pageerror", (error) => console.log(look, String(error)));
  await page.goto(`${origin}/sign-in`);
  await page.waitForSelector("#sign-in-name");
  if (!only) await page.screenshot({ path: `out/${look}-sign-in.png` });
  await page.fill("#sign-in-name", "anna");
  await page.fill("#sign-in-password", "secret");
  await page.keyboard.press("Enter");
  await page.waitForSelector("nav", { state: "attached" });
  for (const path of pages) {
    if (only && !path.includes(only)) continue;
    await page.goto(`${origin}/${path}`);
    await page.waitForTimeout(500);
    const sideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (sideways > 0) console.log(`${look} /${path} scrolls sideways by ${sideways}`);
    await page.screenshot({ path: `out/${look}-${path.replaceAll("/", "-")}.png`, fullPage: true });
  }
  await context.close();
}
await browser.close();
door.close();
