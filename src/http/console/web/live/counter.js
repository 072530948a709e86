// How long a text is, counted as the gateway counts it: `src/model/text.rs` has the same table and the same rule.

/** Most characters an agent may send (R50), as Unicode scalar values (A43). */
export const TEXT_MAX = 918;

/** @typedef {"gsm7" | "ucs2"} Encoding */
/**
 * @typedef {object} Measured
 * @property {Encoding} encoding
 * @property {number} characters Unicode scalar values
 * @property {number} units septets, or 16-bit units
 * @property {number} segments at least 1
 * @property {number} room units that fit before the next segment begins
 * @property {string[]} guilty characters that keep the text from being GSM-7, each once
 * @property {boolean} overLimit
 */

const EXTENDED = new Set("^{}\\[~]|\f€");
const BASIC = new Set(
  "£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà\n\r" +
    Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at))
      .filter((c) => c !== "`" && !EXTENDED.has(c))
      .join(""),
);

/** Units of one message, and of each segment of a longer one. @type {Record<Encoding, [number, number]>} */
const LIMITS = { gsm7: [160, 153], ucs2: [70, 67] };

/** @param {string} character @returns {number} septets, 0 outside GSM-7 */
function septets(character) {
  return BASIC.has(character) ? 1 : EXTENDED.has(character) ? 2 : 0;
}

/**
 * Measures a text. A half of a surrogate pair counts as the U+FFFD that is sent in its place.
 * @param {string} text
 * @returns {Measured}
 */
export function measure(text) {
  const characters = [...wellFormed(text)];
  const guilty = [...new Set(characters.filter((character) => septets(character) === 0))];
  const encoding = guilty.length === 0 ? "gsm7" : "ucs2";
  const [whole, part] = LIMITS[encoding];
  let units = 0;
  let segments = 1;
  let inSegment = 0;
  for (const character of characters) {
    const cost = encoding === "gsm7" ? septets(character) : character.length;
    units += cost;
    // A pair is never split between two segments, so a segment may end one unit short.
    if (inSegment + cost > part) {
      segments += 1;
      inSegment = 0;
    }
    inSegment += cost;
  }
  const single = units <= whole;
  return {
    encoding,
    characters: characters.length,
    units,
    segments: single ? 1 : segments,
    room: single ? whole - units : part - inSegment,
    guilty,
    overLimit: characters.length > TEXT_MAX,
  };
}

/** A half of a surrogate pair, which JSON has no place for, becomes U+FFFD. @param {string} text */
export function wellFormed(text) {
  return text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}

/** Whether a text has nothing to see: space, control and format characters only. @param {string} text */
export function isBlank(text) {
  return /^[\s\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]*$/u.test(text);
}

/** What word processors put in place of plain characters. @type {Record<string, string>} */
const PLAIN = {
  "“": '"',
  "”": '"',
  "„": '"',
  "«": '"',
  "»": '"',
  "‘": "'",
  "’": "'",
  "‚": "'",
  "´": "'",
  "`": "'",
  "–": "-",
  "—": "-",
  "‑": "-",
  "−": "-",
  "…": "...",
  "•": "-",
  "\u00a0": " ",
  "\u202f": " ",
  "\u2009": " ",
  "\u200b": "",
  "\ufeff": "",
};

/** The text with plain quotes, dashes and blanks, which cost less. @param {string} text */
export function withPlainCharacters(text) {
  return [...text].map((character) => PLAIN[character] ?? character).join("");
}
