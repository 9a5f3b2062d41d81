/** `--timestep-sampling loss_aware`: the memory of losses of a run, saved with its checkpoints. */
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

/** Losses that are remembered of each time step (Nichol and Dhariwal 2021). */
const REMEMBERED = 10;

/** The names that it has in a checkpoint's training state. */
export const MEMORY_VECTORS = { losses: "timestep_losses", counts: "timestep_counts" } as const;

/** The last losses at each time step, and the probabilities that follow from them. */
export class LossAwareMemory {
  #history: LossHistory;

  /**
   * An empty memory, or one that goes on where another stopped.
   *
   * @param numTrainTimesteps T.
   * @param checkpoint A checkpoint with the result of {@linkcode LossAwareMemory.vectors}.
   * @throws {UserError} If it holds no such memory of T time steps.
   */
  constructor(
    numTrainTimesteps: number,
    checkpoint?: Pick<LoadedCheckpoint, "directory" | "state">,
  ) {
    this.#history = initLossHistory(numTrainTimesteps, REMEMBERED);
    if (checkpoint?.state === undefined) return;
    const { directory: source, state: { vectors: saved } } = checkpoint;
    const { losses, counts } = MEMORY_VECTORS;
    const shapes = new Map([
      [losses, [numTrainTimesteps, REMEMBERED]],
      [counts, [numTrainTimesteps]],
    ]);
    const vectors = checkWeights(saved, shapes, source, { allowOthers: true });
    this.#history = {
      size: REMEMBERED,
      losses: Float64Array.from(vectors.get(losses)!.data, Number),
      counts: Int32Array.from(vectors.get(counts)!.data, Number),
    };
    if (this.#history.counts.some((count) => count < 0)) {
      throw new UserError(
        `${source}: ${counts} is below 0 somewhere: it is damaged`,
      );
    }
  }

  /** The probability of each time step [T]. */
  probabilities(): Float64Array {
    return timestepProbabilities(this.#history);
  }

  /** Remembers what a step's examples lost, without the weights that even their numbers out. */
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

  /** What a checkpoint keeps. */
  vectors(): NamedTensors {
    const { losses, counts, size } = this.#history;
    return new Map([
      [MEMORY_VECTORS.losses, { dtype: "F64", shape: [counts.length, size], data: losses }],
      [MEMORY_VECTORS.counts, { dtype: "I32", shape: [counts.length], data: counts }],
    ]);
  }
}
