// Service worker: keeps the page and its files, so that it opens without a network. self.CHECKIN names them.
//
// Files are answered from the store first: opening never waits for a server. A new version is a new worker, because
// the list above changes with every byte of them; it fetches all files before it takes over. Requests to the API are
// never touched.

const { page, version, files } = self.CHECKIN;
const STORE = `${page} ${version}`;

self.addEventListener("install", (event) => {
  event.waitUntil(
    Promise.all([page, ...files].map(ours))
      .then(keep)
      .then(() => self.skipWaiting()),
  );
});

/** What this service answers for a path. What a Wi-Fi's login or a proxy answers in its place would stay for good. */
async function ours(path) {
  const answer = await fetch(path, { cache: "reload", redirect: "error" });
  // Read here: a browser has six connections, and an answer that nobody reads keeps one.
  const content = await answer.blob();
  const isPage = (answer.headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase() === "text/html";
  const plain = answer.status === 200 && answer.type === "basic" && !answer.redirected;
  const known = path !== page || (await content.text()).includes(`/static/js${page}/main.js`);
  if (!plain || !known || isPage !== (path === page)) throw new TypeError(`${path} is not what this service answers`);
  return [path, new Response(content, { headers: answer.headers })];
}

async function keep(answers) {
  const store = await caches.open(STORE);
  await Promise.all(answers.map(([path, answer]) => store.put(path, answer)));
}

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
  const listed = origin === self.location.origin && (pathname === page || files.includes(pathname));
  if (event.request.method !== "GET" || !listed) return;
  const kept = caches.open(STORE).then((store) => store.match(pathname, { ignoreVary: true }));
  event.respondWith(kept.then((answer) => answer ?? fetch(event.request)));
});
