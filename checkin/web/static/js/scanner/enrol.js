// The operator's code, read by the camera or pasted: {venue_id, scanner_id, scanner_token, label?} as JSON; Python's is
// `read_enrolment` in checkin/parties/scanner.py, one file of vectors for both (tests/vectors/enrolment.json).

import { object, text } from "../answer.js";
import { Refusal } from "../errors.js";

const IDENTIFIER = (value) => text(value) && /^[0-9a-f]{16}$/.test(value);
const TOKEN = (value) => text(value) && /^[A-Za-z0-9._~+/=-]{16,256}$/.test(value);
const CODE = object({ venue_id: IDENTIFIER, scanner_id: IDENTIFIER, scanner_token: TOKEN });
const LABEL_LENGTH = 80;

/** The device's enrolment; enrolment_malformed for any other text. */
export function readEnrolment(code) {
  let read;
  try {
    read = JSON.parse(code);
  } catch {
    throw new Refusal("enrolment_malformed");
  }
  if (!CODE(read)) throw new Refusal("enrolment_malformed");
  const { venue_id, scanner_id, scanner_token, label } = read;
  return { venue_id, scanner_id, scanner_token, label: text(label) ? label.slice(0, LABEL_LENGTH) : "" };
}

/** What readEnrolment reads. */
export const writeEnrolment = (device) => JSON.stringify(device);
