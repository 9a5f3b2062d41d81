import { assertEquals } from "@std/assert";
import { backoff, isTransientStatus, retryAfter } from "../../../datasets/download/network.ts";

Deno.test("backoff() doubles up to its cap", () => {
  const delays = [1, 2, 3, 4, 5, 6, 7].map((attempt) => backoff(attempt, 0));
  assertEquals(delays, [500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
});

Deno.test("backoff() is random in the upper half of the delay", () => {
  assertEquals(backoff(2, 0.5), 1500);
  assertEquals(backoff(9, 0.5), 22_500);
});

Deno.test("isTransientStatus() is true when a retry may succeed", () => {
  const statuses = [301, 400, 401, 403, 404, 408, 410, 425, 429, 500, 502, 503, 504];
  assertEquals(statuses.filter(isTransientStatus), [408, 425, 429, 500, 502, 503, 504]);
});

Deno.test("retryAfter() reads seconds and dates", () => {
  const now = Date.UTC(1994, 10, 6, 8, 49, 30);
  assertEquals(retryAfter("120", now), 120_000);
  // The date of RFC 9110, section 5.6.7.
  assertEquals(retryAfter("Sun, 06 Nov 1994 08:49:37 GMT", now), 7000);
  assertEquals(retryAfter("Sun, 06 Nov 1994 08:49:00 GMT", now), 0);
  assertEquals([retryAfter(null, now), retryAfter("soon", now)], [undefined, undefined]);
});
