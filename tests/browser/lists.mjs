// Writes the two lists of the console's files: what index.html preloads, which is what every page needs and what a call
// needs, because it is to show fast; and files.rs, what the binary holds.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const web = new URL("../../src/http/console/web/", import.meta.url);

/** @returns {string[]} */
export function needed() {
  const found = new Set(["app/main.js", "pages/calls.js"]);
  for (const file of found) {
    const text = readFileSync(new URL(file, web), "utf8");
    for (const [, path] of text.matchAll(/^import (?:[^"]* from )?"(\.[^"]+)";$/gm))
      found.add(new URL(path, new URL(file, web)).href.slice(web.href.length));
  }
  return [...found].sort();
}

/** index.html with the right list. */
export function index() {
  const lines = needed()
    .filter((file) => file !== "app/main.js")
    .map((file) => `    <link rel="modulepreload" href="/assets/BUILD/${file}" />\n`);
  const html = readFileSync(new URL("index.html", web), "utf8").replace(/ *<link rel="modulepreload".*\n/g, "");
  return html.replace(/( *<script type="module")/, `${lines.join("")}$1`);
}

/** files.rs with the right list. */
export function table() {
  const files = /** @type {string[]} */ (readdirSync(web, { recursive: true }))
    .filter((file) => /\.\w+$/.test(file) && file !== "files.rs")
    .sort();
  const lines = files.map((file) => `    "${file}",\n`);
  return `compressed! {\n${lines.join("")}}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL("index.html", web), index());
  writeFileSync(new URL("files.rs", web), table());
}
