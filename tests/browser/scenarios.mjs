// Plays the scenarios, two files at a time. One that fails is played once more by itself, which says whether it is wrong or
// the machine was too busy for its browser; what passes only then is named.
import { readdirSync } from "node:fs";
import { run } from "node:test";
import { tap } from "node:test/reporters";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("scenarios/", import.meta.url));
const all = readdirSync(folder)
  .filter((name) => name.endsWith(".test.mjs"))
  .map((name) => folder + name);

/** The files that failed. @param {string[]} files @param {number} concurrency @returns {Promise<string[]>} */
async function failing(files, concurrency) {
  /** @type {Set<string>} */
  const failed = new Set();
  const results = run({ files, concurrency });
  results.on("test:fail", ({ file }) => void (file && failed.add(file)));
  for await (const line of results.compose(tap)) process.stdout.write(line);
  return [...failed];
}

const first = await failing(all, 2);
const second = first.length > 0 ? await failing(first, 1) : [];
for (const file of first)
  console.log(`${second.includes(file) ? "FAILED TWICE" : "PASSED ONLY AT THE SECOND TRY"}: ${file.slice(folder.length)}`);
process.exitCode = second.length > 0 ? 1 : 0;
