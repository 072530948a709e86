// Phone numbers: read as people paste them, shown as people read them. A country code is never guessed (R26).

/** @typedef {"empty" | "no_code" | "letters" | "too_short" | "too_long" | "invalid"} NumberProblem */

/**
 * Reads a number in any dress.
 * @param {string} pasted
 * @returns {{ number: string, problem: null } | { number: null, problem: NumberProblem }}
 */
export function readNumber(pasted) {
  let text = pasted
    .normalize("NFKC")
    .replace(/\p{Cf}/gu, "")
    .trim();
  text = text.replace(/^tel:/i, "").replace(/;.*$/, "");
  if (text === "") return { number: null, problem: "empty" };
  // British and other numbers are often written with the trunk zero that a caller from abroad leaves out.
  text = text.replace(/\(0\)/, "").replace(/[\s().\-‐‑–—/]/g, "");
  if (/\p{L}/u.test(text)) return { number: null, problem: "letters" };
  if (text.startsWith("00")) text = `+${text.slice(2)}`;
  if (!/^\+?\d+$/.test(text)) return { number: null, problem: "invalid" };
  if (!text.startsWith("+")) return { number: null, problem: "no_code" };
  if (text[1] === "0") return { number: null, problem: "invalid" };
  if (text.length < 8) return { number: null, problem: "too_short" };
  if (text.length > 16) return { number: null, problem: "too_long" };
  return { number: text, problem: null };
}

const TWO_DIGITS = /^(2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58])/;

/** Length of the country code of digits without the plus. @param {string} digits */
function codeLength(digits) {
  if (/^[17]/.test(digits)) return 1;
  return TWO_DIGITS.test(digits) ? 2 : 3;
}

/**
 * `+1 206 555 0142`. What is no number is shown as it is.
 * @param {string | null | undefined} number
 */
export function showNumber(number) {
  if (!number || !/^\+\d{7,15}$/.test(number)) return number ?? "";
  const digits = number.slice(1);
  const code = codeLength(digits);
  const groups = [];
  let rest = digits.slice(code);
  while (rest.length > 4) {
    groups.push(rest.slice(0, 3));
    rest = rest.slice(3);
  }
  return ["+" + digits.slice(0, code), ...groups, rest].filter((group) => group !== "").join(" ");
}

/** Whether a number is under the code +1, which the literal rule of R16 calls US (A33). @param {string} number */
export function isPlusOne(number) {
  return number.startsWith("+1");
}
