/** What a download needs of the world outside, so that tests can bring their own. */
import { mayReach } from "../../base/permissions.ts";

/** The network, a clock and chance. */
export interface Network {
  /** As the global `fetch`. */
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Waits some milliseconds, or throws the signal's reason once it is aborted. */
  readonly sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** The time in milliseconds since 1970. */
  readonly now: () => number;
  /** A random number in [0, 1), for jitter alone. */
  readonly random: () => number;
  /** Whether a URL's host may be reached; asked before `fetch`, so that nobody is prompted. */
  readonly mayReach: (url: string) => boolean;
}

/** Waits `milliseconds`, or throws `signal`'s reason as soon as it is aborted. */
function delay(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** The real one. `fetch` honours the proxies of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY). */
export const systemNetwork: Network = {
  fetch: (url, init) => fetch(url, init),
  sleep: delay,
  now: () => Date.now(),
  random: () => Math.random(),
  mayReach,
};
