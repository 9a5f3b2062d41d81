/** The figures of a text VAE that its model card states. */
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

/** Deviations of the noise that latents are decoded with. */
export const NOISE_LEVELS: readonly number[] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

/** A text VAE's figures. */
export interface TextVaeQuality {
  /** From the texts as they are. */
  readonly clean: Reconstruction;
  /** From texts of which {@linkcode SUBSTITUTED} of the tokens are replaced by random ones. */
  readonly substituted: Reconstruction;
  /** BLEU of what noised latents decode to, by the noise's deviation, from 0. */
  readonly noised: readonly { readonly deviation: number; readonly bleu: number }[];
  /** The area under that curve over [0, 1], by trapezoids: 0 to 100. */
  readonly noisedArea: number;
  /** The latents: mean, deviation, and how many of the k d numbers vary (deviation above 0.01). */
  readonly latents: {
    readonly mean: number;
    readonly deviation: number;
    readonly active: number;
    readonly numbers: number;
  };
}

/** A number of the latents is active if it varies by more over texts (Burda et al. 2016 have 0.01 of variance). */
const ACTIVE_VARIANCE = 0.01;

/** Mean, deviation and active numbers of latents, each a text's [k d]. */
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

/**
 * Measures everything on held-out texts.
 *
 * @param tokenizer The decoder's.
 * @param options Those of batches; `encoderTokenizer`, of which substituted tokens are. @default tokenizer
 */
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
  const listening: TextCodec = {
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
  const clean = await measureReconstruction(listening, tokenizer, examples, options);
  const { vocabSize, specialIds } = encoderTokenizer;
  const corrupt = inputCorruption({
    ...{ kind: "substitute", ratio: SUBSTITUTED, ratioPerText: "fixed" },
    ...{ vocabSize, specialIds },
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
    ...{ clean, substituted, noised },
    noisedArea: areaUnder(noised.map(({ deviation, bleu }) => [deviation, bleu] as const)),
    latents: latentStatistics(latents),
  };
}
