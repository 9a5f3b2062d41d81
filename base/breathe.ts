/** Gives signals and timers a turn between two computations. */

/** Milliseconds between two breaths: each takes two or so, and nobody waits longer than this. */
const BREATH_MS = 50;

let breathed = 0;

/**
 * Lets signals and timers be handled, unless they were a moment ago: computing on this thread otherwise
 * leaves them no time. A timer does that, since only a thread that has nothing to do looks for signals.
 */
export async function breathe(): Promise<void> {
  if (performance.now() - breathed < BREATH_MS) return;
  await new Promise((resolve) => setTimeout(resolve, 0));
  breathed = performance.now();
}
