/** PLANNER's AuBLEU: the quality of a denoiser of latents as one number. */
import { areaUnder } from "./arrays.ts";

/** BLEU after adding noise to latents, denoising them in one step and decoding them. */
export interface DenoisedBleu {
  /** The share of signal in the latents' variance, the cumulative alpha: 1 is no noise. */
  readonly alphaCumprod: number;
  /** BLEU against the clean texts, 0 to 100. */
  readonly bleu: number;
}

/**
 * AuBLEU (Zhang et al. 2023, arXiv:2306.02531, section 4.3): the area under BLEU as a function of the
 * cumulative alpha, between the smallest and the largest given alpha.
 *
 * @param points At least two, in any order.
 * @returns From 0 to 100 if the points cover [0, 1].
 * @throws {RangeError} For fewer points, or a cumulative alpha outside of [0, 1].
 */
export function areaUnderBleu(points: readonly DenoisedBleu[]): number {
  if (points.length < 2) throw new RangeError(`${points.length} points; AuBLEU needs at least 2`);
  const outside = points.find(({ alphaCumprod }) => !(alphaCumprod >= 0 && alphaCumprod <= 1));
  if (outside !== undefined) {
    throw new RangeError(`alphaCumprod is ${outside.alphaCumprod}; it must be from 0 to 1`);
  }
  const sorted = points.toSorted((a, b) => a.alphaCumprod - b.alphaCumprod);
  return areaUnder(sorted.map(({ alphaCumprod, bleu }) => [alphaCumprod, bleu]));
}
