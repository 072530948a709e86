import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const css = readFileSync(new URL("../../../src/http/console/web/look.css", import.meta.url), "utf8");

/** @type {Map<string, [string, string]>} light and dark of each token */
const tokens = new Map([...css.matchAll(/--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)/g)].map((m) => [m[1], [m[2], m[3]]]));

/** @param {string} colour */
function luminance(colour) {
  const [r, g, b] = [1, 3, 5]
    .map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** @param {string} front @param {string} back @param {0 | 1} theme */
function contrast(front, back, theme) {
  const pair = [front, back].map((name) => luminance((tokens.get(name) ?? assert.fail(`no token ${name}`))[theme]));
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
}

/** Front, back, and what is at least measured in light and dark: 4.5 for text and 3 for the borders of controls is the law (WCAG 2.2 AA). */
/** @type {[string, string, number, number][]} */
const TABLE = [
  ["ink", "bg", 17.8, 15.2],
  ["ink-2", "bg", 7.8, 9.8],
  ["ink-3", "bg", 5.9, 7.2],
  ["ink-3", "inset", 5.1, 6.4],
  ["ink", "canvas", 15, 15],
  ["ink-2", "canvas", 7, 9],
  ["ink-3", "canvas", 5, 7],
  ["ink-2", "inset", 6, 8],
  ["ink", "inset", 14, 13],
  ["border", "bg", 3.8, 4.6],
  ["border", "inset", 3.3, 4],
  ["border", "canvas", 3, 4],
  ["accent", "bg", 6.1, 8.6],
  ["accent", "canvas", 5, 8],
  ["on-accent", "accent", 6.1, 8.4],
  ["accent", "accent-soft", 5.2, 6.8],
  ["ink", "accent-soft", 12, 9],
  ["ok", "bg", 6.6, 9.9],
  ["warn", "bg", 6.3, 10.2],
  ["bad", "bg", 6.5, 8.5],
  ["ok", "ok-soft", 5.6, 7.5],
  ["warn", "warn-soft", 5.6, 7.5],
  ["bad", "bad-soft", 5.6, 7.5],
  ["out-ink", "out", 14.1, 9.7],
  ["in-ink", "in", 15.4, 11.8],
];

test("the contrasts are those of the table, in light and dark", () => {
  for (const [front, back, light, dark] of TABLE) {
    for (const [theme, least] of /** @type {[0 | 1, number][]} */ ([
      [0, light],
      [1, dark],
    ])) {
      const found = contrast(front, back, theme);
      // The table is rounded to one digit.
      assert.ok(found >= least - 0.06, `${front} on ${back}, ${theme ? "dark" : "light"}: ${found.toFixed(2)} < ${least}`);
    }
  }
});

test("colours stand in the table of tokens only", () => {
  const body = css.slice(css.indexOf("}") + 1);
  assert.deepEqual(body.match(/#[0-9a-f]{3,8}\b|rgba?\(|hsla?\(/gi), null);
  const used = new Set([...body.matchAll(/var\(--([a-z0-9-]+)\)/g)].map((m) => m[1]));
  const others = ["veil", "shadow", "control", "mono"];
  assert.deepEqual(
    [...used].filter((name) => !tokens.has(name) && !others.includes(name)),
    [],
  );
});
