/** The decay of the moving average of parameters, which is what samples are generated with. */

/** Options of {@linkcode emaDecayAt}, named as in diffusers' EMAModel. */
export interface EmaOptions {
  /** The largest decay, such as 0.9999. */
  maxDecay: number;
  /** Whether the decay grows as 1 - (1 + step / invGamma)^-power; else as (1 + step) / (10 + step). */
  useEmaWarmup?: boolean;
  /** The steps per unit of the warm-up. @default {1} */
  invGamma?: number;
  /** The exponent: 2/3 for runs of a million steps, 3/4 for shorter ones. @default {2 / 3} */
  power?: number;
}

/**
 * The decay at a step. It is small at first, since the average of a short run would otherwise be dominated
 * by the initial random weights.
 *
 * @param step The optimization step, counted from 1; at 0 and below the decay is 0.
 */
export function emaDecayAt(
  step: number,
  { maxDecay, useEmaWarmup = false, invGamma = 1, power = 2 / 3 }: EmaOptions,
): number {
  // diffusers updates the average after the step and does not count the first one.
  const counted = Math.max(0, step - 1);
  if (counted <= 0) return 0;
  const decay = useEmaWarmup
    ? 1 - (1 + counted / invGamma) ** -power
    : (1 + counted) / (10 + counted);
  return Math.min(decay, maxDecay);
}
