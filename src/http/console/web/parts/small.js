// The small parts: badges, times, numbers, facts, problems, empty places, and texts of strangers.
import { html, nothing } from "../vendor/lit.js";
import { showNumber } from "../live/e164.js";
import { clock, codePoint, dayAndTime, isHidden, refused, t, word } from "../words/words.js";
import { say } from "./element.js";
import { toast } from "./dialog.js";

/** @typedef {import("../vendor/lit.js").TemplateResult} Template */
/** @typedef {"ok" | "warn" | "bad" | "acc" | ""} Tone */

/** State by icon, word and colour. @param {Tone} tone @param {string} icon @param {unknown} text */
export function badge(tone, icon, text) {
  return html`<span class="pill ${tone}">${icon ? html`<span aria-hidden="true">${icon} </span>` : nothing}${strange(text)}</span>`;
}

/** Local time, with UTC on hover. @param {string | null | undefined} at @param {"time" | "day"} [form] */
export function when(at, form = "day") {
  if (!at || Number.isNaN(Date.parse(at))) return nothing;
  return html`<time datetime=${at} title=${at}>${form === "time" ? clock(at) : dayAndTime(at)}</time>`;
}

/** A number; a click copies it as E.164. @param {string | null | undefined} number @param {boolean} [leads] its row, for the keys j and k */
export function phoneNumber(number, leads = false) {
  if (!number) return html`<span class="meta">–</span>`;
  return html`<button type="button" class="link num" ?data-row=${leads} title=${t("number.copy")} @click=${() => copy(number)}>${showNumber(number)}</button>`;
}

/** @param {string} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(t("copied", { text }));
  } catch {
    toast(t("copy_failed", { text }));
  }
}

/** @param {string} text */
export function copyButton(text) {
  return html`<button type="button" class="link" @click=${() => copy(text)}>${t("copy")}<span class="hide"> ${text}</span></button>`;
}

/** Labels with their values. @param {Array<[string, unknown]>} pairs */
export function facts(pairs) {
  return html`<dl class="stack tight stat">${pairs.map(([label, value]) => html`<div><dt>${label}</dt><dd>${strange(value)}</dd></div>`)}</dl>`;
}

/** @param {Tone} tone @param {unknown} content @param {boolean} [alert] */
export function banner(tone, content, alert = false) {
  return html`<div class="bar ${tone}" role=${alert ? "alert" : nothing}>${content}</div>`;
}

/** Codes that only their detail makes plain. */
const VAGUE = ["invalid_field", "unknown_field", "malformed_json"];

/** What a refusal means, for whoever caused it. @param {import("../live/api.js").Problem} problem */
export function sentence(problem) {
  const known = word("code", problem.code);
  if (VAGUE.includes(problem.code) && problem.detail) return `${known} ${problem.detail}`;
  return known === problem.code ? problem.detail || problem.code || t("code.odd_answer") : known;
}

/**
 * A refusal of one field, to stand at it: what the gateway says, in English, and before it the reader's own sentence.
 * @param {Pick<import("../live/api.js").FieldProblem, "code" | "detail"> | null | undefined} error
 * @param {"code" | "unverified"} [group]
 */
export function refusal(error, group = "code") {
  if (!error) return null;
  const [said, detail] = refused(error, group);
  return detail ? html`${said} <span class="meta badc" lang="en">${strange(detail)}</span>` : strange(said);
}

/** Why the next text of a call would be refused; of texts that were closed, what closed them. @param {Api.Call["sms"]} sms */
export function whyNoText({ refusal, closed_reason }) {
  if (refusal !== "session_closed") return word("code", refusal);
  if (closed_reason === "opted_out") return word("code", "opted_out");
  return closed_reason === "no_agent" ? t("composer.no_agent") : word("code", refusal);
}

/**
 * A refusal in words, with what the gateway says and its code.
 * @param {import("../live/api.js").Problem | null} problem
 * @param {(() => void) | null} [again]
 */
export function problemBar(problem, again = null) {
  if (!problem) return nothing;
  const said = sentence(problem);
  return html`<div class="bar bad" role="alert">
    <span aria-hidden="true">!</span>
    <span class="wrap">${strange(said)}${
      problem.detail && !said.includes(problem.detail)
        ? html`<br /><span
      class="meta badc">${strange(problem.detail)}</span>`
        : nothing
    }</span>
    <code class="wrap">${strange(problem.code)}</code>
    ${again ? html`<button type="button" class="b end" @click=${again}>${t("try_again")}</button>` : nothing}
  </div>`;
}

/** @param {string} title @param {unknown} [more] */
export function empty(title, more = nothing) {
  return html`<div class="empty"><p>${title}</p>${more}</div>`;
}

/** Shown only after 150 ms, by the style sheet. @param {number} [lines] */
export function skeleton(lines = 6) {
  return html`<div class="card bones" aria-busy="true"><span
    class="hide">${t("loading")}</span>${Array.from({ length: lines }, () => html`<span class="bone"></span>`)}</div>`;
}

/**
 * A loaded thing, or what stands for it: bones, a problem with another try, what stood there before.
 * @template T
 * @param {import("./element.js").Loaded<T>} loaded
 * @param {(data: T) => unknown} show
 */
export function shown(loaded, show) {
  const bar = problemBar(loaded.problem, () => loaded.again());
  if (loaded.data === null) return loaded.problem ? bar : skeleton();
  return html`${bar}${show(loaded.data)}`;
}

/**
 * A table that becomes cards where it is narrow.
 * @param {string} label
 * @param {Array<string | Template>} heads
 * @param {Template[]} rows made by `row`
 */
export function table(label, heads, rows) {
  return html`<div class="card"><table class="grid" role="table" aria-label=${label}>
    <thead role="rowgroup"><tr role="row">${heads.map((head) => html`<th role="columnheader" scope="col">${head}</th>`)}</tr></thead>
    <tbody role="rowgroup">${rows}</tbody>
  </table></div>`;
}

/** @param {Array<[string, unknown]>} cells each with its head, which cards show */
export function row(cells) {
  return html`<tr role="row">${cells.map(
    ([label, cell]) => html`<td role="cell"
    data-label=${label || nothing}><div>${strange(cell)}</div></td>`,
  )}</tr>`;
}

/** What happened when. @param {Array<{ at: string | null, what: unknown }>} items @param {string} label */
export function timeline(items, label) {
  return html`<ol class="feed" tabindex="0" aria-label=${label}>${items.map(
    ({ at, what }) => html`<li><span class="num">${at ? clock(at) : "–"}</span><span>${what}</span></li>`,
  )}</ol>`;
}

/**
 * A text of a stranger: nothing in it acts, and what cannot be seen is shown as a boxed code. Whatever is no text stays
 * as it is.
 * @param {unknown} text
 */
export function strange(text) {
  if (typeof text !== "string" || !isHidden(text)) return text;
  /** @type {Array<string | Template>} */
  const parts = [];
  let plain = "";
  for (const character of text) {
    if (!isHidden(character)) {
      plain += character;
      continue;
    }
    parts.push(plain, html`<span class="boxed">${codePoint(character)}</span>`);
    plain = "";
  }
  return [...parts, plain];
}

/** Says a refusal aloud as well. @param {import("../live/api.js").Problem} problem */
export function sayProblem(problem) {
  say(sentence(problem));
}
