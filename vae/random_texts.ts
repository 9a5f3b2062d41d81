/**
 * Texts of random tokens, which a decoder can copy from latents but not guess. They are practice for an
 * untrained model: its decoder would otherwise learn to guess first, and then ignore the latents.
 */
import type { RandomStream } from "../nn/random.ts";
import { ordinaryIds } from "./corruption.ts";
import type { TextExample } from "./tokenizer/texts.ts";

export interface RandomTextOptions {
  readonly share: number;
  /** Half of the random texts have the token frequencies of these texts; the other half are uniform. */
  readonly examples: readonly TextExample[];
  readonly vocabSize: number;
  readonly specialIds: ReadonlySet<number>;
}

/** Replaces a text by a random one of the same length, or returns it unchanged. */
export type Replacement = (example: TextExample, random: RandomStream) => TextExample;

/** Makes a replacement, for encoder and decoder with one vocabulary. */
export function randomTexts(
  { share, examples, vocabSize, specialIds }: RandomTextOptions,
): Replacement {
  if (!(share >= 0 && share <= 1)) throw new RangeError(`share must be in [0, 1], not ${share}`);
  if (share === 0) return (example) => example;
  const frequent = Int32Array.from(examples.flatMap(({ decoder }) => Array.from(decoder)));
  const all = ordinaryIds({ vocabSize, specialIds });
  return (example, random) => {
    if (random.next() >= share) return example;
    const from = random.next() < 0.5 ? frequent : all;
    const decoder = random.integers(example.decoder.length, 0, from.length).map((i) => from[i]!);
    const encoder = Int32Array.from(example.encoder);
    encoder.set(decoder, 1); // after [CLS]
    return { encoder, decoder };
  };
}
