/** Lets signals and timers be handled between two computations. */

/** Signals wait this many milliseconds at most. A pause takes about two. */
const BREATH_MS = 50;

let lastPause = 0;

/**
 * Pauses so that pending signals and timers are handled, unless that was done a moment ago. A thread that
 * computes without pausing does not handle them: Ctrl-C would have no effect. The pause is a timer, because
 * Deno handles signals only when the thread is idle.
 */
export async function breathe(): Promise<void> {
  if (performance.now() - lastPause < BREATH_MS) return;
  await new Promise((resolve) => setTimeout(resolve, 0));
  lastPause = performance.now();
}
