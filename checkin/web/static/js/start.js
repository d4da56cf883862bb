// A page's beginning: where it fails, words and a way on stand there in place of an empty page. WebKit tells no listener
// that a module's promise was broken, so unreadable.js cannot do this.

/** Runs `start`, and marks the page as started; throws what `start` throws. */
export async function startPage(start) {
  try {
    await start();
  } catch (error) {
    document.getElementById("not-started").hidden = false;
    throw error;
  }
  document.body.dataset.started = "true";
}
