/** How well texts are reconstructed from their latents alone. */
import type { RandomStream } from "../../nn/random.ts";
import { evaluationTextBatches, type TextBatchOptions } from "../../vae/batches.ts";
import type { Corruption } from "../../vae/corruption.ts";
import { noisedLatents, type TextCodec } from "../../vae/text_codec.ts";
import type { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";
import type { TextExample } from "../../vae/tokenizer/texts.ts";
import { corpusBleu } from "../../metrics/bleu.ts";

export interface ReconstructedText {
  readonly original: string; // text, cut to the length of the model
  readonly reconstruction: string;
}

export interface Reconstruction {
  readonly bleu: number; // corpus BLEU against the clean texts, as sacrebleu's 13a, 0 to 100
  readonly tokenAccuracy: number; // share of tokens that are reconstructed at their place, 0 to 1
  readonly exact: number; // share of texts that are reconstructed exactly, 0 to 1
  readonly texts: readonly ReconstructedText[];
}

/** Encodes texts, decodes their latents greedily, and compares. */
export async function measureReconstruction(
  codec: TextCodec,
  tokenizer: TextTokenizer,
  examples: readonly TextExample[],
  { corrupt, noiseDeviation = 0, random, ...padding }: TextBatchOptions & {
    readonly corrupt?: Corruption | undefined; // of the encoder's input
    readonly noiseDeviation?: number; // standard deviation of noise on the latents
    readonly random: RandomStream; // text i uses the streams at i
  },
): Promise<Reconstruction> {
  const batches = evaluationTextBatches(examples, {
    ...padding,
    ...(corrupt === undefined
      ? {}
      : { corrupt: { apply: corrupt, random: random.stream("corruption") } }),
  });
  const noises = random.stream("noise");
  const texts: ReconstructedText[] = Array(examples.length);
  let [right, total, exact] = [0, 0, 0];
  for (const { arrays, rows, count } of batches) {
    const latents = await codec.encode(arrays);
    const size = latents.data.length / rows.length;
    const noise = new Float32Array(latents.data.length);
    rows.forEach((row, i) => noise.set(noises.at(row).normal(size), i * size));
    const decoded = await codec.decode(noisedLatents(latents, noise, noiseDeviation));
    rows.slice(0, count).forEach((row, i) => {
      const { decoder } = examples[row]!;
      const tokens = decoded[i]!;
      decoder.forEach((id, place) => right += tokens[place] === id ? 1 : 0);
      total += decoder.length;
      if (tokens.join() === decoder.join()) exact++;
      texts[row] = {
        original: tokenizer.decode(decoder),
        reconstruction: tokenizer.decode(tokens),
      };
    });
  }
  return {
    bleu: corpusBleu(
      texts.map(({ reconstruction }) => reconstruction),
      texts.map(({ original }) => [original]),
    ).score,
    tokenAccuracy: right / total,
    exact: exact / examples.length,
    texts,
  };
}
