/** The figures of a text VAE in its model card. */
import { areaUnder } from "../../metrics/arrays.ts";
import type { RandomStream } from "../../nn/random.ts";
import type { TextBatchOptions } from "../../vae/batches.ts";
import { inputCorruption } from "../../vae/corruption.ts";
import type { TextCodec } from "../../vae/text_codec.ts";
import type { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";
import type { TextExample } from "../../vae/tokenizer/texts.ts";
import { measureReconstruction, type Reconstruction } from "./reconstruction.ts";

/** The share of tokens that robust BLEU replaces (PLANNER, Zhang et al. 2023). */
export const SUBSTITUTED = 0.3;

/** The standard deviations of the noise on latents. */
export const NOISE_LEVELS: readonly number[] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

export interface TextVaeQuality {
  readonly clean: Reconstruction; // from clean texts
  /** From texts with a share of {@linkcode SUBSTITUTED} of the tokens replaced by random ones. */
  readonly substituted: Reconstruction;
  /** BLEU of reconstructions from noised latents as a function of the noise's deviation, from 0. */
  readonly noised: readonly { readonly deviation: number; readonly bleu: number }[];
  /** The area under that curve over [0, 1] by the trapezoidal rule: 0 to 100. */
  readonly noisedArea: number;
  /** The latents: mean, deviation, and the number of active ones among the k d numbers. */
  readonly latents: {
    readonly mean: number;
    readonly deviation: number;
    readonly active: number;
    readonly numbers: number;
  };
}

/** The variance over texts above which a number of the latents is active (Burda et al. 2016). */
const ACTIVE_VARIANCE = 0.01;

/** Mean, deviation and active numbers of the latents of texts [texts][k d]. */
export function latentStatistics(latents: readonly ArrayLike<number>[]): TextVaeQuality["latents"] {
  const numbers = latents[0]?.length ?? 0;
  let [sum, squares, active] = [0, 0, 0];
  for (let i = 0; i < numbers; i++) {
    let [own, ownSquares] = [0, 0];
    for (const text of latents) {
      own += text[i]!;
      ownSquares += text[i]! ** 2;
    }
    const mean = own / latents.length;
    if (ownSquares / latents.length - mean ** 2 > ACTIVE_VARIANCE) active++;
    sum += own;
    squares += ownSquares;
  }
  const count = numbers * latents.length;
  const mean = sum / count;
  return { mean, deviation: Math.sqrt(squares / count - mean ** 2), active, numbers };
}

/** Measures reconstruction and latents on held-out texts. */
export async function measureTextVae(
  codec: TextCodec,
  tokenizer: TextTokenizer,
  examples: readonly TextExample[],
  { encoderTokenizer = tokenizer, ...options }: TextBatchOptions & {
    readonly random: RandomStream;
    readonly encoderTokenizer?: TextTokenizer;
  },
): Promise<TextVaeQuality> {
  const latents: Float32Array[] = [];
  const recording: TextCodec = {
    ...codec,
    encode: async (inputs) => {
      const encoded = await codec.encode(inputs);
      const [rows] = encoded.shape as [number];
      const size = encoded.data.length / rows;
      for (let row = 0; row < rows; row++) {
        latents.push(Float32Array.from(encoded.data.subarray(row * size, (row + 1) * size)));
      }
      return encoded;
    },
  };
  const clean = await measureReconstruction(recording, tokenizer, examples, options);
  const { vocabSize, specialIds } = encoderTokenizer;
  const corrupt = inputCorruption({
    kind: "substitute",
    ratio: SUBSTITUTED,
    ratioPerText: "fixed",
    vocabSize,
    specialIds,
  });
  const corrupted = { ...options, corrupt };
  const substituted = await measureReconstruction(codec, tokenizer, examples, corrupted);
  const noised = [{ deviation: 0, bleu: clean.bleu }];
  for (const deviation of NOISE_LEVELS) {
    const noisy = { ...options, noiseDeviation: deviation };
    const { bleu } = await measureReconstruction(codec, tokenizer, examples, noisy);
    noised.push({ deviation, bleu });
  }
  return {
    clean,
    substituted,
    noised,
    noisedArea: areaUnder(noised.map(({ deviation, bleu }) => [deviation, bleu] as const)),
    latents: latentStatistics(latents),
  };
}
