/**
 * Measures of images and texts: pure functions of arrays.
 *
 * @example
 * ```ts
 * import { corpusBleu } from "@nanodiffusion/nanodiffusion/metrics";
 *
 * const { score } = corpusBleu(["a cat sat on the mat"], [["a cat sat on the mat"]]);
 * console.assert(score > 99.9);
 * ```
 *
 * @module
 */
export {
  type Accuracy,
  accuracyByVotes,
  accuracyOf,
  decimalNumber,
  exactMatch,
  extractDigits,
  extractNumber,
  majorityVote,
  type VoteOptions,
  wilsonInterval,
} from "./answers.ts";
export {
  type BleuOptions,
  type BleuScore,
  type BleuSmoothing,
  corpusBleu,
  pairwiseBleu,
  sentenceBleu,
  tokenize13a,
} from "./bleu.ts";
export {
  type FeatureRows,
  type FeatureStatistics,
  featureStatistics,
} from "./feature_statistics.ts";
export { frechetDistance } from "./frechet_distance.ts";
export { hostProducts, type InnerProducts } from "./inner_products.ts";
export { kernelDistance } from "./kernel_distance.ts";
export { mauve, type MauveCurveOptions, mauveOfHistograms, type MauveOptions } from "./mauve.ts";
export { minimumBayesRisk } from "./minimum_bayes_risk.ts";
export { nearestNeighbours, type NeighbourOptions, type Neighbours } from "./nearest_neighbours.ts";
export {
  type PrecisionRecall,
  precisionRecall,
  type PrecisionRecallOptions,
} from "./precision_recall.ts";
export { rouge, type RougeScore, type RougeScores } from "./rouge.ts";
export {
  distinctN,
  diversity,
  memorisation,
  repetition,
  selfBleu,
  type SelfBleuOptions,
  unknownWords,
} from "./text_diversity.ts";
export { TrigramModel } from "./trigram_model.ts";
