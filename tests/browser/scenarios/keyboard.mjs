// Somebody who has a keyboard and nothing else.
import assert from "node:assert/strict";

/** Further away than this nobody goes by Tab alone. */
const STOPS_MAX = 60;

/** What has the focus, as a screen reader names it, and whether its ring is seen. */
const FOCUSED = `(() => {
  const element = document.activeElement;
  const name = element.getAttribute("aria-label") ?? element.labels?.[0]?.innerText ?? element.innerText ?? "";
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  return {
    name: name.trim().replace(/\\s+/g, " "),
    seen: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && box.bottom > 0 && box.top < innerHeight,
  };
})()`;

/** Presses Tab until something of this name has the focus, which is seen there. @param {import("playwright-core").Page} page @param {RegExp} name */
export async function tabTo(page, name) {
  /** @type {string[]} */
  const passed = [];
  for (let stop = 0; stop < STOPS_MAX; stop += 1) {
    await page.keyboard.press("Tab");
    const focused = /** @type {{ name: string, seen: boolean }} */ (await page.evaluate(FOCUSED));
    passed.push(focused.name.slice(0, 30));
    if (!name.test(focused.name)) continue;
    assert.ok(focused.seen, `the focus on ${focused.name} is not seen`);
    return;
  }
  assert.fail(`no way to ${name} by Tab: ${passed.join(" > ")}`);
}
