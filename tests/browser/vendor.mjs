// Makes the console's `vendor/lit.js` from the version in package-lock.json, or with --check compares it byte for byte.
import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const vendor = fileURLToPath(new URL("../../src/http/console/web/vendor/", import.meta.url));

/** @param {string} [file] where to write; standard output if left out */
export function make(file) {
  const flags = ["--bundle", "--format=esm", "--target=es2022", "--charset=utf8", "--legal-comments=inline", "--log-level=error"];
  const out = file ? [`--outfile=${file}`] : [];
  return execFileSync(`${here}node_modules/.bin/esbuild`, ["vendor-entry.mjs", ...flags, ...out], { cwd: here, maxBuffer: 1 << 24 });
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
    make(`${vendor}lit.js`);
    copyFileSync(`${here}node_modules/lit/LICENSE`, `${vendor}lit.LICENSE`);
  }
}
