/** The network, clock and random numbers of downloads, which tests replace; and the rules of retries. */
import { mayReach } from "../../base/permissions.ts";

/** The network, a clock and random numbers. */
export interface Network {
  /** As the global `fetch`. */
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Waits for some milliseconds, or throws the signal's reason once it is aborted. */
  readonly sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** The time in milliseconds since 1970. */
  readonly now: () => number;
  /** A random number in [0, 1), used only for jitter. */
  readonly random: () => number;
  /** Whether a URL's host may be reached. It is called before `fetch`, so that Deno does not prompt. */
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

/** The real network. `fetch` honours the proxies of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY). */
export const systemNetwork: Network = {
  fetch: (url, init) => fetch(url, init),
  sleep: delay,
  now: () => Date.now(),
  random: () => Math.random(),
  mayReach,
};

/** Whether a retry may succeed after an HTTP status: time-outs, too many requests, server errors. */
export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

/**
 * Exponential backoff with jitter: half of the delay is fixed and half is random, so that clients
 * that failed together do not retry together.
 *
 * @param attempt The number of failed attempts, from 1.
 * @param random A number in [0, 1).
 * @param options `base` and `cap` in milliseconds.
 * @returns Milliseconds, in [d / 2, d) for d = min(cap, base 2^(attempt - 1)).
 */
export function backoff(
  attempt: number,
  random: number,
  { base = 1000, cap = 30_000 }: { base?: number | undefined; cap?: number | undefined } = {},
): number {
  const delay = Math.min(cap, base * 2 ** (attempt - 1));
  return delay / 2 + random * (delay / 2);
}

/**
 * Reads a `Retry-After` header (RFC 9110, section 10.2.3), in seconds or as a date.
 *
 * @param value The header's value.
 * @param now The time in milliseconds since 1970.
 * @returns Milliseconds to wait, at least 0; undefined if the header is missing or malformed.
 */
export function retryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** A failed attempt. */
export interface Failure {
  /** One clause about the fault. */
  readonly problem: string;
  /** The least wait before a retry, in milliseconds; undefined if no retry may succeed. */
  readonly retryAfter: number | undefined;
}

/** Options of {@linkcode withRetries}. */
export interface RetryOptions {
  /** What is attempted, for the log. */
  readonly name: string;
  /** The greatest number of attempts. */
  readonly tries: number;
  /** The clock and random numbers. */
  readonly network: Pick<Network, "random" | "sleep">;
  /** Receives one line about each retry with its reason. */
  readonly log?: ((line: string) => void) | undefined;
  /** Stops the wait for the next attempt. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Repeats an attempt, after growing pauses, until it succeeds or no retry may succeed.
 *
 * @returns The value, or a clause about the last failure.
 */
export async function withRetries<T extends object>(
  attempt: () => Promise<T | Failure>,
  { name, tries, network, log, signal }: RetryOptions,
): Promise<T | string> {
  for (let count = 1;; count++) {
    const result = await attempt();
    if (!("problem" in result)) return result;
    const { problem, retryAfter } = result;
    if (retryAfter === undefined) return problem;
    if (count >= tries) return `${problem} (tried ${tries} times)`;
    const wait = Math.max(backoff(count, network.random()), retryAfter);
    log?.(
      `${name}: ${problem}; trying again in ${(wait / 1000).toFixed(1)} s ` +
        `(${count} of ${tries} tries)`,
    );
    await network.sleep(wait, signal);
  }
}
