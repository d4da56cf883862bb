// Comma-separated values that no spreadsheet takes for formulas (OWASP, CSV injection).

const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/u;

/** One cell: an apostrophe before what could be a formula, quoted where it has to be. */
export function cell(value) {
  const text = String(value);
  const plain = typeof value === "number" || !FORMULA.test(text) ? text : `'${text}`;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

/** RFC 4180, with the byte order mark by which spreadsheets recognise UTF-8. */
export const table = (rows) => `\ufeff${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;

/** Hands a file to whoever uses the page. */
export function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
