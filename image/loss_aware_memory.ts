/** `--timestep-sampling loss_aware`: the last losses at each timestep, saved with checkpoints. */
import {
  initLossHistory,
  type LossHistory,
  recordLosses,
  timestepProbabilities,
} from "../diffusion/loss_aware_timesteps.ts";
import { UserError } from "../base/errors.ts";
import type { NamedTensors } from "../nn/host_tensor.ts";
import { checkWeights } from "../training/checkpoint/check_model.ts";
import type { LoadedCheckpoint } from "../training/checkpoint/checkpoint.ts";

/** Losses to keep for each timestep (Nichol and Dhariwal 2021). */
const REMEMBERED = 10;

const [LOSSES, COUNTS] = ["timestep_losses", "timestep_counts"] as const;

/** The names of the vectors in the training state of a checkpoint. */
export const MEMORY_VECTORS: readonly string[] = [LOSSES, COUNTS];

export class LossAwareMemory {
  #history: LossHistory;

  /** Starts empty, or with the vectors of a checkpoint. */
  constructor(
    numTrainTimesteps: number,
    checkpoint?: Pick<LoadedCheckpoint, "directory" | "state">,
  ) {
    this.#history = initLossHistory(numTrainTimesteps, REMEMBERED);
    if (checkpoint?.state === undefined) return;
    const { directory: source, state: { vectors: saved } } = checkpoint;
    const shapes = new Map([
      [LOSSES, [numTrainTimesteps, REMEMBERED]],
      [COUNTS, [numTrainTimesteps]],
    ]);
    const vectors = checkWeights(saved, shapes, source, { allowOthers: true });
    this.#history = {
      size: REMEMBERED,
      losses: Float64Array.from(vectors.get(LOSSES)!.data, Number),
      counts: Int32Array.from(vectors.get(COUNTS)!.data, Number),
    };
    if (this.#history.counts.some((count) => count < 0)) {
      throw new UserError(`${source}: ${COUNTS} has a negative number: the file is damaged`);
    }
  }

  probabilities(): Float64Array {
    return timestepProbabilities(this.#history);
  }

  /** Adds the losses of a step, without the weights that correct for the sampling probabilities. */
  add(
    { timesteps, weighted, exampleWeights }: {
      readonly timesteps: Int32Array;
      readonly weighted: ArrayLike<number>;
      readonly exampleWeights?: Float64Array | undefined;
    },
  ): void {
    const losses = Float64Array.from(weighted, (loss, i) => loss / (exampleWeights?.[i] ?? 1));
    this.#history = recordLosses(this.#history, timesteps, losses);
  }

  vectors(): NamedTensors {
    const { losses, counts, size } = this.#history;
    return new Map([
      [LOSSES, { dtype: "F64", shape: [counts.length, size], data: losses }],
      [COUNTS, { dtype: "I32", shape: [counts.length], data: counts }],
    ]);
  }
}
