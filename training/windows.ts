/** Means of figures between two rows of metrics.csv. */
import { isJsonObject, type JsonObject } from "../base/json.ts";
import { timestepQuartile } from "../diffusion/loss.ts";
import type { LoopStep } from "./loop.ts";

/** The figure that is summed and not averaged. */
const COUNTED = "skippedSteps";

/** Averages figures by name, each over the steps that have it. `skippedSteps` is a count. */
export class MeanWindow {
  #sums = new Map<string, { sum: number; count: number }>();

  /**
   * Starts an empty window, or continues a saved one.
   *
   * @param saved The result of {@linkcode MeanWindow.toJson}. Entries of another kind are ignored.
   */
  constructor(saved?: unknown) {
    for (const [name, entry] of Object.entries(isJsonObject(saved) ? saved : {})) {
      if (!isJsonObject(entry)) continue;
      const [sum, count] = [Number(entry["sum"]), Number(entry["count"])];
      if (Number.isFinite(sum) && count >= 1) this.#sums.set(name, { sum, count });
    }
  }

  /** Adds one value of a figure. */
  add(name: string, value: number): void {
    const { sum, count } = this.#sums.get(name) ?? { sum: 0, count: 0 };
    this.#sums.set(name, { sum: sum + value, count: count + 1 });
  }

  /**
   * Adds a step: its loss, the norm of its gradients unless it was skipped, and whether it was.
   *
   * @param figures Further figures of the step.
   */
  addStep(
    { loss, gradNorm, skipped }: Pick<LoopStep, "loss" | "gradNorm" | "skipped">,
    figures: Readonly<Record<string, number>> = {},
  ): void {
    this.add("loss", loss);
    if (!skipped) this.add("gradNorm", gradNorm);
    for (const [name, value] of Object.entries(figures)) this.add(name, value);
    this.add(COUNTED, skipped ? 1 : 0);
  }

  /**
   * Adds the losses of a batch's examples to the figures `lossQ0` to `lossQ3`, by quarter of the
   * timesteps: a model that improves at one noise level and degrades at another keeps the same mean
   * (Nichol and Dhariwal 2021 log them so).
   *
   * @param losses [B]
   * @param timesteps [B], in [0, numTrainTimesteps).
   */
  addLosses(
    losses: ArrayLike<number>,
    timesteps: ArrayLike<number>,
    numTrainTimesteps: number,
  ): void {
    for (let i = 0; i < losses.length; i++) {
      this.add(`lossQ${timestepQuartile(timesteps[i]!, numTrainTimesteps)}`, losses[i]!);
    }
  }

  /** The means so far. */
  means(): Record<string, number> {
    const meanOf = (name: string, sum: number, count: number) =>
      name === COUNTED ? sum : sum / count;
    return Object.fromEntries(
      Array.from(this.#sums, ([name, { sum, count }]) => [name, meanOf(name, sum, count)]),
    );
  }

  /** Returns the means and empties the window. */
  take(): Record<string, number> {
    const means = this.means();
    this.#sums = new Map();
    return means;
  }

  /** The window for a checkpoint between two rows, so that a resumed run logs the same rows. */
  toJson(): JsonObject {
    return Object.fromEntries(this.#sums);
  }
}
