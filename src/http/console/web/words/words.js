// What the console says, in the reader's language, and how it writes times and amounts.
import { en } from "./en.js";
import { it } from "./it.js";

/** @typedef {keyof typeof en} Key */
/** @typedef {Record<string, string | number | null | undefined>} Values */

/** @type {Record<string, Record<Key, string>>} */
const LANGUAGES = { en, it };
export const LANGUAGE_CODES = Object.keys(LANGUAGES);

let current = "en";
/** @type {Set<() => void>} */
const listeners = new Set();

export function language() {
  return current;
}

/** @param {string | null | undefined} code the reader's choice; else the browser's first language that the console has */
export function setLanguage(code) {
  const wanted = code ? [code] : navigator.languages.map((tag) => tag.slice(0, 2));
  current = wanted.find((tag) => tag in LANGUAGES) ?? "en";
  document.documentElement.lang = current;
  for (const listener of listeners) listener();
}

/** @param {() => void} listener @returns {() => void} ends it */
export function onLanguage(listener) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/**
 * A sentence. `{n}` stands for a value; where two forms are parted by ` | `, `n` chooses singular or plural.
 * @param {Key} key
 * @param {Values} [values]
 */
export function t(key, values = {}) {
  return fill(LANGUAGES[current][key], values);
}

/** @param {string} pattern @param {Values} values */
function fill(pattern, values) {
  const forms = pattern.split(" | ");
  const form = forms.length === 2 && values.n !== 1 ? forms[1] : forms[0];
  return form.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? visible(String(values[name] ?? "")) : whole));
}

/** Invisible characters that could hide or reverse what a person reads. */
const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u206a-\u206f\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;

/** @param {string} character */
export function isHidden(character) {
  return HIDDEN.test(character);
}

/** `U+202E`. @param {string} character */
export function codePoint(character) {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** A name or a text of others inside a sentence, where there are no boxes: what cannot be seen is shown as its code. @param {string} text */
export function visible(text) {
  return isHidden(text) ? Array.from(text, (character) => (isHidden(character) ? `[${codePoint(character)}]` : character)).join("") : text;
}

/**
 * The word for a value of the gateway's, like `state.queued`; one that this console does not know is shown as it is,
 * with what would be hidden in it.
 * @param {"state" | "kind" | "code" | "problem" | "reason" | "waits" | "number" | "lang" | "medium" | "by" | "account" | "timeline" | "outcome" | "not_ready" | "unverified" | "ended"} group
 * @param {string | null | undefined} value
 */
export function word(group, value) {
  if (!value) return "";
  const found = /** @type {Record<string, string>} */ (LANGUAGES[current])[`${group}.${value}`];
  return found ?? visible(value);
}

/**
 * What the refusal of a field says, and what the gateway's English says beside it. An English reader gets that alone,
 * since it names the thing as well.
 * @param {{ code: string, detail: string }} error
 * @param {"code" | "unverified"} [group]
 * @returns {[said: string, detail: string]}
 */
export function refused({ code, detail }, group = "code") {
  const known = word(group, code);
  return known === code || (current === "en" && detail) ? [detail || code, ""] : [known, detail];
}

/** Formats are slow to make, and a list needs the same one for each row. @type {Map<string, any>} */
const formats = new Map();

/** @template T @param {string} name @param {() => T} make @returns {T} */
function format(name, make) {
  const key = `${current} ${name}`;
  if (!formats.has(key)) formats.set(key, make());
  return formats.get(key);
}

/** A language by its name, like Italian. @param {string | null | undefined} code @param {"alone" | "inside"} [place] of a sentence, where some languages write it small */
export function languageName(code, place = "alone") {
  if (!code) return "";
  try {
    const name = format("languages", () => new Intl.DisplayNames([current], { type: "language" })).of(code) ?? code;
    return place === "inside" ? name : name.charAt(0).toUpperCase() + name.slice(1);
  } catch {
    return code;
  }
}

/** @param {string | number | Date} at @param {boolean} [seconds] */
export function clock(at, seconds = true) {
  const parts = /** @type {const} */ ({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const make = () => new Intl.DateTimeFormat(current, seconds ? { ...parts, second: "2-digit" } : parts);
  return format(seconds ? "time" : "minutes", make).format(new Date(at));
}

/** The time, with its day unless that is today. @param {string} at */
export function dayAndTime(at) {
  const date = new Date(at);
  if (date.toDateString() === new Date().toDateString()) return clock(at);
  return `${format("day", () => new Intl.DateTimeFormat(current, { day: "numeric", month: "short", year: "numeric" })).format(date)} ${clock(at, false)}`;
}

/** @param {number} ms */
export function duration(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${tenths(seconds)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

/** @param {number} bytes */
export function size(bytes) {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${tenths(bytes / 1_000_000)} MB`;
}

/** @param {number} amount */
function tenths(amount) {
  return format("tenths", () => new Intl.NumberFormat(current, { minimumFractionDigits: 1, maximumFractionDigits: 1 })).format(amount);
}

/** @param {number} amount */
export function amount(amount) {
  return format("amount", () => new Intl.NumberFormat(current, { maximumFractionDigits: 6 })).format(amount);
}
