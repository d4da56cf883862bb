// The operator's code, read by the camera or pasted: {venue_id, scanner_id, scanner_token, label?} as JSON.

import { Refusal } from "../errors.js";

const IDENTIFIER = /^[0-9a-f]{16}$/;
const TOKEN = /^[A-Za-z0-9._~+/=-]{16,256}$/;
const LABEL_LENGTH = 80;

/** The device's enrolment; enrolment_malformed for any other text. */
export function readEnrolment(text) {
  let read;
  try {
    read = JSON.parse(text);
  } catch {
    throw new Refusal("enrolment_malformed");
  }
  const { venue_id: venue, scanner_id: scanner, scanner_token: token, label = "" } = read ?? {};
  const fits = IDENTIFIER.test(venue) && IDENTIFIER.test(scanner) && TOKEN.test(token) && typeof label === "string";
  if (!fits) throw new Refusal("enrolment_malformed");
  return { venue_id: venue, scanner_id: scanner, scanner_token: token, label: label.slice(0, LABEL_LENGTH) };
}

/** What readEnrolment reads. */
export const writeEnrolment = (device) => JSON.stringify(device);
