/** The training loop: a generator of steps. Logging, measuring and saving are its caller's. */
import { breathe } from "../base/breathe.ts";
import { UserError } from "../base/errors.ts";
import type { AdamWSettings } from "../nn/adamw.ts";
import { emaDecayAt } from "../nn/ema.ts";
import { learningRateAt, type LearningRateSchedule } from "../nn/learning_rate.ts";
import type { StepResult, TrainState } from "./step.ts";

/** The settings of a training. */
export interface TrainingConfig {
  /** Steps of the whole run. */
  readonly steps: number;
  /** The highest learning rate. */
  readonly learningRate: number;
  /** The learning rate after the warm-up. */
  readonly lrSchedule: LearningRateSchedule;
  /** Steps over which the learning rate rises from 0. */
  readonly warmupSteps: number;
  /** The largest decay of the parameters' moving average. */
  readonly emaDecay: number;
  /** Steps between two rows of metrics. */
  readonly logEvery: number;
  /** Steps between two measurements on held-out data, a multiple of logEvery. */
  readonly evalEvery: number;
  /** Steps between two checkpoints. */
  readonly checkpointEvery: number;
}

/** A batch, with whatever else describes it. */
export interface GivenBatch<Batch = unknown> {
  /** The batch that the compiled step takes. */
  readonly batch: Batch;
}

/** A step that was taken. Its state is overwritten by the next step. */
export interface LoopStep<Figure extends string = string> extends StepResult<Figure> {
  /** Steps done so far. */
  readonly step: number;
  /** The learning rate. */
  readonly learningRate: number;
  /** Whether the gradients overflowed, so that the step changed nothing. */
  readonly skipped: boolean;
  /** Whether a row of metrics is due. */
  readonly logs: boolean;
  /** Whether that row ends a window of means. The last row of a run may come before the window's end. */
  readonly endsWindow: boolean;
  /** Whether a measurement on held-out data is due. */
  readonly measures: boolean;
  /** Whether a checkpoint is due. */
  readonly saves: boolean;
  /** Whether training was interrupted and ends with this step. */
  readonly stops: boolean;
}

/** Keeps and reports what went wrong: see {@linkcode watchSteps}. */
export interface StepWatch {
  /**
   * Keeps the batch of a step whose loss or gradients are not finite.
   *
   * @returns A sentence for the message, such as where the batch was kept.
   */
  keep(
    step: number,
    batch: unknown,
    result: Pick<StepResult, "loss" | "gradNorm">,
  ): Promise<string>;
  /** Reports a skipped step and a loss that is out of line. */
  watch(step: LoopStep & GivenBatch): Promise<void>;
}

/** Options of {@linkcode train}. */
export interface TrainOptions<Given extends GivenBatch, Figure extends string> {
  /** The compiled step. */
  readonly trainStep: (
    state: TrainState,
    batch: Given["batch"],
    settings: AdamWSettings,
  ) => Promise<StepResult<Figure>>;
  /** The batch of a step, counted from 0: a pure function, so that a resumed run gets the same. */
  readonly batchAt: (step: number) => Given;
  /** The state to begin with. */
  readonly state: TrainState;
  /** Steps that are done already. @default {0} */
  readonly done?: number | undefined;
  /**
   * The settings. @default a constant learning rate without warm-up, averages with decay 0.999, a row of
   * metrics every 100 steps, one measurement and one checkpoint, after the last step
   */
  readonly config: Pick<TrainingConfig, "steps" | "learningRate"> & Partial<TrainingConfig>;
  /** Keeps and reports steps that go wrong. @default {nothing} */
  readonly watch?: StepWatch | undefined;
  /** Whether to stop: the next step asks for a checkpoint and is the last. @default {never} */
  readonly interrupted?: (() => boolean) | undefined;
}

const DEFAULTS = {
  lrSchedule: "constant",
  warmupSteps: 0,
  emaDecay: 0.999,
  logEvery: 100,
  evalEvery: Infinity,
  checkpointEvery: Infinity,
} as const;

/** The number of steps in a row whose gradients may overflow before training ends. */
const MOST_SKIPPED = 10;

/**
 * Trains step by step. A caller may stop after any step and go on later from its state: the result is the
 * same, bit for bit. A step whose loss is finite and whose gradients are not is skipped: it changes
 * nothing, and says so.
 *
 * @throws {UserError} If a loss is not finite, or the gradients of ten steps in a row are not. That step
 * is not yielded, so that the caller's last state is sound.
 *
 * @example A line that is fitted to y = 2 x
 * ```ts
 * import {
 *   compileTrainStep,
 *   float32,
 *   type HostArray,
 *   initParameters,
 *   linear,
 *   linearSpecs,
 *   openDevice,
 *   randomStream,
 *   train,
 * } from "@nanodiffusion/nanodiffusion";
 * import * as tf from "@nanodiffusion/engine/tf";
 *
 * await using device = await openDevice("onnx");
 * const specs = linearSpecs("line", 1, 1);
 * const trainStep = compileTrainStep<{ x: HostArray; y: HostArray }, string>(device, {
 *   specs,
 *   optimizer: {},
 *   loss: (parameters, { x, y }) => ({
 *     loss: tf.mean(tf.squaredDifference(linear(parameters, "line", x), y)) as tf.Scalar,
 *   }),
 * });
 * const batch = { x: float32([1, 2], [2, 1]), y: float32([2, 4], [2, 1]) };
 * const state = trainStep.start(initParameters(specs, randomStream(0)));
 * const config = { steps: 100, learningRate: 0.1 };
 * for await (const { logs, loss } of train({ trainStep, batchAt: () => ({ batch }), state, config })) {
 *   if (logs) console.assert(loss < 0.05, loss);
 * }
 * ```
 */
export async function* train<Given extends GivenBatch, Figure extends string>(
  options: TrainOptions<Given, Figure>,
): AsyncGenerator<LoopStep<Figure> & Given, void, undefined> {
  const { trainStep, batchAt, done = 0, watch, interrupted = () => false } = options;
  const config: TrainingConfig = { ...DEFAULTS, ...options.config };
  let { state } = options;
  let overflows = 0;
  for (let i = done; i < config.steps; i++) {
    const step = i + 1;
    const given = batchAt(i);
    const learningRate = learningRateAt(i, {
      learningRate: config.learningRate,
      schedule: config.lrSchedule,
      warmupSteps: config.warmupSteps,
      totalSteps: config.steps,
    });
    const emaDecay = emaDecayAt(step, { maxDecay: config.emaDecay });
    const result = await trainStep(state, given.batch, { step, learningRate, emaDecay });
    const skipped = !Number.isFinite(result.gradNorm);
    overflows = skipped ? overflows + 1 : 0;
    const diverged = !Number.isFinite(result.loss) || overflows === MOST_SKIPPED;
    const kept = diverged || overflows === 1
      ? await watch?.keep(step, given.batch, result) ?? ""
      : "";
    if (diverged) throw divergence(step, result, overflows, kept);
    if (!skipped) state = result.state;
    await breathe(); // so that a Ctrl-C during the step is noticed after it
    const isLast = step === config.steps;
    const endsWindow = step % config.logEvery === 0;
    const stops = interrupted();
    const current = {
      ...given,
      ...result,
      state,
      step,
      learningRate,
      skipped,
      endsWindow,
      logs: endsWindow || isLast,
      measures: step % config.evalEvery === 0 || isLast,
      saves: step % config.checkpointEvery === 0 || isLast || stops,
      stops,
    };
    await watch?.watch(current);
    yield current;
    if (stops) return;
  }
}

function divergence(
  step: number,
  { loss, gradNorm }: Pick<StepResult, "loss" | "gradNorm">,
  overflows: number,
  kept: string,
): UserError {
  const again = overflows > 1 ? `, the last of ${overflows} such steps` : "";
  return new UserError(
    `training diverged at step ${step}: the loss is ${loss}, the gradients' norm ${gradNorm}${again}. ` +
      `${kept}The last checkpoint is kept; try a lower learning rate`,
  );
}
