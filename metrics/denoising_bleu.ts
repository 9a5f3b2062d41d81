/** How well a denoiser restores noised latents, in one figure: PLANNER's AuBLEU. */

/** BLEU of texts that were decoded from latents which were noised and denoised in one step. */
export interface DenoisedBleu {
  /** How much of the latents' variance is signal, the cumulative alpha: 1 is no noise. */
  readonly alphaCumprod: number;
  /** BLEU against the clean texts, 0 to 100. */
  readonly bleu: number;
}

/**
 * AuBLEU (Zhang et al. 2023, arXiv:2306.02531, section 4.3): the area under BLEU against the cumulative
 * alpha by trapezoids, from the least of the given points to the largest.
 *
 * @param points At least two, in any order.
 * @returns From 0 to 100 where the points reach from 0 to 1.
 * @throws {RangeError} For fewer points, and for a cumulative alpha outside of [0, 1].
 */
export function areaUnderBleu(points: readonly DenoisedBleu[]): number {
  if (points.length < 2) throw new RangeError(`${points.length} points have no area under them`);
  const outside = points.find(({ alphaCumprod }) => !(alphaCumprod >= 0 && alphaCumprod <= 1));
  if (outside !== undefined) {
    throw new RangeError(`alphaCumprod is ${outside.alphaCumprod}: it is to be from 0 to 1`);
  }
  const sorted = points.toSorted((a, b) => a.alphaCumprod - b.alphaCumprod);
  let area = 0;
  for (const [i, { alphaCumprod, bleu }] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before === undefined) continue;
    area += (alphaCumprod - before.alphaCumprod) * (bleu + before.bleu) / 2;
  }
  return area;
}
