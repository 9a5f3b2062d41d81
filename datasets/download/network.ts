/** The network, clock and random numbers of downloads, which tests replace; and the rules of retries. */
import { setTimeout } from "node:timers/promises";
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

/** `fetch` honours the proxies of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY). */
export const systemNetwork: Network = {
  fetch: (url, init) => fetch(url, init),
  sleep: async (milliseconds, signal) => {
    await setTimeout(milliseconds, undefined, { signal }).catch(() => signal?.throwIfAborted());
  },
  now: () => Date.now(),
  random: () => Math.random(),
  mayReach,
};

/** Whether a retry may succeed after an HTTP status: time-outs, too many requests, server errors. */
export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

/**
 * Exponential backoff from 1 to 30 s before retry `attempt`, from 1. Half of the delay is random, so that
 * clients that failed together do not retry together.
 */
export function backoff(attempt: number, random: number): number {
  const delay = Math.min(30_000, 1000 * 2 ** (attempt - 1));
  return delay / 2 + random * (delay / 2);
}

/**
 * The milliseconds to wait of a `Retry-After` header (RFC 9110, section 10.2.3), in seconds or as a date.
 */
export function retryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

export interface Failure {
  /** One clause about the fault. */
  readonly problem: string;
  /** The least wait before a retry, in milliseconds; undefined if no retry may succeed. */
  readonly retryAfter: number | undefined;
}

export interface RetryOptions {
  readonly name: string;
  readonly tries: number;
  readonly network: Pick<Network, "random" | "sleep">;
  readonly log?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Repeats an attempt, after growing pauses, until it succeeds or no retry may. Returns the value, or a
 * clause about the last failure.
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
