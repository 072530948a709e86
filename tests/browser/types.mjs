// Writes `types/api.d.ts` from docs/openapi.json, so that the console's types are those of the contract. Not kept in git.
import { readFileSync, writeFileSync } from "node:fs";

const document = JSON.parse(readFileSync(new URL("../../docs/openapi.json", import.meta.url), "utf8"));

/** @param {any} schema @returns {string} */
function type(schema) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((/** @type {unknown} */ value) => JSON.stringify(value)).join(" | ");
  for (const key of ["oneOf", "anyOf", "allOf"]) {
    if (schema[key]) return `(${schema[key].map(type).join(key === "allOf" ? " & " : " | ")})`;
  }
  const kinds = [schema.type ?? "unknown"].flat();
  return kinds.map((/** @type {string} */ kind) => plain(kind, schema)).join(" | ");
}

/** @param {string} kind @param {any} schema @returns {string} */
function plain(kind, schema) {
  if (kind === "integer") return "number";
  if (kind === "array") return `Array<${type(schema.items ?? {})}>`;
  if (kind !== "object") return kind;
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties ?? {}).map(
    ([name, field]) => `${JSON.stringify(name)}${required.has(name) ? "" : "?"}: ${type(field)}`,
  );
  const rest = schema.additionalProperties;
  if (fields.length === 0) return `Record<string, ${typeof rest === "object" ? type(rest) : "unknown"}>`;
  return `{ ${fields.join("; ")} }`;
}

const types = Object.entries(document.components.schemas).map(([name, schema]) => `  type ${name} = ${type(schema)};`);
writeFileSync(new URL("types/api.d.ts", import.meta.url), `declare namespace Api {\n${types.join("\n")}\n}\n`);
