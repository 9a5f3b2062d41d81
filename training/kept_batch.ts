/** Batches that went wrong, kept in a run's folder for inspection. */
import { makeFolder, writeFileAtomic } from "../base/files.ts";
import { type HostArray, isHostArray } from "../engine/tree.ts";
import type { HostTensor } from "../nn/host_tensor.ts";
import { encodeSafetensors } from "../nn/safetensors.ts";

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
