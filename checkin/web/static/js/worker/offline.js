// Service worker: keeps the page and its files, so that it opens without a network. self.CHECKIN names them.
//
// Files are answered from the store first: opening never waits for a server. A new version is a new worker, because
// the list above changes with every byte of them; it fetches all files before it takes over. Requests to the API are
// never touched.

const { page, version, files } = self.CHECKIN;
const STORE = `${page} ${version}`;

self.addEventListener("install", (event) => {
  const fresh = (path) => new Request(path, { cache: "reload" });
  event.waitUntil(
    caches
      .open(STORE)
      .then((store) => store.addAll([page, ...files].map(fresh)))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  const old = (name) => name.startsWith(`${page} `) && name !== STORE;
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  const ours = origin === self.location.origin && (pathname === page || files.includes(pathname));
  if (event.request.method !== "GET" || !ours) return;
  const kept = caches.open(STORE).then((store) => store.match(pathname, { ignoreVary: true }));
  event.respondWith(kept.then((answer) => answer ?? fetch(event.request)));
});
