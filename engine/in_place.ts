/** Functions whose results may be written into memory that is handed in with their inputs. */
import type { HostArray } from "./tree.ts";

const paths = new WeakMap<object, readonly string[]>();

/**
 * Lets a device write results over inputs: those at the same path in both trees, such as "gradients" for
 * everything under it. Gigabytes are then not allocated in every step. (The onnx device's library makes
 * a copy of each result even so, which is freed at once.)
 *
 * A device does so only where nothing can go wrong: the function computes nothing from that input, which
 * has the result's shape and type, and its array overlaps none that the function reads. Elsewhere, and on
 * devices that know nothing of this, results come in memory of their own; so a caller asks which it is.
 *
 * @param fn The function, which is also what is returned.
 * @param where Paths in the trees of inputs and results.
 */
export function updatesInPlace<Fn extends object>(fn: Fn, where: readonly string[]): Fn {
  paths.set(fn, where);
  return fn;
}

/** Whether a result of a function at a path may be written over the input there. */
export function isUpdatedInPlace(fn: object, path: string): boolean {
  return paths.get(fn)?.some((start) => path === start || path.startsWith(`${start}.`)) ?? false;
}

/** Whether two arrays share memory. */
export function overlap({ data: a }: HostArray, { data: b }: HostArray): boolean {
  return a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.byteLength &&
    b.byteOffset < a.byteOffset + a.byteLength;
}
