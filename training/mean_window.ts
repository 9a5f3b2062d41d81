/** Means of figures between two rows of metrics.csv. */
import { isJsonObject, type JsonObject } from "../base/json.ts";
import type { TrainedStep } from "./loop.ts";

/** The figure that is a count of steps, and no mean over them. */
const COUNTED = "skippedSteps";

/** Sums up figures by name, each over the steps that had it. `skippedSteps` is their sum, not a mean. */
export class MeanWindow {
  #sums = new Map<string, { sum: number; count: number }>();

  /**
   * An empty window, or one that goes on where another stopped.
   *
   * @param saved What {@linkcode MeanWindow.toJson} gave.
   */
  constructor(saved?: JsonObject) {
    for (const [name, entry] of Object.entries(saved ?? {})) {
      if (!isJsonObject(entry)) continue;
      const [sum, count] = [Number(entry["sum"]), Number(entry["count"])];
      if (Number.isFinite(sum) && count >= 1) this.#sums.set(name, { sum, count });
    }
  }

  /** Adds a step's figures; those that are not numbers are passed over. */
  add(figures: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(figures)) {
      if (typeof value !== "number") continue;
      const entry = this.#sums.get(name) ?? { sum: 0, count: 0 };
      this.#sums.set(name, { sum: entry.sum + value, count: entry.count + 1 });
    }
  }

  /**
   * Adds what every step has: its loss, its gradients' norm unless it was skipped, and whether it was.
   *
   * @param figures Others.
   */
  addStep(
    { loss, gradNorm, skipped }: Pick<TrainedStep, "loss" | "gradNorm" | "skipped">,
    figures: Readonly<Record<string, unknown>> = {},
  ): void {
    const norm = skipped ? {} : { gradNorm };
    this.add({ loss, ...norm, ...figures, [COUNTED]: skipped ? 1 : 0 });
  }

  /** The means so far. */
  means(): Record<string, number> {
    return Object.fromEntries(
      Array.from(this.#sums, ([name, { sum, count }]) => [
        name,
        name === COUNTED ? sum : sum / count,
      ]),
    );
  }

  /** The means, and an empty window from here on. */
  take(): Record<string, number> {
    const means = this.means();
    this.#sums = new Map();
    return means;
  }

  /** What a checkpoint between two rows keeps, so that a resumed run logs the same rows. */
  toJson(): JsonObject {
    return Object.fromEntries(this.#sums);
  }
}
