/**
 * Batches of texts of similar length. A text goes to the smallest bucket that holds it, so a run has at
 * most {@linkcode MAX_BUCKETS} shapes. Each epoch uses every text once: texts of a bucket that do not
 * fill a batch move up to the next bucket, and only the epoch's last batch is filled with texts that are
 * used twice. A step's batch is a function of the step's number.
 */
import { type HostArray, int32 } from "../engine/tree.ts";
import { IGNORED_LABEL } from "../nn/cross_entropy.ts";
import type { RandomStream } from "../nn/random.ts";
import { MAX_BUCKETS } from "./buckets.ts";
import type { Corruption } from "./corruption.ts";
import type { Replacement } from "./random_texts.ts";
import type { TextExample } from "./tokenizer/texts.ts";

export interface TextBatchOptions {
  readonly batchSize: number;
  /** Ascending, at most {@linkcode MAX_BUCKETS}, from `bucketLengths`. */
  readonly buckets: readonly number[];
  /** The id that pads the encoder's input. */
  readonly padId: number;
  /** The id that begins and ends the decoder's text, and pads it. */
  readonly endId: number;
}

/** One batch; L is one of the buckets. */
export interface TextBatch {
  /** The examples' indices, [B]. */
  readonly rows: readonly number[];
  /** The number of rows that count; the rest fill the batch. */
  readonly count: number;
  /** Int32 [B, L]. */
  readonly arrays: {
    /** The encoder's input, corrupted in training. */
    readonly inputIds: HostArray;
    /** 1 where the encoder's input is a token, 0 where it is padding. */
    readonly attentionMask: HostArray;
    /** The decoder's input: the end token, then the clean text. */
    readonly decoderInputIds: HostArray;
    /** The tokens that the decoder predicts: the clean text, then the end token; -100 after it. */
    readonly labels: HostArray;
  };
}

/** Positions that a text needs: the encoder's ids, or the decoder's and the end token. */
export function exampleLength({ encoder, decoder }: TextExample): number {
  return Math.max(encoder.length, decoder.length + 1);
}

/** The indices of one batch, and the bucket that it is padded to. */
interface PlannedBatch {
  readonly rows: readonly number[];
  readonly count: number;
  readonly length: number;
}

function planBatches(
  order: Iterable<number>,
  bucketOf: readonly number[],
  { batchSize, buckets }: TextBatchOptions,
): PlannedBatch[] {
  const queues: number[][] = buckets.map(() => []);
  for (const row of order) queues[bucketOf[row]!]!.push(row);
  const last = queues.findLastIndex((queue) => queue.length > 0);
  const plan: PlannedBatch[] = [];
  let carried: number[] = [];
  queues.slice(0, last + 1).forEach((queue, bucket) => {
    if (queue.length === 0) return;
    const rows = [...carried, ...queue];
    const whole = Math.floor(rows.length / batchSize) * batchSize;
    for (let start = 0; start < whole; start += batchSize) {
      const batch = rows.slice(start, start + batchSize);
      plan.push({ rows: batch, count: batchSize, length: buckets[bucket]! });
    }
    carried = rows.slice(whole);
  });
  if (carried.length > 0) {
    const all = [...carried, ...queues.flat().filter((row) => !carried.includes(row))];
    const rows = Array.from({ length: batchSize }, (_, i) => all[i % all.length]!);
    plan.push({ rows, count: carried.length, length: buckets[last]! });
  }
  return plan;
}

function assignBuckets(
  examples: readonly TextExample[],
  { batchSize, buckets }: TextBatchOptions,
): number[] {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new RangeError(`batchSize must be a whole number from 1, not ${batchSize}`);
  }
  if (examples.length === 0) throw new RangeError("there are no examples to make batches of");
  const ascending = buckets.every((length, i) => length > (buckets[i - 1] ?? 0));
  if (buckets.length < 1 || buckets.length > MAX_BUCKETS || !ascending) {
    throw new RangeError(`buckets must be 1 to ${MAX_BUCKETS} ascending lengths, not [${buckets}]`);
  }
  return examples.map((example, row) => {
    const bucket = buckets.findIndex((length) => length >= exampleLength(example));
    if (bucket >= 0) return bucket;
    throw new RangeError(
      `example ${row} needs ${exampleLength(example)} positions: the largest bucket has ` +
        `${buckets.at(-1)}`,
    );
  });
}

interface VariedExample {
  readonly encoder: Int32Array;
  readonly decoder: Int32Array;
  readonly decoderInput?: Int32Array;
}

function assemble(
  examples: readonly TextExample[],
  { rows, count, length }: PlannedBatch,
  { padId, endId }: TextBatchOptions,
  vary: (example: TextExample, position: number) => VariedExample,
  ignoreFillers: boolean,
): TextBatch {
  const shape = [rows.length, length]; // [B, L]
  const size = rows.length * length;
  const inputIds = new Int32Array(size).fill(padId);
  const attentionMask = new Int32Array(size);
  const decoderInputIds = new Int32Array(size).fill(endId);
  const labels = new Int32Array(size).fill(IGNORED_LABEL);
  rows.forEach((row, i) => {
    const { encoder, decoder, decoderInput = decoder } = vary(examples[row]!, i);
    const start = i * length;
    inputIds.set(encoder, start);
    attentionMask.fill(1, start, start + encoder.length);
    decoderInputIds.set(decoderInput, start + 1);
    if (ignoreFillers && i >= count) return;
    labels.set(decoder, start);
    labels[start + decoder.length] = endId;
  });
  return {
    rows,
    count,
    arrays: {
      inputIds: int32(inputIds, shape),
      attentionMask: int32(attentionMask, shape),
      decoderInputIds: int32(decoderInputIds, shape),
      labels: int32(labels, shape),
    },
  };
}

export interface TrainingTextBatches {
  /** Batches per epoch: examples / batch size, rounded up. */
  readonly stepsPerEpoch: number;
  /** The batch of a step, from 0: a function of the step alone. */
  at(step: number): TextBatch;
}

/**
 * The batches of training. A text may be replaced by another one of the same length, and the inputs of
 * both halves corrupted. Epoch e is shuffled by one stream of `random`, step s is corrupted by others.
 */
export function trainingTextBatches(
  examples: readonly TextExample[],
  random: RandomStream,
  options: TextBatchOptions & {
    readonly replace?: Replacement | undefined;
    readonly corrupt?: Corruption | undefined;
    readonly corruptDecoder?: Corruption | undefined;
  },
): TrainingTextBatches {
  const {
    batchSize,
    replace = (text) => text,
    corrupt = (ids) => ids,
    corruptDecoder = (ids) => ids,
  } = options;
  const bucketOf = assignBuckets(examples, options);
  const stepsPerEpoch = Math.ceil(examples.length / batchSize);
  const orders = random.stream("text order");
  const corruptions = random.stream("corruption");
  const replacements = random.stream("replacement");
  const decoderCorruptions = random.stream("decoder corruption");
  let epoch = -1;
  let batches: PlannedBatch[] = [];
  const planEpoch = (wanted: number): PlannedBatch[] => {
    const stream = orders.at(wanted);
    const order = stream.stream("texts").permutation(examples.length);
    const plan = planBatches(order, bucketOf, options);
    return Array.from(stream.stream("batches").permutation(plan.length), (i) => plan[i]!);
  };
  return {
    stepsPerEpoch,
    at(step) {
      if (!Number.isSafeInteger(step) || step < 0) {
        throw new RangeError(`step must be a whole number from 0, not ${step}`);
      }
      const wanted = Math.floor(step / stepsPerEpoch);
      if (wanted !== epoch) batches = planEpoch(wanted);
      epoch = wanted;
      const vary = (example: TextExample, i: number) => {
        const { encoder, decoder } = replace(example, replacements.at(step).at(i));
        return {
          encoder: corrupt(encoder, corruptions.at(step).at(i)),
          decoder,
          decoderInput: corruptDecoder(decoder, decoderCorruptions.at(step).at(i)),
        };
      };
      return assemble(examples, batches[step % stepsPerEpoch]!, options, vary, false);
    },
  };
}

/**
 * The batches of an evaluation: every text once, in order within its bucket. In the last batch, rows from
 * `count` on only fill it, and their labels are ignored. Text i is corrupted by `random.at(i)`.
 */
export function evaluationTextBatches(
  examples: readonly TextExample[],
  options: TextBatchOptions & {
    readonly corrupt?:
      | { readonly apply: Corruption; readonly random: RandomStream }
      | undefined;
  },
): TextBatch[] {
  const { corrupt } = options;
  const plan = planBatches(examples.keys(), assignBuckets(examples, options), options);
  return plan.map((batch) =>
    assemble(
      examples,
      batch,
      options,
      ({ encoder, decoder }, i) => ({
        encoder: corrupt?.apply(encoder, corrupt.random.at(batch.rows[i]!)) ?? encoder,
        decoder,
      }),
      true,
    )
  );
}
