/** Training with what goes on around it: progress, rows of metrics.csv, checkpoints, and Ctrl-C. */
import type { Device } from "../engine/device.ts";
import { emaDecayAt } from "../nn/ema.ts";
import { learningRateAt, type LearningRateSchedule } from "../nn/learning_rate.ts";
import type { TrainState } from "./diffusion_step.ts";
import { listenForInterrupt } from "../cli/interrupt.ts";
import {
  type GivenBatch,
  type StepOutcome,
  train,
  type TrainedStep,
  type TrainOptions,
} from "./loop.ts";
import { watchSteps } from "./watch_steps.ts";
import type { MetricsLog } from "./metrics.ts";
import { Progress } from "../cli/progress.ts";

/** Figures by column; those that are undefined are left out of a row. */
export type Figures = Readonly<Record<string, number | undefined>>;

/** Means of figures between two rows. */
export interface MeansWindow<Step> {
  /** Adds a step. */
  add(step: Step): void;
  /** The means so far. */
  means(): Figures;
  /** The means, and an empty window from here on. */
  take(): Figures;
}

/** The settings that a training follows. */
export interface SupervisedConfig {
  /** Steps to have done in the end. */
  readonly steps: number;
  /** Items a step. */
  readonly batchSize: number;
  /** The highest learning rate. */
  readonly learningRate: number;
  /** What follows the warm-up. */
  readonly lrSchedule: LearningRateSchedule;
  /** Steps over which the rate rises. */
  readonly warmupSteps: number;
  /** The moving average's largest decay. */
  readonly emaDecay: number;
  /** Steps between rows. */
  readonly logEvery: number;
  /** Steps between measurements on held-out data, a multiple of logEvery. */
  readonly evalEvery: number;
  /** Steps between checkpoints. */
  readonly checkpointEvery: number;
}

/** Options of {@linkcode superviseTraining}. */
export interface SuperviseOptions<
  Given extends GivenBatch,
  Outcome extends StepOutcome,
  Column extends string,
> extends Pick<TrainOptions<Given, Outcome>, "trainStep" | "batchAt" | "state" | "done"> {
  /** The settings. */
  readonly config: SupervisedConfig;
  /** Where tensors are computed. */
  readonly device: Pick<Device, "milliseconds">;
  /** The run's folder, for batches that went wrong. */
  readonly directory: string;
  /** What items are, in the plural. Their speed is the column `imagesPerSecond`, say. */
  readonly unit: string;
  /** The log, with the columns that the window and `measure` fill. */
  readonly metrics: MetricsLog<Column>;
  /** What is averaged between rows. */
  readonly window: MeansWindow<TrainedStep<Given, Outcome>>;
  /** What is measured on held-out data, by column. */
  readonly measure: (state: TrainState) => Promise<Figures>;
  /** Saves a checkpoint and says where. */
  readonly save: (state: TrainState, step: number) => Promise<string>;
}

/** How a training went. */
export interface Supervised {
  /** The state at the end. */
  readonly state: TrainState;
  /** Whether it was interrupted, after a checkpoint, before its end. */
  readonly interrupted: boolean;
  /** How long it took. */
  readonly milliseconds: number;
  /** How much of that was the device's. */
  readonly onDevice: number;
  /** Bytes of memory at the most. */
  readonly peakMemory: number;
}

/**
 * Trains to the end, or until Ctrl-C.
 *
 * @throws {UserError} When a loss is not finite, or gradients are not time after time: the last checkpoint is as it was.
 */
export async function superviseTraining<
  Given extends GivenBatch,
  Outcome extends StepOutcome,
  Column extends string,
>(
  { config, device, directory, trainStep, batchAt, done, ...rest }: SuperviseOptions<
    Given,
    Outcome,
    Column
  >,
): Promise<Supervised> {
  const { unit, metrics, window, measure, save } = rest;
  const { steps: total, batchSize: itemsPerStep, logEvery, evalEvery, checkpointEvery } = config;
  const [started, computed] = [performance.now(), device.milliseconds];
  let { state } = rest;
  let peakMemory = 0;
  const result = (interrupted: boolean): Supervised => ({
    ...{ state, interrupted, peakMemory },
    milliseconds: performance.now() - started,
    onDevice: device.milliseconds - computed,
  });

  using interrupt = listenForInterrupt();
  await using progress = new Progress({ total, start: done, itemsPerStep, unit });
  const settingsAt = (step: number) => ({
    learningRate: learningRateAt(step, {
      learningRate: config.learningRate,
      schedule: config.lrSchedule,
      warmupSteps: config.warmupSteps,
      totalSteps: total,
    }),
    emaDecay: emaDecayAt(step + 1, { maxDecay: config.emaDecay }),
  });
  const { keep, watch } = watchSteps(directory, (line) => progress.note(line));
  for await (const current of train({ trainStep, state, done, total, batchAt, settingsAt, keep })) {
    const { step } = current;
    state = current.state;
    await watch(current);
    window.add(current);
    progress.update(step, current.loss);
    const last = step === total;
    const logged = step % logEvery === 0;
    if (logged || last) {
      await metrics.append(
        {
          // The last row may come early; then the window stays open for a run that is prolonged.
          ...(logged ? window.take() : window.means()),
          ...(step % evalEvery === 0 || last ? await measure(state) : {}),
          step,
          learningRate: current.learningRate,
          [`${unit}PerSecond`]: progress.itemsPerSecond || undefined, // not known after a first step
        } as { step: number } & { [K in Column]?: number | undefined },
      );
      peakMemory = Math.max(peakMemory, Deno.memoryUsage().rss);
    }
    if (step % checkpointEvery === 0 || last || interrupt.signal !== undefined) {
      await metrics.sync();
      const saved = await save(state, step);
      if (interrupt.signal === undefined) continue;
      await progress.stop();
      console.error(`interrupted: saved ${saved}; the same command goes on from there`);
      return result(true);
    }
  }
  return result(false);
}
