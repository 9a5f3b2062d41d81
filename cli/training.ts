/** What surrounds the training loop in a program: resuming, progress, Ctrl-C, metrics.csv, checkpoints. */
import { print, warn } from "./output.ts";
import type { Device } from "../engine/device.ts";
import {
  type Checkpoint,
  loadCheckpoint,
  type LoadedCheckpoint,
} from "../training/checkpoint/checkpoint.ts";
import { describeDamage, findCheckpoint, saveCheckpoint } from "../training/checkpoint/folders.ts";
import {
  type GivenBatch,
  type LoopStep,
  train,
  type TrainingConfig,
  type TrainOptions,
} from "../training/loop.ts";
import { MetricsLog } from "../training/metrics.ts";
import { watchSteps } from "../training/watch_steps.ts";
import type { MeanWindow } from "../training/windows.ts";
import { checkSameRun } from "./compare_runs.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { Progress } from "./progress.ts";
import type { RunFolder } from "./run_folder.ts";
import { readTrainingTime, writeTrainingTime } from "./training_time.ts";

/**
 * Loads the newest sound checkpoint of a run, or undefined if it has none yet. Reports those that are
 * damaged.
 *
 * @param extendable Settings that may differ from the checkpoint's.
 * @throws {UserError} If the checkpoint is of another run, or all checkpoints are damaged.
 */
export async function resumeRun(
  { directory, record }: Pick<RunFolder, "directory" | "record">,
  extendable: readonly string[] = [],
): Promise<LoadedCheckpoint | undefined> {
  const found = await findCheckpoint(directory);
  describeDamage(found).forEach(warn);
  if (found === undefined) return undefined;
  const checkpoint = await loadCheckpoint(found.directory, { state: true });
  checkSameRun(checkpoint, record, extendable);
  return checkpoint;
}

interface TrainingRunOptions {
  /** Printed first, with the folder and the steps that were done before. */
  readonly description: string;
  readonly log?: ((line: string) => void) | undefined;
  readonly directory: string;
  readonly device: Pick<Device, "milliseconds">;
  readonly config: TrainingConfig & { readonly batchSize: number };
  /** What a batch consists of, in the plural. The speed's column is named after it: `imagesPerSecond`. */
  readonly unit: string;
  /** The word before the steps in the progress, where a program has several trainings. @default {"step"} */
  readonly label?: string | undefined;
  /** The columns of metrics.csv after the step. */
  readonly columns: readonly string[];
  /** The checkpoint to go on from. */
  readonly checkpoint: LoadedCheckpoint | undefined;
}

/** A training of a program. Disposing of it closes its files and ends its progress line. */
interface TrainingRun extends AsyncDisposable {
  /** Whether it was interrupted, after a checkpoint, before its end. */
  readonly interrupted: boolean;
  /** The steps, up to the last or to Ctrl-C. */
  steps<Given extends GivenBatch, Figure extends string>(
    options: Pick<TrainOptions<Given, Figure>, "trainStep" | "batchAt" | "state">,
  ): AsyncGenerator<LoopStep<Figure> & Given, void, undefined>;
  /** Writes a row of metrics.csv: the window's means, and figures of held-out data. */
  log(
    step: LoopStep,
    window: MeanWindow,
    measured?: Readonly<Record<string, number | undefined>>,
  ): Promise<void>;
  save(step: LoopStep, checkpoint: Checkpoint & Required<Pick<Checkpoint, "state">>): Promise<void>;
}

/**
 * Opens a training in a run's folder.
 *
 * @throws {UserError} If metrics.csv cannot be written, or has other columns.
 */
export async function openTraining(
  {
    description,
    log = print,
    directory,
    device,
    config,
    unit,
    label = "step",
    columns,
    checkpoint,
  }: TrainingRunOptions,
): Promise<TrainingRun> {
  const done = checkpoint?.state?.step ?? 0;
  const metrics = await MetricsLog.open<string>(`${directory}/metrics.csv`, columns, {
    resumeStep: checkpoint === undefined ? undefined : done,
  });
  log(`${description}, ${directory}${done > 0 ? `, continuing after step ${done}` : ""}`);
  if (config.steps <= config.warmupSteps) {
    warn(
      `all ${config.steps} steps lie within the warm-up of ${config.warmupSteps}: the learning rate ` +
        `only reaches ${Math.round(100 * config.steps / config.warmupSteps)} % of its peak`,
    );
  }
  const interrupt = listenForInterrupt();
  const { steps: total, batchSize: itemsPerStep } = config;
  const progress = new Progress({ total, start: done, itemsPerStep, unit, label });
  const watch = watchSteps(directory, (line) => progress.note(line));
  const earlier = done === 0 ? undefined : await readTrainingTime(directory);
  const [started, computed] = [performance.now(), device.milliseconds];
  let [interrupted, peakMemory] = [false, 0];
  return {
    get interrupted() {
      return interrupted;
    },
    async *steps(options) {
      const isInterrupted = () => interrupt.signal !== undefined;
      const all = train({ ...options, done, config, watch, interrupted: isInterrupted });
      for await (const step of all) {
        progress.update(step.step, step.loss);
        yield step;
      }
    },
    async log({ step, endsWindow, learningRate }, window, measured = {}) {
      const speed = progress.itemsPerSecond || undefined; // unknown after a first step
      const means = endsWindow ? window.take() : window.means();
      await metrics.append({
        ...means,
        ...measured,
        step,
        learningRate,
        [`${unit}PerSecond`]: speed,
      });
      peakMemory = Math.max(peakMemory, Deno.memoryUsage().rss);
    },
    async save({ step, stops }, checkpoint) {
      await metrics.sync(); // a checkpoint is never ahead of the rows
      const saved = await saveCheckpoint(directory, checkpoint);
      await writeTrainingTime(directory, earlier, {
        steps: step - done,
        milliseconds: performance.now() - started,
        onDevice: device.milliseconds - computed,
        peakMemory,
      });
      interrupted = stops;
      if (!interrupted) return;
      await progress.stop();
      warn(`interrupted: saved ${saved}; the same command goes on from there`);
    },
    async [Symbol.asyncDispose]() {
      interrupt[Symbol.dispose]();
      metrics.close();
      await progress.stop();
    },
  };
}
