/** Means of losses between two rows of metrics.csv. */
import { timestepQuartile } from "../diffusion/loss.ts";
import type { JsonObject } from "../base/json.ts";
import type { TimedBatch } from "../diffusion/objective.ts";
import type { StepResult } from "./diffusion_step.ts";
import type { TrainedStep } from "./loop.ts";

/** A training step of a diffusion model. */
export type DiffusionStep = TrainedStep<TimedBatch, StepResult>;

/** What a window takes of it. */
export type MeasuredStep = Pick<
  DiffusionStep,
  "loss" | "gradNorm" | "losses" | "timesteps" | "skipped"
>;

/** Means since the last row. A quartile that no example fell into is undefined. */
export type WindowMeans = {
  /** The mean weighted loss. */
  readonly loss: number;
  /** The mean unweighted loss of examples in each quarter of the time steps. */
  readonly lossQ0: number | undefined;
  /** See lossQ0. */
  readonly lossQ1: number | undefined;
  /** See lossQ0. */
  readonly lossQ2: number | undefined;
  /** See lossQ0. */
  readonly lossQ3: number | undefined;
  /** The mean norm of gradients, of the steps that were not skipped; undefined where all were. */
  readonly gradNorm: number | undefined;
  /** Steps that were skipped since their gradients overflowed. */
  readonly skippedSteps: number;
};

/** Numbers that a window holds; before there were skipped steps, the last was missing. */
const SUMS = 12;

/**
 * Sums up losses, by quartile of the time step as well: a model that gets better at one noise level
 * and worse at another has the same mean (Nichol and Dhariwal 2021 log them so).
 */
export class LossWindow {
  /** Steps, loss, norm; then count and sum of each quartile; then skipped steps. */
  #sums: number[];
  readonly #numTrainTimesteps: number;

  /**
   * An empty window, or one that goes on where another stopped.
   *
   * @param saved What {@linkcode LossWindow.toJson} gave.
   */
  constructor(numTrainTimesteps: number, saved?: JsonObject) {
    this.#numTrainTimesteps = numTrainTimesteps;
    const sums = saved?.["sums"];
    const sound = Array.isArray(sums) && [SUMS - 1, SUMS].includes(sums.length) &&
      sums.every(Number.isFinite);
    this.#sums = Array.from({ length: SUMS }, (_, i) => sound ? Number(sums[i] ?? 0) : 0);
  }

  /** Adds a step. */
  add({ loss, gradNorm, losses, timesteps, skipped }: MeasuredStep): void {
    const sums = this.#sums;
    sums[0]! += 1;
    sums[1]! += loss;
    if (skipped) sums[SUMS - 1]! += 1;
    else sums[2]! += gradNorm;
    losses.forEach((value, i) => {
      const quartile = timestepQuartile(timesteps[i]!, this.#numTrainTimesteps);
      sums[3 + 2 * quartile]! += 1;
      sums[4 + 2 * quartile]! += value;
    });
  }

  /** The means so far. */
  means(): WindowMeans {
    const [steps, loss, gradNorm, ...quartiles] = this.#sums as [
      number,
      number,
      number,
      ...number[],
    ];
    const skippedSteps = this.#sums[SUMS - 1]!;
    const mean = (i: number) =>
      quartiles[2 * i]! === 0 ? undefined : quartiles[2 * i + 1]! / quartiles[2 * i]!;
    return {
      loss: loss / steps,
      lossQ0: mean(0),
      lossQ1: mean(1),
      lossQ2: mean(2),
      lossQ3: mean(3),
      gradNorm: steps > skippedSteps ? gradNorm / (steps - skippedSteps) : undefined,
      skippedSteps,
    };
  }

  /** The means, and an empty window from here on. */
  take(): WindowMeans {
    const means = this.means();
    this.#sums = Array(SUMS).fill(0);
    return means;
  }

  /** What a checkpoint between two rows keeps, so that a resumed run logs the same rows. */
  toJson(): JsonObject {
    return { sums: [...this.#sums] };
  }
}
