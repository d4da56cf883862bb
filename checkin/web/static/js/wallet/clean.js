// What people paste, cleaned before it is sent: the readers behind it stay strict (docs/pages.md, Pasted texts).

import { base45Decode } from "../encoding.js";
import { Refusal } from "../errors.js";

// The eight digits of a code; written in groups, but then with no further group beside them, as a phone number has.
const TOGETHER = /(?<!\d)\d{8}(?!\d)/u;
const IN_GROUPS = /(?<!\d[ .·–-]{0,2})\d(?:[ .·–-]{0,2}\d){7}(?![ .·–-]{0,2}\d)/u;
const DIGIT = /^\p{Nd}$/u;
const MARK = "HC1:";
const INVISIBLE = /[\p{Cf}]/gu;

/** Wide letters and digits as narrow ones, every kind of blank as the plain one, nothing invisible. */
const plainText = (text) => text.normalize("NFKC").replace(INVISIBLE, "");

/** A decimal digit of any script as 0 to 9: their blocks have ten in a row. */
function plainDigit(char) {
  if (!DIGIT.test(char)) return char;
  const point = char.codePointAt(0);
  let value = 0;
  while (value < 9 && DIGIT.test(String.fromCodePoint(point - value - 1))) value += 1;
  return String(value);
}

/** The eight digits of a one-time code out of a pasted message; Refusal code_form where there is none. */
export function cleanCode(text) {
  const plain = Array.from(plainText(text), plainDigit).join("");
  const found = plain.match(TOGETHER) ?? plain.match(IN_GROUPS);
  if (!found) throw new Refusal("code_form");
  return found[0].replace(/\D/g, "");
}

/** Whether base45 of a zlib stream is whole: the stream ends with a checksum. */
async function unpacks(text) {
  try {
    const stream = new Blob([base45Decode(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
    await new Response(stream).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/**
 * A certificate's text without what stands before it, with plain blanks. Lines that were wrapped are joined; since a blank is
 * a letter of base45, of the ways to join them the one is taken that unpacks: as they are, without the indentation that all
 * lines after the first have, or with the blanks at their ends gone.
 */
export async function cleanCertificate(text) {
  const plain = plainText(text);
  const from = plain.indexOf(MARK);
  if (from < 0) return plain.trim();
  const found = plain.slice(from).replace(/\r\n?/g, "\n");
  const [first, ...others] = found.trim().split(/[\n\t]+/);
  const least = Math.min(...others.map((line) => line.search(/[^ ]/)));
  const indents = others.length ? [least, least - 1].filter((indent) => indent > 0) : [];
  const ways = [
    found.replace(/[\n\t]/g, ""),
    found.trim().replace(/[\n\t]/g, ""),
    ...indents.map((indent) => first + others.map((line) => line.slice(indent)).join("")),
    found.trim().replace(/ *[\n\t]+ */g, ""),
    found.trim().replace(/ *[\n\t]+ */g, " "),
  ];
  for (const way of ways) if (await unpacks(way.slice(MARK.length))) return way;
  return ways[1];
}
