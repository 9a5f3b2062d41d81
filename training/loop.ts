/** The training loop: a generator that yields its state, so that logging and saving are the caller's. */
import { UserError } from "../engine/errors.ts";
import type { TimedBatch } from "../diffusion/objective.ts";
import type { StepSettings, TrainState, TrainStep } from "./diffusion_step.ts";
import { breathe } from "./interrupt.ts";

/** Options of {@linkcode train}. */
export interface TrainOptions {
  /** The compiled step. */
  readonly trainStep: TrainStep;
  /** The state to begin with. */
  readonly state: TrainState;
  /** Steps that are done already. */
  readonly done: number;
  /** Steps to have done in the end. */
  readonly total: number;
  /** The batch of a step, counted from 0: a pure function, so that a resumed run sees the same. */
  readonly batchAt: (step: number) => TimedBatch;
  /** The learning rate and the average's decay at a step, counted from 0. */
  readonly settingsAt: (step: number) => Omit<StepSettings, "step">;
}

/** What is known after a step. */
export interface TrainedStep {
  /** Steps done. */
  readonly step: number;
  /** The state, from which training can go on. */
  readonly state: TrainState;
  /** The mean loss of the batch. */
  readonly loss: number;
  /** Each example's unweighted loss [B]. */
  readonly losses: Float32Array;
  /** Each example's weighted loss [B]. */
  readonly weighted: Float32Array;
  /** Each example's time step [B]. */
  readonly timesteps: Int32Array;
  /** What its loss was multiplied by besides the weight of its time step, if by anything [B]. */
  readonly exampleWeights: Float64Array | undefined;
  /** The gradients' norm before clipping. */
  readonly gradNorm: number;
  /** The learning rate. */
  readonly learningRate: number;
}

/**
 * Trains step by step. Whoever iterates may stop at any step and go on later from the state that was
 * yielded: the result is the same, bit for bit.
 *
 * @throws {UserError} When a loss or a gradient is not finite; the step that caused it is not yielded,
 * so the caller's last state is still good.
 */
export async function* train(
  { trainStep, state, done, total, batchAt, settingsAt }: TrainOptions,
): AsyncGenerator<TrainedStep, void, undefined> {
  for (let i = done; i < total; i++) {
    const { batch, timesteps, exampleWeights } = batchAt(i);
    const settings = settingsAt(i);
    const result = await trainStep(state, batch, { ...settings, step: i + 1 });
    if (!Number.isFinite(result.loss) || !Number.isFinite(result.gradNorm)) {
      throw new UserError(
        `training diverged at step ${i + 1}: the loss is ${result.loss}, the gradients' norm ` +
          `${result.gradNorm}. The last checkpoint is kept; try a lower --learning-rate`,
      );
    }
    state = result.state;
    await breathe(); // so that a Ctrl-C during the step is known after it
    yield {
      step: i + 1,
      state,
      loss: result.loss,
      losses: result.losses,
      weighted: result.weighted,
      timesteps,
      exampleWeights,
      gradNorm: result.gradNorm,
      learningRate: settings.learningRate,
    };
  }
}
