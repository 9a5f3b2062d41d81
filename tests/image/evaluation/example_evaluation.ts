/** An evaluation with round numbers. */
import type { Evaluation } from "../../../image/evaluation/result_file.ts";
import type { Quality } from "../../../image/evaluation/quality.ts";

/** Figures of samples. */
export const quality = (fid: number): Quality => ({
  fid,
  kid: fid / 1000,
  classAgreement: 0.9,
  precision: 0.8,
  recall: 0.75,
});

/** The evaluation of three seeds. */
export const EVALUATION: Evaluation = {
  samples: 2048,
  seeds: [{ seed: 4, ...quality(3) }, { seed: 5, ...quality(5.5) }, { seed: 6, ...quality(3.5) }],
  real: quality(1.5),
  subsetFid: 1.25,
  classifierAccuracy: 0.93,
  bitsPerDimension: 3.21,
  loss: 0.125,
  nearestToSamples: 30,
  nearestToTestImages: 31,
  protocol: { samples: "how they are sampled", fid: "how it is measured", nearest: "of what" },
  model: { source: "runs/a", weights: "ab" },
  classifier: "cd",
  command: "deno task image --evaluate",
};
