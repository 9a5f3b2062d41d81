/** The training of image.ts: its loop with metrics, checkpoints and interruptions. */
import type { Device } from "../engine/device.ts";
import type { HostArray } from "../engine/tree.ts";
import { emaDecayAt } from "../nn/ema.ts";
import { learningRateAt } from "../nn/learning_rate.ts";
import type { TimedBatch } from "../diffusion/objective.ts";
import type { TrainState, TrainStep } from "./diffusion_step.ts";
import type { ImageConfig } from "./image_flags.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { train } from "./loop.ts";
import type { LossAwareMemory } from "./loss_aware_memory.ts";
import type { LossWindow } from "./loss_window.ts";
import type { MetricsLog } from "./metrics.ts";
import { Progress } from "./progress.ts";

/** Columns of metrics.csv. Q0 to Q3 are quarters of the time steps, from clean to noisy. */
export const IMAGE_METRICS = [
  ...["loss", "lossQ0", "lossQ1", "lossQ2", "lossQ3"] as const,
  ...["valLoss", "valLossQ0", "valLossQ1", "valLossQ2", "valLossQ3"] as const,
  ...["gradNorm", "learningRate", "imagesPerSecond"] as const,
];

/** What {@linkcode trainImages} trains, and where what becomes of it goes. */
export interface ImageTraining {
  /** The settings. */
  readonly config: ImageConfig;
  /** Where tensors are computed. */
  readonly device: Device;
  /** The compiled step. */
  readonly trainStep: TrainStep;
  /** The state to begin with. */
  readonly state: TrainState;
  /** Steps that are done already. */
  readonly done: number;
  /** The batch of a step, counted from 0. */
  readonly batchAt: (step: number) => TimedBatch;
  /** Measures parameters, all as one vector, on held-out images. */
  readonly validate: (
    parameters: HostArray,
  ) => Promise<{ readonly loss: number; readonly quartiles: readonly number[] }>;
  /** Losses since the last row of metrics. */
  readonly window: LossWindow;
  /** Losses by time step, where time steps are drawn by them. */
  readonly memory: LossAwareMemory | undefined;
  /** Where metrics go. */
  readonly metrics: MetricsLog<typeof IMAGE_METRICS[number]>;
  /** Saves a checkpoint and says where. */
  readonly save: (state: TrainState, step: number) => Promise<string>;
}

/** How a training went. */
export interface ImageTrained {
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
 * @throws {UserError} When a loss or a gradient is not finite: the last checkpoint is as it was.
 */
export async function trainImages(
  { config, device, trainStep, done, batchAt, ...rest }: ImageTraining,
): Promise<ImageTrained> {
  const { validate, window, memory, metrics, save } = rest;
  const { steps: total, logEvery, evalEvery, checkpointEvery } = config;
  const [started, computed] = [performance.now(), device.milliseconds];
  let { state } = rest;
  let peakMemory = 0;
  const trained = (interrupted: boolean): ImageTrained => ({
    ...{ state, interrupted, peakMemory },
    milliseconds: performance.now() - started,
    onDevice: device.milliseconds - computed,
  });

  using interrupt = listenForInterrupt();
  await using progress = new Progress({ total, start: done, itemsPerStep: config.batchSize });
  const settingsAt = (step: number) => ({
    learningRate: learningRateAt(step, {
      learningRate: config.learningRate,
      schedule: config.lrSchedule,
      warmupSteps: config.warmupSteps,
      totalSteps: total,
    }),
    emaDecay: emaDecayAt(step + 1, { maxDecay: config.emaDecay }),
  });
  for await (const current of train({ trainStep, state, done, total, batchAt, settingsAt })) {
    const { step } = current;
    state = current.state;
    window.add(current);
    memory?.add(current);
    progress.update(step, current.loss);
    const last = step === total;
    if (step % logEvery === 0 || last) {
      const validation = step % evalEvery === 0 || last ? await validate(state.ema) : undefined;
      await metrics.append({
        step,
        // The last row may come early; then the window stays open for a run that is prolonged.
        ...(step % logEvery === 0 ? window.take() : window.means()),
        valLoss: validation?.loss,
        ...Object.fromEntries(
          validation?.quartiles.map((loss, i) => [`valLossQ${i}`, loss] as const) ?? [],
        ),
        learningRate: current.learningRate,
        imagesPerSecond: progress.itemsPerSecond || undefined, // not known after a first step
      });
      peakMemory = Math.max(peakMemory, Deno.memoryUsage().rss);
    }
    if (step % checkpointEvery === 0 || last || interrupt.signal !== undefined) {
      await metrics.sync();
      const saved = await save(state, step);
      if (interrupt.signal === undefined) continue;
      await progress.stop();
      console.error(`interrupted: saved ${saved}; the same command goes on from there`);
      return trained(true);
    }
  }
  return trained(false);
}
