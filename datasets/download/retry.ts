/** When to try again, and after how long. */

/** The HTTP statuses that may pass by themselves: time-outs, too many requests, the server's faults. */
export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

/**
 * Exponential backoff with jitter: half of the delay is fixed and half random, so that clients which
 * failed together do not return together.
 *
 * @param attempt How many attempts have failed, from 1.
 * @param random A number in [0, 1).
 * @param options `base` and `cap` in milliseconds.
 * @returns Milliseconds, in [d / 2, d) for d = min(cap, base 2^(attempt - 1)).
 */
export function backoff(
  attempt: number,
  random: number,
  { base = 1000, cap = 30_000 }: { base?: number; cap?: number } = {},
): number {
  const delay = Math.min(cap, base * 2 ** (attempt - 1));
  return delay / 2 + random * (delay / 2);
}

/**
 * Reads a `Retry-After` header (RFC 9110, section 10.2.3), in seconds or as a date.
 *
 * @param value The header's value.
 * @param now The time in milliseconds since 1970.
 * @returns Milliseconds to wait, at least 0; undefined where there is none to be read.
 */
export function retryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
