// Every refusal has the stable code of docs/errors.md; the sentence for people comes from the page's messages.

export class Refusal extends Error {
  /** @param {string} code as in checkin/errors.py */
  constructor(code, detail = code) {
    super(detail);
    this.name = "Refusal";
    this.code = code;
  }
}

/** The stable code of whatever was thrown. A browser's own errors have none, or a number: `unexpected`. */
export const codeOf = (error) => (error instanceof Refusal ? error.code : "unexpected");
