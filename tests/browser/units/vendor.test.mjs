import assert from "node:assert/strict";
import { test } from "node:test";
import { isCurrent } from "../vendor.mjs";

test("vendor/lit.js is byte for byte what the lock makes", () => {
  assert.ok(isCurrent(), "run `npm run vendor` in tests/browser");
});
