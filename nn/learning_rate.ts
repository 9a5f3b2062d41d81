/** Learning rates over a run. */

/** The names of schedules, for `--lr-schedule`. */
export const LEARNING_RATE_SCHEDULES = ["constant", "linear", "cosine"] as const;

/** A schedule's name. */
export type LearningRateSchedule = typeof LEARNING_RATE_SCHEDULES[number];

/** Options of {@linkcode learningRateAt}. */
export interface LearningRateOptions {
  /** The highest learning rate. */
  learningRate: number;
  /** What follows the warm-up. */
  schedule: LearningRateSchedule;
  /** Steps over which the rate rises from 0. */
  warmupSteps: number;
  /** Steps of the whole run, at whose end linear and cosine reach 0. */
  totalSteps: number;
}

/**
 * The learning rate at a step: a linear warm-up, then constant, falling linearly to 0, or falling to 0
 * along half a cosine (Loshchilov and Hutter 2017, equation 5). The same as transformers'
 * get_*_schedule_with_warmup.
 *
 * @param step Counted from 0.
 */
export function learningRateAt(
  step: number,
  { learningRate, schedule, warmupSteps, totalSteps }: LearningRateOptions,
): number {
  if (step < warmupSteps) return learningRate * step / Math.max(1, warmupSteps);
  if (schedule === "constant") return learningRate;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  return schedule === "linear"
    ? learningRate * (1 - progress)
    : learningRate * 0.5 * (1 + Math.cos(Math.PI * progress));
}
