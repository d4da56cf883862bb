// The text of a signed note as fixed lines; reading is the exact inverse of writing (checkin/protocol/statement.py).

import { Refusal } from "./errors.js";

// Control, format, surrogate, line and paragraph separator: what is signed must look like what it is. Unassigned: what a
// later Unicode calls format is so for every reader.
const DECEPTIVE = /[\p{Cc}\p{Cf}\p{Cn}\p{Cs}\p{Zl}\p{Zp}]/u;

// SPEC notes.md §2: "a `clock` line says `simulated` and nothing else"
export const CLOCK = { name: "clock", optional: true, only: "simulated" };

const malformed = () => new Refusal("note_malformed");

export class StatementType {
  /** @param {...{name: string, repeated?: boolean, optional?: boolean, only?: string}} fields in order */
  constructor(kind, ...fields) {
    this.kind = kind;
    this.fields = fields;
  }

  /** The values by name, a list for each repeated field; note_malformed for any text that write would not make. */
  read(text) {
    const [kind, ...lines] = text.split("\n");
    if (kind !== this.kind || !lines.length || lines.pop()) throw malformed();
    const values = new Map(this.fields.filter((field) => field.repeated).map((field) => [field.name, []]));
    for (const line of lines) {
      const at = line.indexOf(" ");
      const [name, value] = at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
      if (Array.isArray(values.get(name))) values.get(name).push(value);
      else values.set(name, value);
    }
    if (this.#write(values) !== text) throw malformed();
    return values;
  }

  #write(values) {
    const lines = [this.kind];
    for (const { name, repeated, optional, only } of this.fields) {
      const several = repeated ? values.get(name) : values.has(name) ? [values.get(name)] : [];
      if (!several.length && !optional) throw malformed();
      for (const value of several) {
        if (!value || /^ | $/.test(value) || DECEPTIVE.test(value) || value !== (only ?? value)) throw malformed();
        lines.push(`${name} ${value}`);
      }
    }
    return `${lines.join("\n")}\n`;
  }
}
