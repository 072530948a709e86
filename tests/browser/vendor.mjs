// Makes the console's `vendor/lit.js` from the version in package-lock.json, or with --check compares it byte for byte.
import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const vendor = fileURLToPath(new URL("../../src/http/console/web/vendor/", import.meta.url));

/** An item that `repeat` takes out leaves its end behind, a comment for each: https://github.com/lit/lit/issues/5298 */
const LEAVES_ITS_END = /(\w+)\._\$AR\(\), \1\._\$AA\.remove\(\);/g;

/** What the console gets, which once Lit has mended that is what Lit has. */
export function make() {
  const flags = ["--bundle", "--format=esm", "--target=es2022", "--charset=utf8", "--legal-comments=inline", "--log-level=error"];
  const made = execFileSync(`${here}node_modules/.bin/esbuild`, ["vendor-entry.mjs", ...flags], { cwd: here, maxBuffer: 1 << 24 });
  return Buffer.from(made.toString().replace(LEAVES_ITS_END, "$1._$AR(), $1._$AA.remove(), $1._$AB?.remove();"));
}

/** @returns {boolean} whether the files in git are what the lock makes */
export function isCurrent() {
  const same = make().equals(readFileSync(`${vendor}lit.js`));
  return same && readFileSync(`${vendor}lit.LICENSE`).equals(readFileSync(`${here}node_modules/lit/LICENSE`));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("--check")) {
    if (!isCurrent()) {
      console.error("vendor/lit.js is not what package-lock.json makes: run `npm run vendor` in tests/browser");
      process.exit(1);
    }
  } else {
    writeFileSync(`${vendor}lit.js`, make());
    copyFileSync(`${here}node_modules/lit/LICENSE`, `${vendor}lit.LICENSE`);
  }
}
