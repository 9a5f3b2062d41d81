/** Memory that a compiled function and its caller share, so that large arrays are not copied. */
import type { HostArray } from "./tree.ts";

const sharedArrays = new WeakSet<object>();

/**
 * Marks an array as shared with the function that is being compiled. A tensor that the function makes of it
 * with tf.tensor() uses the array itself, so its numbers must not change until the function has run once.
 * Without this, a constant is a copy: of GPT-2's weights, 0.5 GB each time.
 *
 * @returns The same array.
 */
export function shareBuffer<Data extends object>(data: Data): Data {
  sharedArrays.add(data);
  return data;
}

/** Whether an array was marked by {@linkcode shareBuffer}. */
export function isShared(data: unknown): boolean {
  return typeof data === "object" && data !== null && sharedArrays.has(data);
}

const pathsInPlace = new WeakMap<object, readonly string[]>();

/**
 * Allows a device to write results over the inputs at the same paths, so that gigabytes are not allocated
 * in every step. (npm:onnxruntime-node still copies each result once, and the copy is freed at once.)
 *
 * The onnx device does so for an input that the function does not read, that has the result's shape and
 * type, and whose array overlaps none that the function reads. In other cases, and on other devices, the
 * results are in new memory: compare their arrays with the inputs' to find out.
 *
 * @param paths Paths in the trees of inputs and results, such as "gradients" for everything under it.
 * @returns The same function.
 */
export function updatesInPlace<Fn extends object>(fn: Fn, paths: readonly string[]): Fn {
  pathsInPlace.set(fn, paths);
  return fn;
}

/** Whether the result of a function at a path may be written over the input there. */
export function isUpdatedInPlace(fn: object, path: string): boolean {
  return pathsInPlace.get(fn)?.some((start) => path === start || path.startsWith(`${start}.`)) ??
    false;
}

/** Whether two arrays share memory. */
export function overlap({ data: a }: HostArray, { data: b }: HostArray): boolean {
  return a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.byteLength &&
    b.byteOffset < a.byteOffset + a.byteLength;
}
