/** The learning rate as a function of the step. */

/** Names of the schedules. */
export const LEARNING_RATE_SCHEDULES = ["constant", "linear", "cosine"] as const;

/** A schedule's name. */
export type LearningRateSchedule = typeof LEARNING_RATE_SCHEDULES[number];

/** Options of {@linkcode learningRateAt}. */
export interface LearningRateOptions {
  /** The highest learning rate. */
  learningRate: number;
  /** The schedule after the warm-up. */
  schedule: LearningRateSchedule;
  /** The number of steps over which the rate rises from 0. */
  warmupSteps: number;
  /** The number of steps of the run; "linear" and "cosine" reach 0 at its end. */
  totalSteps: number;
}

/**
 * The learning rate at a step, as in transformers' get_*_schedule_with_warmup: a linear warm-up, then a
 * constant, a linear decay to 0, or a decay to 0 along half a cosine (Loshchilov and Hutter 2017, equation
 * 5).
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
