/** Answers of a GPT-2 to questions, generated token by token. */
import type { RandomStream } from "../../nn/random.ts";
import type { Gpt2Decoder } from "../../vae/gpt2_decoder.ts";
import { sampleToken } from "../../vae/token_choice.ts";
import { int32 } from "../../engine/tree.ts";
import { argMax } from "../../metrics/arrays.ts";

/**
 * Answers questions together. The decoder receives each question token by token, and then its own tokens,
 * so that questions of different lengths need no padding, and one graph is enough.
 */
export async function continueQuestions(
  decoder: Pick<Gpt2Decoder, "begin" | "next">,
  questions: readonly Int32Array[],
  { endId, maxTokens, temperature, random, numbers }: {
    readonly endId: number;
    readonly maxTokens: number; // of an answer, with its end
    readonly temperature: number; // 0 for greedy decoding
    readonly random: RandomStream; // split by the numbers of the samples [B]
    readonly numbers: readonly number[];
  },
): Promise<number[][]> {
  const answers: number[][] = questions.map(() => []);
  const isOver = (row: number) =>
    answers[row]!.at(-1) === endId || answers[row]!.length >= maxTokens;
  let { cache, logits } = await decoder.begin(int32(questions.map(([first]) => first!)));
  for (let place = 1;; place++) {
    const size = logits.length / questions.length;
    const tokens = Int32Array.from(questions, (question, row) => {
      if (place < question.length) return question[place]!;
      if (isOver(row)) return endId;
      const own = logits.subarray(row * size, (row + 1) * size);
      const token = temperature === 0
        ? argMax(own)
        : sampleToken(own, { temperature }, random.at(numbers[row]!).at(answers[row]!.length));
      answers[row]!.push(token);
      return token;
    });
    if (answers.every((_, row) => isOver(row))) break;
    logits = await decoder.next(cache, tokens);
  }
  return answers.map((tokens) => tokens.filter((id) => id !== endId));
}
