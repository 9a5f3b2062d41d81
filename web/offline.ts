/**
 * The service worker. It keeps the page's files, so that the page works offline, and it isolates the page, so
 * that WebAssembly may use threads, whatever the server's headers are. The worker keeps the models itself.
 */
interface Answer {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}
interface Waits {
  waitUntil(promise: Promise<unknown>): void;
}

const scope = self as unknown as {
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
  addEventListener(type: "install" | "activate", listener: (event: Waits) => void): void;
  addEventListener(type: "fetch", listener: (event: Answer) => void): void;
};

const CACHE = "page";
const FILES = [
  "./",
  "style.css",
  "page.js",
  "worker.js",
  "tfjs-backend-wasm-simd.wasm",
  "tfjs-backend-wasm-threaded-simd.wasm",
];

/** The response with the headers that isolate a page. */
function isolated(response: Response): Response {
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}

/** The server's file, which is kept; without a server the one that was kept. */
async function answer(request: Request): Promise<Response> {
  try {
    const response = await fetch(request);
    if (response.ok) {
      const cache = await caches.open(CACHE);
      await cache.put(request, response.clone()).catch(() => {});
    }
    return isolated(response);
  } catch (error) {
    const kept = await caches.match(request, { ignoreSearch: true });
    if (kept !== undefined) return isolated(kept);
    throw error;
  }
}

scope.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)));
  scope.skipWaiting();
});
scope.addEventListener("activate", (event) => event.waitUntil(scope.clients.claim()));
scope.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  const isOwn = origin === location.origin && event.request.method === "GET";
  if (isOwn && !pathname.includes("/models/")) event.respondWith(answer(event.request));
});
