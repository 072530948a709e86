// The types of `vendor/lit.js`. `rootDirs` in tsconfig.json lays this file beside it.
export { LitElement, html, nothing } from "lit";
export type { TemplateResult, PropertyValues } from "lit";
export { live } from "lit/directives/live.js";
export { repeat } from "lit/directives/repeat.js";
