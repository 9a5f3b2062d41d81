/** The training loop: a generator that yields its state, so that logging and saving are the caller's. */
import { UserError } from "../base/errors.ts";
import type { StepSettings, TrainState } from "./diffusion_step.ts";
import { breathe } from "../base/breathe.ts";

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
  /**
   * Is told of a batch whose loss or gradients were not finite, before anything else is done about it.
   *
   * @returns What messages add, such as where the batch was kept.
   */
  readonly keep?: (step: number, batch: Given["batch"], outcome: Outcome) => Promise<string>;
}

/** What is known after a step: its number, what it was given and what it gave. */
export type TrainedStep<
  Given extends GivenBatch = GivenBatch,
  Outcome extends StepOutcome = StepOutcome,
> =
  & Given
  & Outcome
  & {
    /** Steps done. */
    readonly step: number;
    /** The learning rate. */
    readonly learningRate: number;
    /** Whether the gradients overflowed, so that the state is that of the step before. */
    readonly skipped: boolean;
  };

/** Steps in a row whose gradients may overflow before training is given up. */
const MOST_SKIPPED = 10;

/**
 * Trains step by step. Whoever iterates may stop at any step and go on later from the state that was
 * yielded: the result is the same, bit for bit.
 *
 * A step whose gradients are not finite while its loss is, is skipped: it changes nothing, and the
 * outcome says so.
 *
 * @throws {UserError} When a loss is not finite, or gradients of ten steps in a row are not; that step
 * is not yielded, so the caller's last state is still good.
 */
export async function* train<Given extends GivenBatch, Outcome extends StepOutcome>(
  { trainStep, state, done, total, batchAt, settingsAt, keep }: TrainOptions<Given, Outcome>,
): AsyncGenerator<TrainedStep<Given, Outcome>, void, undefined> {
  let overflows = 0;
  for (let i = done; i < total; i++) {
    const given = batchAt(i);
    const settings = settingsAt(i);
    const outcome = await trainStep(state, given.batch, { ...settings, step: i + 1 });
    const skipped = !Number.isFinite(outcome.gradNorm);
    overflows = skipped ? overflows + 1 : 0;
    const isFirst = overflows === 1;
    const diverged = !Number.isFinite(outcome.loss) || overflows === MOST_SKIPPED;
    const kept = diverged || isFirst ? await keep?.(i + 1, given.batch, outcome) ?? "" : "";
    if (diverged) {
      const again = overflows > 1 ? `, the last of ${overflows} such steps` : "";
      throw new UserError(
        `training diverged at step ${i + 1}: the loss is ${outcome.loss}, the gradients' norm ` +
          `${outcome.gradNorm}${again}. ${kept}The last checkpoint is kept; try a lower ` +
          "--learning-rate",
      );
    }
    if (!skipped) state = outcome.state;
    await breathe(); // so that a Ctrl-C during the step is known after it
    yield {
      ...given,
      ...outcome,
      state,
      step: i + 1,
      learningRate: settings.learningRate,
      skipped,
    };
  }
}
