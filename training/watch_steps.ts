/** What is done about steps that go wrong: the batch is kept, and the user told, at that step. */
import { keepBatch } from "./kept_batch.ts";
import { LossSpikes } from "./loss_spikes.ts";
import type { StepOutcome, TrainedStep } from "./loop.ts";

/** Batches that one start of the program keeps, so that no disk fills up, nor the terminal with spikes. */
const MOST_KEPT = 10;

/** Who looks at steps. */
export interface StepWatch {
  /** Keeps the batch of a step whose loss or gradients were not finite: see {@linkcode train}. */
  readonly keep: (step: number, batch: unknown, outcome: StepOutcome) => Promise<string>;
  /** Tells of a step that was skipped, and of a loss that is out of line, whose batch it keeps. */
  readonly watch: (step: TrainedStep) => Promise<void>;
}

/**
 * Watches over a training.
 *
 * @param directory The run's folder.
 * @param tell Is told a line of what happened.
 */
export function watchSteps(directory: string, tell: (line: string) => void): StepWatch {
  const spikes = new LossSpikes();
  let count = 0;
  const keep = async (step: number, batch: unknown, { loss, gradNorm }: StepOutcome) => {
    if (count++ >= MOST_KEPT) return "";
    const facts = { step: String(step), loss: String(loss), gradNorm: String(gradNorm) };
    return await keepBatch(directory, step, batch, facts)
      .then((path) => `Its batch is in ${path}. `, (error) => `(${error.message}.) `);
  };
  const watch = async (current: TrainedStep) => {
    const { step, batch, loss, gradNorm, skipped } = current;
    if (skipped) {
      tell(`step ${step} is skipped: its gradients overflow (norm ${gradNorm}, loss ${loss})`);
    }
    const ratio = spikes.add(loss);
    if (ratio === undefined || count >= MOST_KEPT) return;
    const kept = await keep(step, batch, current);
    tell(
      `the loss of step ${step} is ${loss}, ${ratio.toFixed(0)} times as before. ${kept}`.trim(),
    );
  };
  return { keep, watch };
}
