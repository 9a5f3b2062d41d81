/** How well a denoiser restores noised latents of texts in one step: BLEU as a function of the noise. */
import { compileTextDenoiser } from "../denoiser/compiled.ts";
import { flowX0Coefficients } from "../../diffusion/flow_matching.ts";
import { x0Coefficients } from "../../diffusion/parameterisation.ts";
import type { NoiseSchedule } from "../../diffusion/schedules.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import type { RandomStream } from "../../nn/random.ts";
import type { LatentExample } from "../examples.ts";
import { blockCount, wholeExample } from "../denoiser/layouts.ts";
import { corpusBleu } from "../../metrics/bleu.ts";
import { rowsOf } from "../autoencoder/batch_parts.ts";
import { cutTexts } from "../autoencoder/cut_texts.ts";
import { areaUnderBleu, type DenoisedBleu } from "../../metrics/bleu.ts";
import { type MeasuredFigure, numberFigure } from "../../metrics/measured_figure.ts";
import type { SampleSession } from "../sampling/session.ts";

/** The cumulative alphas to measure: the share of the variance that is signal. */
export const SIGNAL_LEVELS: readonly number[] = [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1];

const CURVE_TEXTS = 100;

/** The time step of a noise level, and the coefficients of x_t and of x0 there. */
export interface NoisePlace {
  readonly timestep: number;
  readonly mix: readonly [number, number]; // coefficients of x0 and of the noise in x_t
  readonly x0: readonly [number, number]; // coefficients of the output and of x_t in x0
}

/**
 * The time step whose cumulative alpha is nearest to a level. For a flow, x_t is scaled to unit variance:
 * t = sigma / (signal + sigma).
 */
export function noisePlace(
  level: number,
  { schedule, isFlow }: { readonly schedule: NoiseSchedule; readonly isFlow: boolean },
): NoisePlace {
  if (isFlow) {
    const [signal, sigma] = [Math.sqrt(level), Math.sqrt(1 - level)];
    const time = sigma / (signal + sigma);
    const timestep = time * schedule.numTrainTimesteps;
    const x0 = flowX0Coefficients(schedule.numTrainTimesteps)(timestep);
    return { timestep, mix: [1 - time, time], x0: [x0[0], x0[1]] };
  }
  let timestep = 0;
  schedule.alphasCumprod.forEach((alpha, t) => {
    const best = Math.abs(schedule.alphasCumprod[timestep]! - level);
    if (Math.abs(alpha - level) < best) timestep = t;
  });
  const alpha = schedule.alphasCumprod[timestep]!;
  const x0 = x0Coefficients(schedule.predictionType, alpha);
  return { timestep, mix: [Math.sqrt(alpha), Math.sqrt(1 - alpha)], x0: [x0[0], x0[1]] };
}

function combine([p, q]: readonly [number, number], a: ArrayLike<number>, b: ArrayLike<number>) {
  return Float32Array.from(a, (value, i) => p * value + q * b[i]!);
}

/** BLEU of restored texts by the share of signal in their latents; at 1 they are only decoded. */
export async function denoisingCurve(
  { device, vae, model, batches, encode, decode, config, sampling }: SampleSession,
  examples: readonly LatentExample[],
  random: RandomStream,
): Promise<DenoisedBleu[]> {
  const part = examples.slice(0, CURVE_TEXTS);
  const layouts = part.map((example) => wholeExample(example, blockCount(config)));
  // Tokens beyond the length of the autoencoder are not in the latents.
  const texts = cutTexts(layouts.flatMap(({ blocks }) => blocks), vae);
  const flat = await encode(texts);
  const [count, k, width] = flat.shape as [number, number, number];
  const blocks = count / part.length;
  const shape = [part.length, blocks * k, width];
  const clean = float32(flat.data as Float32Array, shape); // [B, blocks * k, d]
  const noise = random.stream("noise").normal(clean.data.length);
  const compiled = compileTextDenoiser(device, model.parameters, model.config);
  const size = sampling.sampleBatchSize;
  const starts = [...Array(Math.ceil(part.length / size)).keys()].map((batch) => batch * size);
  const bleuOf = async (latents: HostArray) => {
    const decoded: string[][] = [];
    for (const start of starts) decoded.push(...await decode(rowsOf(latents, start, size)));
    return corpusBleu(decoded.flat(), texts.map((text) => [text])).score;
  };
  const points: DenoisedBleu[] = [];
  for (const alphaCumprod of SIGNAL_LEVELS) {
    if (alphaCumprod === 1) {
      points.push({ alphaCumprod, bleu: await bleuOf(clean) });
      continue;
    }
    const place = noisePlace(alphaCumprod, model);
    const xt = combine(place.mix, clean.data, noise);
    const restored = new Float32Array(xt.length);
    const per = xt.length / part.length;
    for (const start of starts) {
      const own = xt.slice(start * per, (start + size) * per);
      const labels = part.slice(start, start + size).map(({ label }) => label);
      const denoise = await compiled.condition({
        condition: batches.conditionOf(layouts.slice(start, start + size), labels),
        x0Source: model.isFlow
          ? flowX0Coefficients(model.schedule.numTrainTimesteps)
          : model.schedule,
      });
      const output = await denoise(own, place.timestep);
      restored.set(combine(place.x0, output, own), start * per);
    }
    points.push({ alphaCumprod, bleu: await bleuOf(float32(restored, shape)) });
  }
  await compiled.dispose();
  return points;
}

/** The figures of the curve: BLEU at half noise, and the area. */
export function curveFigures(points: readonly DenoisedBleu[], texts: number): MeasuredFigure[] {
  const protocol =
    `${Math.min(texts, CURVE_TEXTS)} held-out texts with their conditions, latents ` +
    "noised and denoised in one step, without guidance and self-conditioning, decoded greedily, " +
    "corpus BLEU as sacrebleu's 13a against the texts, cut to the length of the autoencoder";
  const half = points.find(({ alphaCumprod }) => alphaCumprod === 0.5)!;
  const list = points.map(({ alphaCumprod, bleu }) => `${alphaCumprod}: ${bleu.toFixed(1)}`);
  const area = "area under BLEU as a function of the share of signal from 0.1 to 1 " +
    `(${list.join(", ")}); ${protocol}`;
  return [
    numberFigure(
      "BLEU, half-noised, one step",
      half.bleu,
      `half of the variance noise; ${protocol}`,
    ),
    numberFigure("AuBLEU", areaUnderBleu(points), area),
  ];
}
