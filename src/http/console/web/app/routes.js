// Which page an address is, and how one gets from page to page. The address holds what a page shows, so that a link to
// it shows the same.
import { t } from "../words/words.js";
import { ask } from "../parts/dialog.js";
import { session } from "./session.js";

/** @typedef {"" | "set_up"} Group */
/** @typedef {{ path: string, name: string, group: Group }} Listed */

/** The pages in the menu. @returns {Listed[]} */
export function pages() {
  const demo = session.me?.demo ? [{ path: "/playground", name: t("page.playground"), group: /** @type {Group} */ ("") }] : [];
  return [
    ...demo,
    { path: "/calls", name: t("page.calls"), group: "" },
    { path: "/settings/in-call-sms", name: t("page.in_call_sms"), group: "set_up" },
    { path: "/presets", name: t("page.presets"), group: "set_up" },
    { path: "/numbers", name: t("page.numbers"), group: "set_up" },
    { path: "/queues", name: t("page.queues"), group: "set_up" },
    { path: "/opt-outs", name: t("page.opt_outs"), group: "set_up" },
  ];
}

/** Asks before unsaved changes are left. @type {Set<() => boolean>} */
const guards = new Set();

/** @param {() => boolean} isDirty @returns {() => void} ends it */
export function guard(isDirty) {
  guards.add(isDirty);
  return () => void guards.delete(isDirty);
}

export function isAnythingDirty() {
  return [...guards].some((isDirty) => isDirty());
}

export const places = new EventTarget();

/** Where one is, with what the page itself has put there: Back has changed `location` before anybody is asked. */
let here = "";

export function whereOneIs() {
  return here;
}

export function arrived() {
  here = location.pathname + location.search;
}

/** @param {string} path */
export async function go(path) {
  if (isAnythingDirty() && !(await mayLeave())) return;
  history.pushState(null, "", path);
  places.dispatchEvent(new CustomEvent("change"));
}

export function mayLeave() {
  return ask({ title: t("leave.title"), text: t("leave.text"), action: t("leave"), danger: true });
}

/** @param {string} name */
export function query(name) {
  return new URLSearchParams(location.search).get(name) ?? "";
}

/** Puts what a page shows into its address. @param {Record<string, string>} values empty ones are left out */
export function setQuery(values) {
  const params = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) {
    if (value) params.set(name, value);
    else params.delete(name);
  }
  const text = params.toString();
  history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
  arrived();
}
