// What no type checks: the rules of the console's files, and its sizes.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { index, table } from "../lists.mjs";

const web = new URL("../../../src/http/console/web/", import.meta.url);
const files = /** @type {string[]} */ (readdirSync(web, { recursive: true })).filter((file) => /\.\w+$/.test(file) && file !== "files.rs");
const read = (/** @type {string} */ file) => readFileSync(new URL(file, web));
const own = files.filter((file) => file.endsWith(".js") && !file.startsWith("vendor/"));
const zipped = (/** @type {string[]} */ some) => some.reduce((sum, file) => sum + gzipSync(read(file)).length, 0);

test("nothing that the content policy forbids is in the sources", () => {
  const banned =
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\bstyle=|\.style\b|unsafeHTML|setAttribute\("style|@type \{any\} \*\/ \(window/;
  for (const file of [...own, "index.html"]) {
    const lines = String(read(file)).split("\n");
    assert.deepEqual(
      lines.filter((line) => banned.test(line)),
      [],
      file,
    );
  }
});

test("no request leaves the console's own origin", () => {
  for (const file of files.filter((file) => !file.startsWith("vendor/") && !file.endsWith(".svg"))) {
    const found = String(read(file)).match(/https?:\/\/[^\s"'`)<]+/g) ?? [];
    // The example of a curl command is shown, not called.
    assert.deepEqual(
      found.filter((url) => !url.startsWith("http://127.0.0.1:8081/v1/calls")),
      [],
      file,
    );
  }
});

test("no file of ours is over 400 lines, and no line is endless", () => {
  for (const file of [...own, "look.css"]) {
    const lines = String(read(file)).split("\n");
    assert.ok(lines.length <= 400, `${file}: ${lines.length} lines`);
  }
});

test("the sizes hold: 36 modules, 150 kB in all, 12 kB of style, all compressed", () => {
  const modules = files.filter((file) => file.endsWith(".js"));
  assert.ok(modules.length <= 36, `${modules.length} modules`);
  const served = files.filter((file) => !file.endsWith("LICENSE"));
  assert.ok(zipped(served) <= 150_000, `${zipped(served)} bytes`);
  assert.ok(zipped(["look.css"]) <= 12_000, `${zipped(["look.css"])} bytes of style`);
  console.log(`# ${modules.length} modules, ${zipped(served)} bytes compressed, style ${zipped(["look.css"])}`);
});

test("index.html preloads what every page and a call need, and no more", () => {
  assert.equal(String(read("index.html")), index(), "run `npm run lists` in tests/browser");
  assert.ok(index().includes('src="/assets/BUILD/app/main.js"'));
});

test("the binary has every file", () => {
  assert.equal(String(read("files.rs")), table(), "run `npm run lists` in tests/browser");
});
