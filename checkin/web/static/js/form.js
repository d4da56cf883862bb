// A form that was refused: the message beside the field it is about, the field marked, and both in view.

import { tell } from "./messages.js";

/** Shows `make()` in `message` after the field, which gets the focus; `fault` false where the field is not to blame. */
export function refuse(field, message, make, { fault = true } = {}) {
  field.closest("details")?.setAttribute("open", "");
  field.after(message);
  tell(message, make);
  message.hidden = false;
  if (fault) {
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", message.id);
  }
  field.focus({ preventScroll: true });
  // The keyboard of a phone takes half of the window: the message in its middle is above it.
  message.scrollIntoView({ block: "center" });
}

/** As before the refusal. */
export function accept(root, message) {
  message.hidden = true;
  for (const field of root.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  }
}
