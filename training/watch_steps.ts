/** What happens when a step goes wrong: its batch is kept, and the user is told at once. */
import { makeFolder, writeFileAtomic } from "../base/files.ts";
import { type HostArray, isHostArray } from "../engine/tree.ts";
import type { HostTensor } from "../nn/host_tensor.ts";
import { encodeSafetensors } from "../nn/safetensors.ts";
import type { StepWatch } from "./loop.ts";

/** Batches that one start of a program keeps, so that neither the disk nor the terminal fills up. */
const MOST_KEPT = 10;

/**
 * Watches a training for steps that go wrong.
 *
 * @param directory The run's folder.
 * @param report Receives a line for each.
 */
export function watchSteps(directory: string, report: (line: string) => void): StepWatch {
  const spikes = new LossSpikes();
  let count = 0;
  const keep: StepWatch["keep"] = async (step, batch, { loss, gradNorm }) => {
    if (count++ >= MOST_KEPT) return "";
    const facts = { step: String(step), loss: String(loss), gradNorm: String(gradNorm) };
    return await keepBatch(directory, step, batch, facts)
      .then((path) => `Its batch is in ${path}. `, (error) => `(${error.message}.) `);
  };
  const watch: StepWatch["watch"] = async (current) => {
    const { step, batch, loss, gradNorm, skipped } = current;
    if (skipped) {
      report(`step ${step} is skipped: its gradients overflow (norm ${gradNorm}, loss ${loss})`);
    }
    const ratio = spikes.add(loss);
    if (ratio === undefined || count >= MOST_KEPT) return;
    const kept = await keep(step, batch, current);
    report(
      `the loss of step ${step} is ${loss}, ${ratio.toFixed(0)} times as before. ${kept}`.trim(),
    );
  };
  return { keep, watch };
}

/** Losses that the median is taken of. */
const WINDOW = 50;

/** Losses that must be known before any is out of line. */
const FEWEST = 10;

/** How many times the median a loss must be to be a spike. Between batches it varies by 3 at most. */
const FACTOR = 10;

/**
 * And what share of the first losses' median. Where texts are copied all but exactly, long ones have a
 * hundred times the loss of short ones, and nothing is wrong: a spike undoes what was learned.
 */
const SHARE_OF_FIRST = 0.5;

function medianOf(losses: readonly number[]): number {
  return losses.toSorted((a, b) => a - b)[losses.length >> 1]!;
}

/** Finds where losses spike: of several in a row, as where the task changes, the first alone. */
export class LossSpikes {
  readonly #losses: number[] = [];
  #first: number | undefined;
  #within = false;

  /**
   * Takes the next loss.
   *
   * @returns How many times the median of those before it is, where a spike begins.
   */
  add(loss: number): number | undefined {
    if (this.#losses.length === FEWEST) this.#first ??= medianOf(this.#losses);
    const ratio = loss / medianOf(this.#losses);
    const spikes = this.#first !== undefined && ratio >= FACTOR &&
      loss >= SHARE_OF_FIRST * this.#first;
    const begins = spikes && !this.#within;
    this.#within = spikes;
    this.#losses.push(loss);
    if (this.#losses.length > WINDOW) this.#losses.shift();
    return begins ? ratio : undefined;
  }
}

/** The folder of such batches within a run's. */
export const KEPT_BATCHES = "bad-batches";

const DTYPES = { float32: "F32", int32: "I32", bool: "BOOL" } as const;

/** The arrays of a batch by name; those of its parts and of what is nested with dots in between. */
function* arraysOf(batch: unknown, path: string): Generator<readonly [string, HostArray]> {
  if (typeof batch !== "object" || batch === null) return;
  const tree = batch as Parameters<typeof isHostArray>[0];
  if (isHostArray(tree)) yield [path || "batch", tree];
  else if (!ArrayBuffer.isView(batch)) {
    for (const [name, value] of Object.entries(batch)) {
      yield* arraysOf(value, path === "" ? name : `${path}.${name}`);
    }
  }
}

/**
 * Writes a batch to `bad-batches/step-000123.safetensors` in a run's folder: its arrays by name, and
 * facts in the header. Of text batches those are token numbers, of images pixels, noise and time steps.
 *
 * @param batch What the step was given.
 * @param facts What went wrong, such as the loss.
 * @returns The file.
 * @throws {UserError} If it cannot be written.
 */
export async function keepBatch(
  runDirectory: string,
  step: number,
  batch: unknown,
  facts: Readonly<Record<string, string>>,
): Promise<string> {
  const tensors = Array.from(arraysOf(batch, ""), ([name, { dtype, shape, data }]) =>
    [
      name,
      { dtype: DTYPES[dtype], shape, data: data as Float32Array } as HostTensor,
    ] as const);
  const folder = `${runDirectory}/${KEPT_BATCHES}`;
  await makeFolder(folder);
  const path = `${folder}/step-${String(step).padStart(6, "0")}.safetensors`;
  await writeFileAtomic(path, encodeSafetensors(new Map(tensors), { metadata: { ...facts } }));
  return path;
}
