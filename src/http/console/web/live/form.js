// One resource of the directory being edited: what was loaded, what the person changed, and how both meet what
// somebody else saved meanwhile. Nothing is sent before Set.
import { LookAgain, asProblem, get, request } from "./api.js";

/** @typedef {Record<string, any>} Doc */
/** @typedef {{ value: unknown, base: unknown }} Draft what I wrote, and what stood there when I began, or when I chose mine */
/** @typedef {{ path: string, base: unknown, mine: unknown, theirs: unknown }} Conflict */

/** The value at a path like `closing.texts.it`. @param {any} doc @param {string} path */
export function at(doc, path) {
  return path.split(".").reduce((value, name) => value?.[name], doc);
}

/** A copy with the value at a path; undefined takes it away. @param {any} doc @param {string} path @param {unknown} value @returns {any} */
export function withAt(doc, path, value) {
  const [name, ...rest] = path.split(".");
  const copy = { ...doc };
  if (rest.length > 0) copy[name] = withAt(copy[name] ?? {}, rest.join("."), value);
  else if (value === undefined) delete copy[name];
  else copy[name] = value;
  return copy;
}

/** Whether two values say the same. @param {unknown} a @param {unknown} b */
export function same(a, b) {
  return JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
}

/**
 * Three-way, for every field that I changed: one that only I changed stays mine, one that both changed to the same value
 * is settled, and one that both changed to different values is a conflict until I choose.
 * @param {Doc} theirs what is there now
 * @param {ReadonlyMap<string, Draft>} mine by path
 * @returns {{ mine: Map<string, Draft>, conflicts: Conflict[] }} what is still mine, and what of it is to be chosen
 */
export function merge(theirs, mine) {
  const result = { mine: new Map(), conflicts: /** @type {Conflict[]} */ ([]) };
  for (const [path, draft] of mine) {
    const now = at(theirs, path);
    if (same(draft.value, now)) continue;
    result.mine.set(path, draft);
    if (!same(draft.base, now)) result.conflicts.push({ path, base: draft.base, mine: draft.value, theirs: now });
  }
  return result;
}

/** Whether a refusal of `field` is about the value at a path, or a part of it. @param {string} field @param {string} path */
const concerns = (field, path) => field === path || field.startsWith(`${path}.`) || field.startsWith(`${path}[`);

/** Whether a path is one of these or below one; of all if left out. @param {string} path @param {string[]} [under] */
const within = (path, under) => !under || under.some((start) => path === start || path.startsWith(`${start}.`));

/** Emits `change` whenever what it shows has changed. */
export class Form extends EventTarget {
  /** @type {string | null} */
  etag = null;
  /** @type {Map<string, Draft>} */
  #draft = new Map();
  /** @type {import("./api.js").Problem | null} */
  problem = null;
  /** The paths whose Set was refused; null where the problem is about all. @type {string[] | null} */
  #refused = null;
  /** The paths that are being saved. @type {string[] | null} */
  saving = null;
  /** Who changed the resource since it was loaded, as far as the stream said. @type {string | null} */
  changedBy = null;

  /**
   * @param {string} path of the API
   * @param {Doc | null} [base] what the person saw before it is loaded, or what a new one begins with
   */
  constructor(path, base = null) {
    super();
    this.path = path;
    /** @type {Doc | null} null until loaded */
    this.base = base;
  }

  /** Another version that was heard of while this one was being saved. @type {string | null} */
  #heard = null;
  #turn = 0;
  #lookAgain = new LookAgain(() => this.load());

  /** Loads; an answer that a later one or a save overtook is dropped. */
  async load() {
    const turn = ++this.#turn;
    try {
      const { data, etag } = await get(this.path);
      if (turn !== this.#turn) return;
      this.#rebase(data, etag);
      this.problem = null;
    } catch (thrown) {
      if (turn !== this.#turn) return;
      this.problem = asProblem(thrown);
      this.#refused = null;
    }
    this.#lookAgain.after(this.problem);
    this.#changed();
  }

  /** Nobody looks at it any more. */
  stop() {
    this.#turn += 1;
    this.#lookAgain.stop();
  }

  /** Somebody changed the resource: takes it up at once where nothing is being edited. @param {string} by @param {string | null} etag */
  async hear(by, etag) {
    if (etag !== null && etag === this.etag) return;
    if (this.saving) return void (this.#heard = etag ?? "");
    if (this.#draft.size === 0) return this.load();
    this.changedBy = by;
    this.#changed();
  }

  /** All of it, as it would be sent. @returns {Doc} */
  get doc() {
    return this.#with(this.#draft);
  }

  /** @param {ReadonlyMap<string, Draft>} drafts @returns {Doc} */
  #with(drafts) {
    return [...drafts].reduce((doc, [path, { value }]) => withAt(doc, path, value), this.base ?? {});
  }

  /** @param {string} path @returns {any} */
  value(path) {
    const draft = this.#draft.get(path);
    return draft ? draft.value : at(this.base, path);
  }

  /** @param {string} path @param {unknown} value */
  set(path, value) {
    const draft = this.#draft.get(path);
    this.#write(path, value, draft ? draft.base : at(this.base, path));
    this.#dropProblem(path);
    this.#changed();
    this.#takeUp();
  }

  /** @param {string} path @param {unknown} value @param {unknown} base */
  #write(path, value, base) {
    if (same(value, at(this.base, path))) this.#draft.delete(path);
    else this.#draft.set(path, { value, base });
  }

  /** What was said of a field is about what stood there before. @param {string} path */
  #dropProblem(path) {
    const { problem } = this;
    if (!problem || problem.errors.length === 0) return;
    problem.errors = problem.errors.filter(({ field }) => !concerns(field, path));
    if (problem.errors.length === 0) this.problem = null;
  }

  /** @param {string[]} [under] paths, or beginnings of them; all if left out */
  isDirty(under) {
    return this.#mine(under).size > 0;
  }

  /** @param {string[]} [under] */
  reset(under) {
    for (const path of this.#mine(under).keys()) this.#draft.delete(path);
    if (this.problemUnder(under)) this.problem = null;
    this.#changed();
    this.#takeUp();
  }

  /** What somebody else changed meanwhile shows once nothing is edited any more. */
  #takeUp() {
    if (this.changedBy && this.#draft.size === 0 && !this.saving) void this.load();
  }

  /** @param {string[]} [under] */
  #mine(under) {
    return new Map([...this.#draft].filter(([path]) => within(path, under)));
  }

  /** The problem, unless it is about the Set of other paths. @param {string[]} [under] */
  problemUnder(under) {
    const others = this.#refused && under && !this.#refused.some((path) => under.includes(path));
    return others ? null : this.problem;
  }

  /** What I and somebody else changed to different values. */
  get conflicts() {
    return this.conflictsUnder();
  }

  /** @param {string[]} [under] */
  conflictsUnder(under) {
    return merge(this.base ?? {}, this.#mine(under)).conflicts;
  }

  /**
   * Sends what was changed under these paths, merged with what is there.
   * @param {string[]} [under]
   * @returns {Promise<{ before: Doc, etag: string | null, merged: boolean } | null>} null if it was not saved
   */
  async save(under) {
    if (!this.base || this.saving || this.conflictsUnder(under).length > 0) return null;
    this.saving = under ?? [""];
    if (this.problemUnder(under)) this.problem = null;
    this.#heard = null;
    this.#changed();
    try {
      return await this.#put(under);
    } catch (thrown) {
      this.problem = asProblem(thrown);
      this.#refused = under ?? null;
      return null;
    } finally {
      this.saving = null;
      // A refusal stays at its field until it is mended, so nothing is loaded over it.
      if (this.#heard !== null && this.#heard !== this.etag && !this.problem) void this.load();
      this.#changed();
    }
  }

  /** @param {string[] | undefined} under */
  async #put(under) {
    for (let merged = false; ; merged = true) {
      const before = this.base ?? {};
      const sent = this.#mine(under);
      const next = this.#with(sent);
      try {
        const { data, etag } = await request("PUT", this.path, { body: next, ifMatch: this.etag });
        const doc = data ?? next;
        // What was typed meanwhile stays, on top of what was sent.
        for (const [path, { value }] of sent) {
          const typed = this.value(path);
          if (same(typed, value)) this.#draft.delete(path);
          else this.#draft.set(path, { value: typed, base: at(doc, path) });
        }
        this.#rebase(doc, etag);
        return { before, etag: this.etag, merged };
      } catch (thrown) {
        const problem = asProblem(thrown);
        if (problem.status !== 412) throw problem;
        // Somebody was faster.
        const { data, etag } = await get(this.path);
        this.#rebase(data, etag);
        if (this.conflictsUnder(under).length > 0) return null;
      }
    }
  }

  /** Decides a conflict. Mine is what stands in the field by now. @param {Conflict} conflict @param {"mine" | "theirs"} choice */
  choose({ path, theirs }, choice) {
    const draft = this.#draft.get(path);
    if (draft && choice === "mine") this.#write(path, draft.value, theirs);
    else this.#draft.delete(path);
    this.#dropProblem(path);
    this.#changed();
    this.#takeUp();
  }

  /** @param {Doc} doc @param {string | null} etag */
  #rebase(doc, etag) {
    this.#turn += 1;
    this.base = doc;
    this.etag = etag;
    this.changedBy = null;
    this.#draft = merge(doc, this.#draft).mine;
  }

  /** The refusal of a field: the machine's word stands where the person wrote. @param {string} path */
  wrong(path) {
    return this.problem?.errors.find(({ field }) => concerns(field, path)) ?? null;
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }
}

/** An id made of a name. @param {string} name */
export function slug(name) {
  return name
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "")
    .slice(0, 60);
}
