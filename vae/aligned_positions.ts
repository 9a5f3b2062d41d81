/**
 * Initial position embeddings that say where each latent belongs. A model of random weights has to find
 * out first which latent is about which stretch of the text, and until it has, its decoder learns to
 * do without latents. Sinusoids that give latent j the embedding of the middle of the j-th stretch
 * are a hint that training may keep or drop; shapes and names stay those of BERT and GPT-2.
 */
import { float32 } from "../engine/tree.ts";
import type { HostParameters } from "../nn/parameters.ts";
import { stretchOf, type TextVaeConfig } from "./text_vae_config.ts";

/** Wavelengths go from 2 pi to about this times 2 pi positions (Vaswani et al. 2017 have 10,000). */
const LONGEST = 100;

/** The sinusoids of a position, which need not be whole [width]. */
function sinusoids(position: number, width: number, amplitude: number): number[] {
  const half = Math.ceil(width / 2);
  return Array.from({ length: width }, (_, i) => {
    const angle = position * LONGEST ** (-Math.floor(i / 2) / half);
    return amplitude * (i % 2 === 0 ? Math.sin(angle) : Math.cos(angle));
  });
}

/**
 * Replaces both halves' position embeddings.
 *
 * @param amplitude Of the sinusoids; token embeddings have a deviation of 0.02.
 */
export function alignPositions(
  parameters: HostParameters,
  config: TextVaeConfig,
  amplitude = 0.05,
): HostParameters {
  const stretch = stretchOf(config);
  const middle = (latent: number) => (latent + 0.5) * stretch - 0.5;
  const table = (name: string, placeOf: (row: number) => number) => {
    const [rows, width] = parameters[name]!.shape as [number, number];
    const data = Float32Array.from(
      Array.from({ length: rows }, (_, row) => sinusoids(placeOf(row), width, amplitude)).flat(),
    );
    return { [name]: float32(data, [rows, width]) };
  };
  const { latents, latentSource } = config;
  return {
    ...parameters,
    ...(latentSource === "tokens"
      ? table(
        "encoder.embeddings.position_embeddings.weight",
        // After the latents come [CLS] and then the text.
        (row) => row < latents ? middle(row) : row - latents - 1,
      )
      : {}),
    ...table(
      "decoder.transformer.wpe.weight",
      (row) => row < latents ? middle(row) : row - latents,
    ),
  };
}
