/** Holds examples out for validation. */
import { usageError } from "../base/errors.ts";
import { sha256OfParts } from "../base/json.ts";
import { type RandomStream, randomStream } from "../nn/random.ts";
import type { LabelledImages } from "./batches.ts";

/**
 * Splits examples into two parts, as indices. The held-out part has the same number of each class, so that
 * a small validation set has the class weights of a balanced data set.
 */
export function balancedSplit(
  labels: Uint8Array,
  { classes, heldOut, random }: { classes: number; heldOut: number; random: RandomStream },
): { kept: Uint32Array<ArrayBuffer>; heldOut: Uint32Array<ArrayBuffer> } {
  const each = heldOut / classes;
  if (!Number.isInteger(each) || each < 0) {
    throw new RangeError(
      `${heldOut} examples to hold out are not a multiple of ${classes} classes`,
    );
  }
  const members: number[][] = Array.from({ length: classes }, () => []);
  labels.forEach((label, i) => {
    if (members[label] === undefined) {
      throw new RangeError(`label ${label} at ${i}: there are ${classes} classes`);
    }
    members[label].push(i);
  });
  const isHeldOut = new Uint8Array(labels.length);
  members.forEach((indices, label) => {
    if (indices.length < each) {
      throw new RangeError(
        `class ${label} has ${indices.length} examples, but ${each} must be held out`,
      );
    }
    const order = random.at(label).permutation(indices.length);
    for (const i of order.subarray(indices.length - each)) isHeldOut[indices[i]!] = 1;
  });
  const all = Uint32Array.from(labels.keys());
  return {
    kept: all.filter((i) => isHeldOut[i] === 0),
    heldOut: all.filter((i) => isHeldOut[i] === 1),
  };
}

/**
 * Splits examples [N] into two parts, each in the examples' order: at random, but the same parts in every
 * call. `purpose` names the stream of random numbers that chooses.
 *
 * @throws {RangeError} If a part would be empty.
 */
export function holdOut<T>(
  examples: readonly T[],
  count: number,
  purpose: string,
): { kept: T[]; heldOut: T[] } {
  if (!Number.isInteger(count) || count < 1 || count >= examples.length) {
    throw new RangeError(
      `${count} of ${examples.length} examples to hold out: it must be a whole number from 1 to ` +
        `${examples.length - 1}`,
    );
  }
  const order = randomStream(0).stream(purpose).permutation(examples.length);
  const chosen = new Set(order.subarray(0, count));
  return {
    kept: examples.filter((_, i) => !chosen.has(i)),
    heldOut: examples.filter((_, i) => chosen.has(i)),
  };
}

/** A split of examples in three. */
export interface Split<T> {
  /** Examples to train on. */
  readonly train: T[];
  /** Examples held out, to choose settings with. */
  readonly validation: T[];
  /** Examples held out, to measure with. */
  readonly test: T[];
}

/**
 * Splits examples [N] in three, each in the examples' order, by hash of a key: copies are in one part, in any
 * order of the examples. The keys of the least hashes are the validation part, the next ones the test part,
 * so a larger validation part contains a smaller one.
 *
 * @param keyOf The key of an example, such as its text.
 * @param options The number of different keys to hold out for each part.
 * @throws {RangeError} If a part would be empty.
 */
export function splitByHash<T>(
  examples: readonly T[],
  keyOf: (example: T) => string,
  { validation, test }: { readonly validation: number; readonly test: number },
): Split<T> {
  const encoder = new TextEncoder();
  const keys = [...new Set(examples.map(keyOf))];
  const most = keys.length - 1;
  if (![validation, test].every((count) => count >= 1) || !(validation + test <= most)) {
    throw new RangeError(
      `${validation} + ${test} of ${keys.length} different examples to hold out: at least 1 each, and at ` +
        `most ${most} in all`,
    );
  }
  const hashed = keys.map((key) => ({ key, hash: sha256OfParts([encoder.encode(key)]) }));
  hashed.sort((a, b) => a.hash < b.hash ? -1 : 1);
  const rank = new Map(hashed.map(({ key }, i) => [key, i]));
  const part = (from: number, to: number) =>
    examples.filter((example) => {
      const place = rank.get(keyOf(example))!;
      return place >= from && place < to;
    });
  return {
    train: part(validation + test, Infinity),
    validation: part(0, validation),
    test: part(validation, validation + test),
  };
}

/**
 * Splits images by the hashes of their pixels, so that copies of an image are in one part. Each class keeps at
 * least one image.
 *
 * @param size The numbers of an image.
 * @param count The most to hold out.
 * @throws {UserError} If none can be held out.
 */
export function splitByContent(
  { images, labels }: LabelledImages,
  size: number,
  count: number,
): { kept: Uint32Array<ArrayBuffer>; out: Uint32Array<ArrayBuffer> } {
  const copies = new Map<string, number[]>();
  const left = new Map<number, number>();
  for (const [i, label] of labels.entries()) {
    const hash = sha256OfParts([images.subarray(i * size, (i + 1) * size)]);
    const group = copies.get(hash);
    if (group === undefined) copies.set(hash, [i]);
    else group.push(i);
    left.set(label, (left.get(label) ?? 0) + 1);
  }
  const isOut = new Uint8Array(labels.length);
  let held = 0;
  for (const [, group] of [...copies].sort(([a], [b]) => a < b ? -1 : 1)) {
    if (held + group.length > count) continue;
    const taken = Map.groupBy(group, (i) => labels[i]!);
    if ([...taken].some(([label, some]) => left.get(label)! <= some.length)) continue;
    for (const [label, some] of taken) left.set(label, left.get(label)! - some.length);
    for (const i of group) isOut[i] = 1;
    held += group.length;
  }
  if (held === 0) {
    throw usageError(
      "no image can be held out: each is the only one of its class, or all are copies; add images",
    );
  }
  const all = Uint32Array.from(labels.keys());
  return { kept: all.filter((i) => isOut[i] === 0), out: all.filter((i) => isOut[i] === 1) };
}
