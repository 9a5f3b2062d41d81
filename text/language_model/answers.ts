/** Answers of a GPT-2 to questions: what follows them, token by token. */
import type { RandomStream } from "../../nn/random.ts";
import type { Gpt2Decoder } from "../../vae/gpt2_decoder.ts";
import { sampleToken } from "../../vae/token_choice.ts";
import { int32 } from "../../engine/tree.ts";
import { argMax } from "../../metrics/arrays.ts";

/** How answers are made. */
export interface LanguageAnswerOptions {
  /** Ends an answer. */
  readonly endId: number;
  /** Tokens of an answer at most, its end included. */
  readonly maxTokens: number;
  /** 0 for the likeliest tokens. */
  readonly temperature: number;
  /** Draws for each question, by its number. */
  readonly random: RandomStream;
  /** The questions' numbers [B]. */
  readonly numbers: readonly number[];
}

/**
 * Answers questions together. Each is heard token by token and then goes on with its own words, so that
 * questions of different lengths need no padding, and one graph serves every position.
 *
 * @param questions Their tokens, at least one each.
 * @returns Each answer's tokens, without the end.
 */
export async function continueQuestions(
  decoder: Pick<Gpt2Decoder, "begin" | "next">,
  questions: readonly Int32Array[],
  { endId, maxTokens, temperature, random, numbers }: LanguageAnswerOptions,
): Promise<number[][]> {
  const said: number[][] = questions.map(() => []);
  const isOver = (row: number) => said[row]!.at(-1) === endId || said[row]!.length >= maxTokens;
  let { cache, logits } = await decoder.begin(int32(questions.map(([first]) => first!)));
  for (let place = 1;; place++) {
    const size = logits.length / questions.length;
    const tokens = Int32Array.from(questions, (question, row) => {
      if (place < question.length) return question[place]!;
      if (isOver(row)) return endId;
      const own = logits.subarray(row * size, (row + 1) * size);
      const token = temperature === 0
        ? argMax(own)
        : sampleToken(own, { temperature }, random.at(numbers[row]!).at(said[row]!.length));
      said[row]!.push(token);
      return token;
    });
    if (said.every((_, row) => isOver(row))) break;
    logits = await decoder.next(cache, tokens);
  }
  return said.map((tokens) => tokens.filter((id) => id !== endId));
}
