/**
 * The examples of each training step. Step s takes positions s B to (s + 1) B - 1 of one endless sequence,
 * in which every epoch is a permutation of its own. So all batches have the same size, each epoch uses
 * every example exactly once, and a run needs only the step's number to resume.
 */
import type { RandomStream } from "../nn/random.ts";

/** Options of {@linkcode batcher}. */
export interface BatchOptions {
  /** The number of examples. */
  readonly size: number;
  /** Examples per step; may exceed `size`. */
  readonly batchSize: number;
  /** Random numbers for the order; epoch e is shuffled by `random.at(e)`. */
  readonly random: RandomStream;
  /** The length of an example. If it is given, batches are of similar length. */
  readonly lengthOf?: ((index: number) => number) | undefined;
}

function requireInteger(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${name} must be an integer of at least ${least}, not ${value}`);
  }
}

/**
 * Makes a function that returns the examples of a step. The result depends only on the options and the
 * step; the permutation of the latest epoch is cached.
 *
 * @returns A function of the step, from 0, that returns the examples' indices, [batchSize].
 * @throws {RangeError} If a size is not a positive integer, or a step is not a non-negative one.
 */
export function batcher(
  { size, batchSize, random, lengthOf }: BatchOptions,
): (step: number) => Uint32Array<ArrayBuffer> {
  requireInteger("size", size, 1);
  requireInteger("batchSize", batchSize, 1);
  let epoch = -1;
  let order: Uint32Array = new Uint32Array(0);
  return (step) => {
    requireInteger("step", step, 0);
    requireInteger("step * batchSize", step * batchSize, 0);
    const indices = new Uint32Array(batchSize);
    for (let filled = 0; filled < batchSize;) {
      const position = step * batchSize + filled;
      const wanted = Math.floor(position / size);
      if (wanted !== epoch) {
        order = random.at(wanted).permutation(size);
        if (lengthOf !== undefined) {
          const start = (batchSize - (wanted * size) % batchSize) % batchSize;
          const batches = random.at(wanted).stream("batches");
          order = groupByLength(order, { lengthOf, batchSize, start, random: batches });
        }
        epoch = wanted;
      }
      const offset = position % size;
      const part = order.subarray(offset, offset + batchSize - filled);
      indices.set(part, filled);
      filled += part.length;
    }
    return indices;
  };
}

/** Batches whose examples are sorted together: more give less padding, but also a less random order. */
const POOL = 16;

/**
 * Rearranges the order of an epoch: examples are sorted by length within pools of 16 batches, and the
 * batches of a pool are shuffled. `start` is the index where the first batch begins that is wholly in this
 * epoch; examples before it and after the last whole batch keep their positions.
 */
export function groupByLength(
  order: Uint32Array,
  { lengthOf, batchSize, start, random }: {
    readonly lengthOf: (index: number) => number;
    readonly batchSize: number;
    readonly start: number;
    readonly random: RandomStream;
  },
): Uint32Array {
  const grouped = order.slice();
  const pool = POOL * batchSize;
  for (let from = start; from < order.length; from += pool) {
    const whole = Math.floor((Math.min(order.length, from + pool) - from) / batchSize);
    const sorted = order.slice(from, from + whole * batchSize)
      .sort((a, b) => lengthOf(a) - lengthOf(b));
    random.at(from).permutation(whole).forEach((batch, i) => {
      const rows = sorted.subarray(batch * batchSize, (batch + 1) * batchSize);
      grouped.set(rows, from + i * batchSize);
    });
  }
  return grouped;
}

/**
 * Picks examples [B, ...shape] out of an array [N, ...shape], both flat. An example has `exampleSize`
 * elements.
 */
export function gather(
  values: Uint8Array,
  indices: Uint32Array,
  exampleSize: number,
): Uint8Array<ArrayBuffer> {
  const picked = new Uint8Array(indices.length * exampleSize);
  const count = values.length / exampleSize;
  indices.forEach((index, i) => {
    if (index >= count) throw new RangeError(`index ${index} at ${i}: there are ${count} examples`);
    const start = index * exampleSize;
    picked.set(values.subarray(start, start + exampleSize), i * exampleSize);
  });
  return picked;
}

/** Images and their labels. */
export interface LabelledImages {
  /** Pixels 0 to 255, [N, H, W, C], flat. */
  readonly images: Uint8Array<ArrayBuffer>;
  /** Classes from 0, [N]. */
  readonly labels: Uint8Array<ArrayBuffer>;
}

/**
 * Picks images [B, H, W] and their labels [B] out of images [N, H, W] and labels [N].
 *
 * @throws {RangeError} If an index is not below N.
 */
export function gatherImages(set: LabelledImages, indices: Uint32Array): LabelledImages {
  return {
    images: gather(set.images, indices, set.images.length / set.labels.length),
    labels: gather(set.labels, indices, 1),
  };
}
