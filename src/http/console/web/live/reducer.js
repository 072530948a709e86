// What a conversation is after an event: a plain function, so that a page that saw events twice, late or out of order
// ends as one that was loaded afresh.

/** @typedef {Api.Message & { text?: string | null }} Message */
/** @typedef {"sending" | "accepted" | "unknown"} Progress how far a text of this browser's has come */
/**
 * @typedef {object} Entry one bubble
 * @property {string} key stays while a text of ours becomes the gateway's message, so that it is one bubble
 * @property {Message} message
 * @property {Progress | null} progress null once the gateway's own state is known
 */
/** @typedef {{ id: string, at: string, autoReplied: boolean }} Late id of its event */
/**
 * @typedef {object} Conversation
 * @property {Api.Call | null} call
 * @property {number} callSequence of the event that the call is from; 0 for a snapshot
 * @property {Entry[]} entries
 * @property {Late[]} late texts after the call, which belong to no call (R52): only who looks when they come hears of them
 */
/** @typedef {{ id: string, cursor: string, call_sequence: number | null, type: string, at: string, call_id: string | null, data: any }} Event */
/**
 * @typedef {{ do: "snapshot", call: Api.Call, messages: Message[] }
 *   | { do: "event", event: Event }
 *   | { do: "send", message: Message }
 *   | { do: "accepted", ref: string, message: Message }
 *   | { do: "unknown", ref: string }
 *   | { do: "refused", ref: string }} Action
 */

/** A call that texts for hours does not fill the tab: only its last messages are kept. */
export const ENTRIES_MAX = 2_000;

/** @returns {Conversation} */
export function nothingYet() {
  return { call: null, callSequence: 0, entries: [], late: [] };
}

/**
 * States only move forward (A54): one gives way to those with a higher rank. Final ones share the highest, and
 * `unconfirmed` and `expired` give way to a receipt.
 * @type {Record<string, number>}
 */
const RANK = {
  queued: 0,
  sending: 1,
  sent: 2,
  unconfirmed: 3,
  expired: 3,
  delivered: 4,
  undelivered: 4,
  failed: 4,
  cancelled: 4,
  received: 4,
};

/** @param {string} from @param {string} to */
export function mayFollow(from, to) {
  // A state that this console does not know is believed: it is newer than this console.
  return (RANK[to] ?? 9) > (RANK[from] ?? -1);
}

/**
 * @param {Conversation} state
 * @param {Action} action
 * @returns {Conversation}
 */
export function reduce(state, action) {
  switch (action.do) {
    case "snapshot":
      return snapshot(state, action.call, action.messages);
    case "event":
      return event(state, action.event);
    case "send":
      return { ...state, entries: [...state.entries, ours(action.message)] };
    case "accepted":
      return message(state, { ...action.message, client_ref: action.message.client_ref ?? action.ref });
    case "unknown":
      return { ...state, entries: state.entries.map((entry) => (waitsFor(entry, action.ref) ? { ...entry, progress: "unknown" } : entry)) };
    case "refused":
      return { ...state, entries: state.entries.filter((entry) => !waitsFor(entry, action.ref)) };
  }
}

/** @param {Message} message @returns {Entry} */
function ours(message) {
  return { key: message.client_ref ?? message.id, message, progress: "sending" };
}

/** A text of ours that the gateway has not answered for. @param {Entry} entry @param {string} ref */
function waitsFor(entry, ref) {
  return entry.progress !== null && entry.message.client_ref === ref;
}

/** @param {Conversation} state @param {Api.Call} call @param {Message[]} messages */
function snapshot(state, call, messages) {
  const keep = state.callSequence > 0 && state.call?.state === "ended" && call.state !== "ended";
  const base = { ...state, call: keep ? state.call : call, callSequence: keep ? state.callSequence : 0 };
  return messages.reduce((next, found) => message(next, found), base);
}

/** @param {Conversation} state @param {Event} event */
function event(state, { id, type, at, call_sequence, data }) {
  const [group] = type.split(".");
  if (group === "call") return call(state, data, call_sequence ?? 0);
  if (type === "message.late") {
    // The others change nothing when they come twice; these are counted.
    if (state.late.some((late) => late.id === id)) return state;
    return { ...state, late: [...state.late, { id, at: data.at ?? at, autoReplied: data.auto_replied === true }] };
  }
  if (group === "message") return message(state, data);
  if (group === "media") return medium(state, data.message_id, data.medium);
  return state;
}

/** A call's events are dense in `call_sequence`; one that was overtaken changes nothing. @param {Conversation} state @param {Api.Call} call @param {number} sequence */
function call(state, call, sequence) {
  const ended = state.call?.state === "ended" && call.state !== "ended";
  if (ended || sequence < state.callSequence) return state;
  return { ...state, call, callSequence: sequence };
}

/** @param {Conversation} state @param {Message} found @returns {Conversation} */
function message(state, found) {
  const at = state.entries.findIndex(
    (entry) =>
      entry.message.id === found.id || (entry.progress !== null && !!found.client_ref && entry.message.client_ref === found.client_ref),
  );
  if (at < 0) return { ...state, entries: inOrder(state.entries, { key: found.client_ref ?? found.id, message: found, progress: null }) };
  const before = state.entries[at];
  const others = state.entries.filter((entry) => entry !== before);
  // A text of ours takes the place that the gateway gave it.
  if (before.progress !== null)
    return { ...state, entries: inOrder(others, { key: before.key, message: kept(before.message, found), progress: null }) };
  return { ...state, entries: state.entries.with(at, { ...before, message: newer(before.message, found) }) };
}

/** In the gateway's order; texts of ours that are under way stay last. @param {Entry[]} entries @param {Entry} entry */
function inOrder(entries, entry) {
  let at = entries.length;
  while (at > 0 && (entries[at - 1].progress !== null || isBefore(entry.message, entries[at - 1].message))) at -= 1;
  return [...entries.slice(0, at), entry, ...entries.slice(at)].slice(-ENTRIES_MAX);
}

/** Ids rise as the gateway accepts messages, so they decide within a millisecond. @param {Message} a @param {Message} b */
function isBefore(a, b) {
  return a.created_at === b.created_at ? a.id < b.id : a.created_at < b.created_at;
}

/** What both say of a message: the further state, and texts and media that the other leaves out. @param {Message} before @param {Message} after */
function newer(before, after) {
  const [last, first] = mayFollow(before.state, after.state) ? [after, before] : [before, after];
  return kept(first, last);
}

/** @param {Message} first @param {Message} last */
function kept(first, last) {
  const hidden = last.text_expired || last.text_hidden;
  return { ...first, ...last, text: last.text ?? (hidden ? null : first.text), media: media(first.media ?? [], last.media ?? []) };
}

/** A medium that is ready or failed does not become pending again. @param {Api.Medium[]} first @param {Api.Medium[]} last */
function media(first, last) {
  if (last.length === 0) return first;
  return last.map((medium) => {
    const known = first.find((other) => other.id === medium.id);
    return known && medium.state === "pending" ? known : medium;
  });
}

/** @param {Conversation} state @param {string} id @param {Api.Medium} medium */
function medium(state, id, medium) {
  const entries = state.entries.map((entry) => {
    if (entry.message.id !== id) return entry;
    const held = entry.message.media ?? [];
    const media = held.some((other) => other.id === medium.id)
      ? held.map((other) => (other.id === medium.id ? { ...other, ...medium } : other))
      : [...held, medium];
    return { ...entry, message: { ...entry.message, media } };
  });
  return { ...state, entries };
}

/** For a list of events with the newest first: within a millisecond a call's sequence decides, then the gateway's order. @param {Event} a @param {Event} b */
export function newestFirst(a, b) {
  if (a.at !== b.at) return a.at < b.at ? 1 : -1;
  if (a.call_id === b.call_id && a.call_sequence !== null && b.call_sequence !== null) return b.call_sequence - a.call_sequence;
  return a.id < b.id ? 1 : a.id > b.id ? -1 : 0;
}
