/** The results of `--evaluate`: their types, and the files evaluation.json and evaluation.csv. */
import { csv } from "../../base/csv.ts";
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import { isJsonObject, type JsonObject, parseJsonObject } from "../../base/json.ts";
import { quote } from "../../base/quote.ts";
import { percent } from "../../metrics/measured_figure.ts";
import type { Quality } from "./quality.ts";

/**
 * The figures of samples: their names in files and in tables, and their values with the digits that are
 * significant.
 */
export const QUALITY_FIGURES: Readonly<
  Record<keyof Quality, { column: string; name: string; format: (value: number) => string }>
> = {
  fid: { column: "fid", name: "FID", format: (value) => value.toFixed(2) },
  kid: { column: "kid", name: "KID x 1000", format: (value) => (1000 * value).toFixed(2) },
  classAgreement: { column: "class_agreement", name: "class agreement", format: percent },
  precision: { column: "precision", name: "precision", format: percent },
  recall: { column: "recall", name: "recall", format: percent },
};

export const QUALITY_KEYS = Object.keys(QUALITY_FIGURES) as (keyof Quality)[];

export interface SeedQuality extends Quality {
  readonly seed: number;
}

/** The results of an evaluation, and how they were measured. */
export interface Evaluation {
  /** Samples per seed. */
  readonly samples: number;
  /** The figures of the samples, seed by seed. */
  readonly seeds: readonly SeedQuality[];
  /** The figures of equally many training images. */
  readonly real: Quality;
  /** FID of equally many test images; undefined if there are not more of them. */
  readonly subsetFid: number | undefined;
  /** The classifier's accuracy on the test images, an upper limit for class agreement in practice. */
  readonly classifierAccuracy: number;
  /** The variational bound; undefined for flow matching, which has none. */
  readonly bitsPerDimension: number | undefined;
  /** The unweighted loss over all timesteps; undefined for flow matching. */
  readonly loss: number | undefined;
  /** The median distance of samples to their nearest training image, in grey levels. */
  readonly nearestToSamples: number;
  readonly nearestToTestImages: number;
  /** How each figure was measured, by its name in files. */
  readonly protocol: Readonly<Record<string, string>>;
  /** Where the model was loaded from, and its weightsHash. */
  readonly model: { readonly source: string; readonly weights: string };
  readonly classifier: string;
  readonly command: string;
}

/** The mean and the range of a figure; undefined if it was not measured. */
export function rangeOf(
  seeds: readonly Quality[],
  key: keyof Quality,
): { mean: number; low: number; high: number } | undefined {
  const values = seeds.map((seed) => seed[key]).filter((value) => value !== undefined);
  if (values.length === 0) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, low: Math.min(...values), high: Math.max(...values) };
}

/** An object with a value for each figure, by its name in files; figures without one are left out. */
function byColumn<T>(of: (key: keyof Quality) => T | undefined): Record<string, T> {
  return Object.fromEntries(
    QUALITY_KEYS.flatMap((key) => {
      const value = of(key);
      return value === undefined ? [] : [[QUALITY_FIGURES[key].column, value]];
    }),
  );
}

export function formatEvaluation(evaluation: Evaluation): string {
  const { seeds, real, samples, protocol, model, classifier, command } = evaluation;
  const ranges = byColumn((key) => rangeOf(seeds, key));
  const json = {
    format: "nanodiffusion-evaluation",
    version: 1,
    ...Object.fromEntries(Object.entries(ranges).map(([name, { mean }]) => [name, mean])),
    bits_per_dimension: evaluation.bitsPerDimension,
    loss: evaluation.loss,
    samples,
    range: Object.fromEntries(
      Object.entries(ranges).map(([name, { low, high }]) => [name, [low, high]]),
    ),
    seeds: seeds.map((one) => ({ seed: one.seed, ...byColumn((key) => one[key]) })),
    real_images: byColumn((key) => real[key]),
    fid_of_test_images: evaluation.subsetFid,
    classifier_accuracy: evaluation.classifierAccuracy,
    nearest_to_samples: evaluation.nearestToSamples,
    nearest_to_test_images: evaluation.nearestToTestImages,
    protocol,
    model,
    classifier,
    command,
  };
  return JSON.stringify(json, null, 2) + "\n";
}

/** Reads an evaluation.json, which {@linkcode formatEvaluation} wrote. */
export async function readEvaluation(path: string): Promise<JsonObject> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw fileError(error, `read ${path}`);
  }
  const json = parseJsonObject(text, path);
  if (json["format"] !== "nanodiffusion-evaluation" || !isJsonObject(json["model"])) {
    throw new UserError(`${path} is not an evaluation.json that deno task image --evaluate wrote`);
  }
  if (json["version"] !== 1) {
    throw new UserError(
      `${path} has the version ${quote(json["version"])}, expected 1: evaluate again`,
    );
  }
  return json;
}

/** The rows of the table: each seed, the mean and the range if there are several, and real images. */
export function evaluationRows(
  { seeds, real }: Pick<Evaluation, "seeds" | "real">,
): { readonly name: string; readonly values: Partial<Quality> }[] {
  const of = (part: "mean" | "low" | "high") =>
    Object.fromEntries(QUALITY_KEYS.map((key) => [key, rangeOf(seeds, key)?.[part]]));
  return [
    ...seeds.map(({ seed, ...values }) => ({ name: `seed ${seed}`, values })),
    ...(seeds.length < 2 ? [] : [
      { name: "mean", values: of("mean") },
      { name: "lowest", values: of("low") },
      { name: "highest", values: of("high") },
    ]),
    { name: "real images", values: real },
  ];
}

export function evaluationCsv(evaluation: Pick<Evaluation, "seeds" | "real">): string {
  const columns = QUALITY_KEYS.map((key) => QUALITY_FIGURES[key].column);
  const rows = evaluationRows(evaluation).map(({ name, values }) => [
    name,
    ...QUALITY_KEYS.map((key) => values[key]),
  ]);
  return csv([["images", ...columns], ...rows]);
}
