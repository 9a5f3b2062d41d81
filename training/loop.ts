/** The training loop: a generator that yields its state, so that logging and saving are the caller's. */
import { UserError } from "../engine/errors.ts";
import type { StepSettings, TrainState } from "./diffusion_step.ts";
import { breathe } from "./interrupt.ts";

/** What every training step gives. */
export interface StepOutcome {
  /** The state after it. */
  readonly state: TrainState;
  /** The loss. */
  readonly loss: number;
  /** The gradients' norm before clipping. */
  readonly gradNorm: number;
}

/** What a step is given: its batch, and whatever else is known of it. */
export interface GivenBatch {
  /** What the compiled step is called with. */
  readonly batch: unknown;
}

/** Options of {@linkcode train}. */
export interface TrainOptions<Given extends GivenBatch, Outcome extends StepOutcome> {
  /** The compiled step. */
  readonly trainStep: (
    state: TrainState,
    batch: Given["batch"],
    settings: StepSettings,
  ) => Promise<Outcome>;
  /** The state to begin with. */
  readonly state: TrainState;
  /** Steps that are done already. */
  readonly done: number;
  /** Steps to have done in the end. */
  readonly total: number;
  /** The batch of a step, counted from 0: a pure function, so that a resumed run sees the same. */
  readonly batchAt: (step: number) => Given;
  /** The learning rate and the average's decay at a step, counted from 0. */
  readonly settingsAt: (step: number) => Omit<StepSettings, "step">;
}

/** What is known after a step: its number, what it was given but for the batch, and what it gave. */
export type TrainedStep<
  Given extends GivenBatch = GivenBatch,
  Outcome extends StepOutcome = StepOutcome,
> =
  & Omit<Given, "batch">
  & Outcome
  & {
    /** Steps done. */
    readonly step: number;
    /** The learning rate. */
    readonly learningRate: number;
  };

/**
 * Trains step by step. Whoever iterates may stop at any step and go on later from the state that was
 * yielded: the result is the same, bit for bit.
 *
 * @throws {UserError} When a loss or a gradient is not finite; the step that caused it is not yielded,
 * so the caller's last state is still good.
 */
export async function* train<Given extends GivenBatch, Outcome extends StepOutcome>(
  { trainStep, state, done, total, batchAt, settingsAt }: TrainOptions<Given, Outcome>,
): AsyncGenerator<TrainedStep<Given, Outcome>, void, undefined> {
  for (let i = done; i < total; i++) {
    const { batch, ...known } = batchAt(i);
    const settings = settingsAt(i);
    const outcome = await trainStep(state, batch, { ...settings, step: i + 1 });
    if (!Number.isFinite(outcome.loss) || !Number.isFinite(outcome.gradNorm)) {
      throw new UserError(
        `training diverged at step ${i + 1}: the loss is ${outcome.loss}, the gradients' norm ` +
          `${outcome.gradNorm}. The last checkpoint is kept; try a lower --learning-rate`,
      );
    }
    state = outcome.state;
    await breathe(); // so that a Ctrl-C during the step is known after it
    yield { ...known, ...outcome, step: i + 1, learningRate: settings.learningRate };
  }
}
