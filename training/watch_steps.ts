/** Keeps the batches of steps that go wrong, and reports them at once. */
import { makeFolder, writeFileAtomic } from "../base/files.ts";
import { type HostArray, isHostArray } from "../engine/tree.ts";
import type { HostTensor } from "../nn/host_tensor.ts";
import { encodeSafetensors } from "../nn/safetensors.ts";
import type { StepWatch } from "./loop.ts";

/** Batches that one start of a program keeps, so that neither the disk nor the terminal fills up. */
const MOST_KEPT = 10;

/** Watches a training for steps that go wrong. `report` receives a line for each. */
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

/** Losses that must be known before one can be a spike. */
const FEWEST = 10;

/** A spike is this many times the median. Between batches the loss varies by 3 at most. */
const FACTOR = 10;

/**
 * A spike must also be this share of the first losses' median. Where texts are copied almost exactly, long
 * ones have a hundred times the loss of short ones, and nothing is wrong.
 */
const SHARE_OF_FIRST = 0.5;

function medianOf(losses: readonly number[]): number {
  return losses.toSorted((a, b) => a - b)[losses.length >> 1]!;
}

/** Finds where losses spike. Of several spikes in a row, as where the task changes, only the first counts. */
export class LossSpikes {
  readonly #losses: number[] = [];
  #first: number | undefined;
  #within = false;

  /** Takes the next loss. Returns its ratio to the median of those before it if a spike begins. */
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

/** The folder of kept batches in a run's folder. */
export const KEPT_BATCHES = "bad-batches";

const DTYPES = { float32: "F32", int32: "I32", bool: "BOOL" } as const;

/** The arrays of a batch by name; names of nested ones have dots in between. */
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
 * `facts`, such as the loss, in the header.
 *
 * @returns The file.
 * @throws {UserError} If it cannot be written.
 */
async function keepBatch(
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
