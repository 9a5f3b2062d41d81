/** Batches for a GPT-2 that learns whole texts, or answers that follow questions. */
import { type HostArray, int32 } from "../engine/tree.ts";
import { IGNORED_LABEL } from "../nn/cross_entropy.ts";
import type { TextTokenizer } from "./tokenizer/tokenizer.ts";

export interface LanguageExample {
  readonly ids: Int32Array;
  /** The number of tokens at the start that are given, at least 1; the rest is predicted. */
  readonly given: number;
}

/** A text between two end tokens. @param maxTokens The text is cut after this number of tokens. */
export function textSequence(
  text: string,
  tokenizer: TextTokenizer,
  maxTokens: number,
): LanguageExample {
  const end = tokenizer.id("eos");
  const ids = tokenizer.encode(text, { splitSpecialTokens: true }).subarray(0, maxTokens);
  return { ids: Int32Array.of(end, ...ids, end), given: 1 };
}

/** A question as [CLS], its tokens, [SEP]; with the end token if the vocabulary has no such token. */
export function questionTokens(question: string, tokenizer: TextTokenizer): Int32Array {
  const ids = tokenizer.encode(question, { splitSpecialTokens: true });
  const idOf = (role: "cls" | "sep") =>
    tokenizer.id(tokenizer.specialTokens[role] === undefined ? "eos" : role);
  return Int32Array.of(idOf("cls"), ...ids, idOf("sep"));
}

/** A question, its answer and the end token. Only the answer and the end are predicted. */
export function answerSequence(
  question: string,
  answer: string,
  tokenizer: TextTokenizer,
): LanguageExample {
  const given = questionTokens(question, tokenizer);
  const predicted = tokenizer.encode(answer, { splitSpecialTokens: true });
  return { ids: Int32Array.of(...given, ...predicted, tokenizer.id("eos")), given: given.length };
}

export interface LanguageBatch {
  /** [B, L], int32. */
  readonly tokens: HostArray;
  /** The tokens to predict [B, L], int32; IGNORED_LABEL at tokens that are given or padding. */
  readonly labels: HostArray;
}

/** Pads sequences to the least of some ascending lengths that holds them all. */
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

/** The batches of training, a function of the step. `indicesAt` returns the examples of each step. */
export function languageBatches(
  examples: readonly LanguageExample[],
  indicesAt: (step: number) => Iterable<number>,
  { lengths, padId }: { readonly lengths: readonly number[]; readonly padId: number },
): (step: number) => LanguageBatch {
  return (step) => languageBatch(Array.from(indicesAt(step), (i) => examples[i]!), lengths, padId);
}
