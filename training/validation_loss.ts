/** The loss on held-out examples, by quarter of the timesteps. */
import { timestepQuartile } from "../diffusion/loss.ts";
import type { Device } from "../engine/device.ts";
import type { HostArray } from "../engine/tree.ts";
import { type ParameterSpecs, unravelTensor } from "../nn/parameters.ts";
import {
  type BatchTensors,
  type DiffusionBatch,
  diffusionLosses,
  type LossFunction,
  type TimedBatch,
  type TrainableDenoiser,
} from "../diffusion/objective.ts";

/** Mean losses. */
export interface ValidationLoss {
  /** Of all examples. */
  readonly loss: number;
  /** Of the examples in each quarter of the timesteps, from clean to noisy; NaN for an empty quarter. */
  readonly quartiles: readonly [number, number, number, number];
}

/**
 * Columns of metrics.csv that all trainings of a denoiser have. Q0 to Q3 are quarters of the timesteps,
 * from clean to noisy.
 */
export const DIFFUSION_COLUMNS = [
  "loss",
  "lossQ0",
  "lossQ1",
  "lossQ2",
  "lossQ3",
  "valLoss",
  "valLossQ0",
  "valLossQ1",
  "valLossQ2",
  "valLossQ3",
  "gradNorm",
  "skippedSteps",
  "learningRate",
] as const;

/** A validation loss as columns of metrics.csv: `valLoss`, and `valLossQ0` to `valLossQ3`. */
export function validationColumns(measured: ValidationLoss | undefined): Record<string, number> {
  if (measured === undefined) return {};
  const { loss, quartiles } = measured;
  return {
    valLoss: loss,
    ...Object.fromEntries(quartiles.map((quartile, i) => [`valLossQ${i}`, quartile])),
  };
}

/** A compiled loss. */
export interface ValidationLossFunction {
  /** Measures the loss. @param parameters All parameters as one vector. */
  (parameters: HostArray, batches: readonly TimedBatch[]): Promise<ValidationLoss>;
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

/**
 * Compiles the unweighted mean squared error of a denoiser. With the same batches, which contain noise and
 * timesteps, the losses of different steps and runs can be compared.
 *
 * @param options.numTrainTimesteps T, for the quarters.
 * @param options.lossFunction The loss, whose weights are ignored. diffusionLosses by default.
 */
export function compileValidationLoss(
  device: Device,
  { denoise, specs, numTrainTimesteps, lossFunction = diffusionLosses }: {
    denoise: TrainableDenoiser;
    specs: ParameterSpecs;
    numTrainTimesteps: number;
    lossFunction?: LossFunction | undefined;
  },
): ValidationLossFunction {
  type Inputs = { parameters: HostArray; batch: DiffusionBatch };
  const compiled = device.compile<Inputs, { losses: HostArray }>(({ parameters, batch }) => ({
    losses: lossFunction(denoise, unravelTensor(parameters, specs), batch as BatchTensors).plain,
  }));
  const measure = async (parameters: HostArray, batches: readonly TimedBatch[]) => {
    const sums = [0, 0, 0, 0];
    const counts = [0, 0, 0, 0];
    for (const { batch, timesteps } of batches) {
      const { losses } = await compiled({ parameters, batch });
      losses.data.forEach((loss, i) => {
        const quartile = timestepQuartile(timesteps[i]!, numTrainTimesteps);
        sums[quartile]! += loss;
        counts[quartile]! += 1;
      });
    }
    const total = (values: number[]) => values.reduce((a, b) => a + b, 0);
    const quartiles = sums.map((sum, i) => sum / counts[i]!) as [number, number, number, number];
    return { loss: total(sums) / total(counts), quartiles };
  };
  return Object.assign(measure, { dispose: () => compiled.dispose() });
}
