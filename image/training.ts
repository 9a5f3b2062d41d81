/** The training of image.ts: its loop with metrics, checkpoints and interruptions. */
import type { Device } from "../engine/device.ts";
import type { HostArray } from "../engine/tree.ts";
import type { TimedBatch } from "../diffusion/objective.ts";
import type { TrainState, TrainStep } from "../training/diffusion_step.ts";
import type { ImageConfig } from "./flags.ts";
import type { LossAwareMemory } from "./loss_aware_memory.ts";
import type { DiffusionStep, LossWindow } from "../training/loss_window.ts";
import type { MetricsLog } from "../training/metrics.ts";
import { type Supervised, superviseTraining } from "../training/supervise.ts";

/** Columns of metrics.csv. Q0 to Q3 are quarters of the time steps, from clean to noisy. */
export const IMAGE_METRICS = [
  ...["loss", "lossQ0", "lossQ1", "lossQ2", "lossQ3"] as const,
  ...["valLoss", "valLossQ0", "valLossQ1", "valLossQ2", "valLossQ3"] as const,
  ...["gradNorm", "skippedSteps", "learningRate", "imagesPerSecond"] as const,
];

/** What {@linkcode trainImages} trains, and where what becomes of it goes. */
export interface ImageTraining {
  /** The settings. */
  readonly config: ImageConfig;
  /** Where tensors are computed. */
  readonly device: Device;
  /** The run's folder. */
  readonly directory: string;
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

/**
 * Trains to the end, or until Ctrl-C.
 *
 * @throws {UserError} When a loss is not finite, or gradients are not time after time: the last checkpoint is as it was.
 */
export async function trainImages(
  { validate, window, memory, ...training }: ImageTraining,
): Promise<Supervised> {
  return await superviseTraining({
    ...training,
    unit: "images",
    window: {
      add: (step: DiffusionStep) => {
        window.add(step);
        memory?.add(step);
      },
      means: () => window.means(),
      take: () => window.take(),
    },
    measure: async ({ ema }) => {
      const { loss, quartiles } = await validate(ema);
      const columns = quartiles.map((quartile, i) => [`valLossQ${i}`, quartile] as const);
      return { valLoss: loss, ...Object.fromEntries(columns) };
    },
  });
}
