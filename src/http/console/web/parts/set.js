// Saving: a card with its own Set, what stands in its way, and ten seconds to undo it (R38).
import { html, nothing } from "../vendor/lit.js";
import { asProblem, get, request } from "../live/api.js";
import { languageName, t } from "../words/words.js";
import { toast } from "./dialog.js";
import { say } from "./element.js";
import { problemBar, sentence, strange, when } from "./small.js";

/** @typedef {import("../live/form.js").Form} Form */

/**
 * @param {Form} form
 * @param {{ title: string, paths: string[], content: unknown, canSet: boolean, under?: unknown, set?: () => void }} options
 */
export function setCard(form, { title, paths, content, canSet, under = nothing, set }) {
  const dirty = form.isDirty(paths);
  const mine = form.saving !== null && (form.saving.some((path) => paths.includes(path)) || form.saving[0] === "");
  const concerns = form.conflictsUnder(paths);
  return html`<section class="card" data-form>
    <h2><span class=${dirty ? "dot" : ""}>${title}${dirty ? html`<span class="hide"> ${t("unsaved")}</span>` : nothing}</span></h2>
    <div class="body">${content}${dirty ? saveTrouble(form, t("set"), concerns, form.problemUnder(paths)) : nothing}</div>
    <footer>${under}
      ${dirty ? html`<button type="button" class="b" ?disabled=${mine} @click=${() => form.reset(paths)}>${t("discard")}</button>` : nothing}
      <button type="button" class="b p" data-set ?disabled=${!dirty || !canSet || mine || concerns.length > 0}
        @click=${set ?? (() => void save(form, title, paths))}>${t("set")}</button>
    </footer>
  </section>`;
}

/**
 * @param {Form} form
 * @param {string} [button] what stands on the button that saves it
 * @param {import("../live/form.js").Conflict[]} [conflicts] @param {import("../live/api.js").Problem | null} [problem]
 */
export function saveTrouble(form, button = t("set"), conflicts = form.conflicts, problem = form.problem) {
  return html`
    ${
      form.changedBy && conflicts.length === 0
        ? html`<div class="bar warn"
      role="status">${t("changed_by", { who: form.changedBy, button })}</div>`
        : nothing
    }
    ${problemBar(problem, form.path && !form.etag ? () => form.load() : null)}
    ${conflicts.map(
      (conflict) => html`<div class="bar warn" role="alert">
      <div class="stack tight fill">
        <b>${t("conflict", { field: fieldName(conflict.path) })}</b>
        <div class="cols sides">
          <div><h3>${t("conflict.mine")}</h3><p class="wrap">${said(conflict.mine)}</p><button type="button" class="b"
            @click=${() => form.choose(conflict, "mine")}>${t("conflict.keep_mine")}</button></div>
          <div><h3>${t("conflict.theirs")}</h3><p class="wrap">${said(conflict.theirs)}</p><button type="button" class="b"
            @click=${() => form.choose(conflict, "theirs")}>${t("conflict.take_theirs")}</button></div>
        </div>
        ${byWhom(form)}
      </div>
    </div>`,
    )}`;
}

/** Fields by the words that stand at them. @type {Record<string, import("../words/words.js").Key>} */
const FIELDS = {
  in_call_sms: "page.in_call_sms",
  "non_us.in_call": "settings.non_us_in_call",
  "non_us.wait_time": "settings.non_us_wait",
  "non_us.rule": "settings.rule",
  presets_only: "settings.presets_only",
  custom_messages: "settings.custom",
  "closing.enabled": "settings.closing_on",
  "auto_reply.enabled": "settings.auto_reply_on",
  "auto_reply.quiet_minutes": "settings.quiet",
  "auto_reply.per_day": "settings.per_day",
  "auto_reply.unknown_sender": "settings.unknown",
  max_wait_ms: "settings.max_wait",
  call_lease_minutes: "settings.lease",
  retention_days: "settings.retention",
  media_retention_days: "settings.media_retention",
  default_language: "settings.default_language",
  call_types: "settings.call_types",
  name: "queue.name",
  parent: "queue.parent",
  language: "language",
  inbound_numbers: "queue.inbound",
  outbound_numbers: "queue.outbound",
  default_outbound: "queue.default",
  label: "number.label",
  account: "number.account",
  purpose: "number.purpose",
  global_outbound: "number.set_global",
  "limits.segments_per_second": "number.rate",
  "limits.burst": "number.burst",
  "limits.segments_per_day": "number.day",
  "limits.day_zone": "number.zone",
  text: "preset.text",
};

/** @param {string} path */
function fieldName(path) {
  const language = /\.texts\.(.+)$/.exec(path)?.[1];
  if (language) return t("settings.text_in", { language: languageName(language, "inside") });
  return FIELDS[path] ? t(FIELDS[path]) : path;
}

/** @param {unknown} value */
function said(value) {
  if (value === true || value === false) return value ? t("on") : t("off");
  if (value === null || value === undefined || value === "") return "–";
  return strange(typeof value === "string" ? value : JSON.stringify(value));
}

/** Who changed it last, once asked for. @type {WeakMap<Form, { etag: string | null, actor: string, at: string }>} */
const changers = new WeakMap();

/** @param {Form} form */
function byWhom(form) {
  const known = changers.get(form);
  return known && known.etag === form.etag
    ? html`<p class="meta">${t("conflict.by", { who: known.actor })} ${when(known.at)}</p>`
    : nothing;
}

/** @param {Form} form */
async function askWho(form) {
  const resource = form.path.replace("/v1/", "").split("/").map(decodeURIComponent).join("/");
  const { data } = await get(`/v1/audit?resource=${encodeURIComponent(resource)}&limit=1`).catch(() => ({ data: null }));
  const entry = data?.items?.[0];
  if (entry) changers.set(form, { etag: form.etag, actor: entry.actor, at: entry.at });
  form.dispatchEvent(new CustomEvent("change"));
}

/**
 * Sends what was changed under these paths, and says what became of it.
 * @param {Form} form @param {string} what it is called: several may be undone at once @param {string[]} [paths] @param {() => unknown} [after] it was undone
 */
export async function save(form, what, paths, after = () => form.load()) {
  const done = await form.save(paths);
  if (!done) {
    if (form.conflicts.length > 0) void askWho(form);
    const problem = form.problemUnder(paths);
    if (problem) say(sentence(problem));
    return false;
  }
  toast(done.merged ? t("saved.merged") : t("saved", { what }), {
    label: t("undo"),
    act: () => void undo(form.path, done.before, done.etag, after),
  });
  return true;
}

/**
 * Puts a former document back, unless somebody has changed it since.
 * @param {string} path @param {unknown} before @param {string | null} etag @param {() => unknown} after
 * @param {() => unknown} [restored]
 */
export async function undo(path, before, etag, after, restored = () => {}) {
  try {
    await request("PUT", path, { body: before, ifMatch: etag, create: etag === null });
    await restored();
    toast(t("undone"));
  } catch (thrown) {
    toast(`${t("undo.failed")} ${sentence(asProblem(thrown))}`);
  }
  await after();
}

/**
 * Deletes, with ten seconds to put it back.
 * @param {string} path @param {unknown} before @param {string | null} etag @param {string} name @param {() => unknown} after
 * @param {() => unknown} [restored] it was put back
 * @returns {Promise<import("../live/api.js").Problem | null>}
 */
export async function remove(path, before, etag, name, after, restored = () => {}) {
  try {
    await request("DELETE", path, { ifMatch: etag });
  } catch (thrown) {
    return asProblem(thrown);
  }
  toast(t("deleted", { what: name }), { label: t("undo"), act: () => void undo(path, before, null, after, restored) });
  await after();
  return null;
}
