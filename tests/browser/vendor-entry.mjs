// What the console takes of Lit.
export { LitElement, html, nothing } from "lit";
export { live } from "lit/directives/live.js";
export { repeat } from "lit/directives/repeat.js";
