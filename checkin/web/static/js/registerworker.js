// Registers the page's service worker; without one the page works, but does not open without a network.

/** @returns {Promise<ServiceWorkerRegistration|null>} with `background`, the worker that may also fetch, if it can */
export async function keepOffline(page, { background = false } = {}) {
  if (!("serviceWorker" in navigator)) return null;
  const scope = { scope: `/${page}` };
  if (background && "PeriodicSyncManager" in window) {
    try {
      const module = { ...scope, type: "module" };
      return await navigator.serviceWorker.register(`/${page}-background.js`, module);
    } catch {
      // no modules in workers: the plain one keeps the page all the same
    }
  }
  return navigator.serviceWorker.register(`/${page}-worker.js`, scope).catch(() => null);
}
