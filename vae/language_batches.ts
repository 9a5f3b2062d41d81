/** Sequences that a GPT-2 continues, side by side: all of a text, or an answer after its question. */
import { batcher } from "../datasets/batches.ts";
import { type HostArray, int32 } from "../engine/tree.ts";
import { IGNORED_LABEL } from "../nn/cross_entropy.ts";
import type { RandomStream } from "../nn/random.ts";
import type { TextTokenizer } from "./tokenizer/tokenizer.ts";

/** A sequence. */
export interface LanguageExample {
  /** Its tokens, from the one that begins it to the one that ends it. */
  readonly ids: Int32Array;
  /** How many of them, at the start, are given: the others are to be said. At least 1. */
  readonly given: number;
}

/** A text: the end token, the text, and the end token again. @param maxTokens The text is cut there. */
export function textSequence(
  text: string,
  tokenizer: TextTokenizer,
  maxTokens: number,
): LanguageExample {
  const end = tokenizer.id("eos");
  const ids = tokenizer.encode(text, { splitSpecialTokens: true }).subarray(0, maxTokens);
  return { ids: Int32Array.of(end, ...ids, end), given: 1 };
}

/** A question as an answer follows it: [CLS], the question, [SEP]; end tokens where there are no such. */
export function questionTokens(question: string, tokenizer: TextTokenizer): Int32Array {
  const ids = tokenizer.encode(question, { splitSpecialTokens: true });
  const [before, after] = (["cls", "sep"] as const).map((role) =>
    tokenizer.id(tokenizer.specialTokens[role] === undefined ? "eos" : role)
  );
  return Int32Array.of(before!, ...ids, after!);
}

/** A question, its answer and the end token, of which only the answer is to be said. */
export function answerSequence(
  question: string,
  answer: string,
  tokenizer: TextTokenizer,
): LanguageExample {
  const asked = questionTokens(question, tokenizer);
  const said = tokenizer.encode(answer, { splitSpecialTokens: true });
  return { ids: Int32Array.of(...asked, ...said, tokenizer.id("eos")), given: asked.length };
}

/** What {@linkcode languageBatch} gives. */
export interface LanguageBatch {
  /** [B, L], int32. */
  readonly tokens: HostArray;
  /** What is to be predicted [B, L], int32: IGNORED_LABEL where it is given or padding. */
  readonly labels: HostArray;
  /** For indexing as an object of arrays. */
  readonly [name: string]: HostArray;
}

/**
 * Sequences padded to the shortest of some lengths that holds them all.
 *
 * @param lengths Ascending: see buckets.ts.
 * @param padId What padding is; no prediction sees it.
 * @throws {RangeError} If a sequence is longer than the last length.
 */
export function languageBatch(
  examples: readonly LanguageExample[],
  lengths: readonly number[],
  padId: number,
): LanguageBatch {
  const longest = Math.max(...examples.map(({ ids }) => ids.length));
  const length = lengths.find((length) => length >= longest);
  if (length === undefined) throw new RangeError(`${longest} tokens fit none of ${lengths}`);
  const tokens = new Int32Array(examples.length * length).fill(padId);
  const labels = new Int32Array(examples.length * length).fill(IGNORED_LABEL);
  examples.forEach(({ ids, given }, row) => {
    tokens.set(ids, row * length);
    labels.set(ids.subarray(given), row * length + given);
  });
  const shape = [examples.length, length];
  return { tokens: int32(tokens, shape), labels: int32(labels, shape) };
}

/** The batches of training, a pure function of the step: every sequence once an epoch. */
export function languageBatches(
  examples: readonly LanguageExample[],
  { batchSize, random, lengths, padId }: {
    readonly batchSize: number;
    readonly random: RandomStream;
    readonly lengths: readonly number[];
    readonly padId: number;
  },
): (step: number) => LanguageBatch {
  const indicesAt = batcher({ size: examples.length, batchSize, random });
  return (step) => languageBatch(Array.from(indicesAt(step), (i) => examples[i]!), lengths, padId);
}
