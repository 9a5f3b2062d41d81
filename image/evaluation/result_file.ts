/** What `--evaluate` finds, as the files evaluation.json and evaluation.csv have it. */
import { csv } from "../../base/csv.ts";
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import { isJsonObject, type JsonObject, parseJsonObject } from "../../base/json.ts";
import { quote } from "../../base/quote.ts";
import type { Quality } from "./quality.ts";

/** A figure of samples: how files and tables name it, and how many digits are worth printing. */
export interface Figure {
  /** Its name in files. */
  readonly column: string;
  /** Its name for people. */
  readonly name: string;
  /** As it is printed. */
  readonly format: (value: number) => string;
}

const percent = (value: number) => `${(100 * value).toFixed(1)} %`;

/** The figures of samples. */
export const QUALITY_FIGURES: Readonly<Record<keyof Quality, Figure>> = {
  fid: { column: "fid", name: "FID", format: (value) => value.toFixed(2) },
  kid: { column: "kid", name: "KID x 1000", format: (value) => (1000 * value).toFixed(2) },
  classAgreement: { column: "class_agreement", name: "class agreement", format: percent },
  precision: { column: "precision", name: "precision", format: percent },
  recall: { column: "recall", name: "recall", format: percent },
};

/** The names of {@linkcode QUALITY_FIGURES}. */
export const QUALITY_KEYS = Object.keys(QUALITY_FIGURES) as (keyof Quality)[];

/** Figures of samples that were drawn with one seed. */
export interface SeedQuality extends Quality {
  /** The seed. */
  readonly seed: number;
}

/** The mean of a figure over seeds, and how far they are apart. */
export interface Spread {
  /** The mean. */
  readonly mean: number;
  /** The lowest. */
  readonly low: number;
  /** The highest. */
  readonly high: number;
}

/** A figure of a model rather than of its samples. */
export interface ModelFigures {
  /** The variational bound; undefined for a flow, which has none. */
  readonly bitsPerDimension: number | undefined;
  /** The unweighted loss over all timesteps; undefined with it. */
  readonly loss: number | undefined;
  /** The median distance of samples to their nearest training image, in grey levels. */
  readonly nearestToSamples: number;
  /** The same of test images. */
  readonly nearestToTestImages: number;
}

/** What was found, and how. */
export interface Evaluation extends ModelFigures {
  /** Samples a seed. */
  readonly samples: number;
  /** The figures of each seed's samples. */
  readonly seeds: readonly SeedQuality[];
  /** The figures of as many real images. */
  readonly real: Quality;
  /** FID of as many of the test images themselves; undefined if there are no more than that. */
  readonly partFid: number | undefined;
  /** The classifier's accuracy on the test images: what class agreement is to be compared with. */
  readonly classifierAccuracy: number;
  /** How each figure was measured, by its name in files. */
  readonly protocol: Readonly<Record<string, string>>;
  /** The model: where it is from, and its weightsHash. */
  readonly model: { readonly source: string; readonly weights: string };
  /** The classifier's weightsHash: figures of different ones cannot be compared. */
  readonly classifier: string;
  /** The command that measured. */
  readonly command: string;
}

/** The spread of a figure; undefined if it was not measured. */
export function spreadOf(seeds: readonly Quality[], key: keyof Quality): Spread | undefined {
  const values = seeds.map((seed) => seed[key]).filter((value) => value !== undefined);
  if (values.length === 0) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, low: Math.min(...values), high: Math.max(...values) };
}

/** A figure of each kind, by its name in files. */
function byColumn<T>(of: (key: keyof Quality) => T | undefined): Record<string, T> {
  return Object.fromEntries(
    QUALITY_KEYS.flatMap((key) => {
      const value = of(key);
      return value === undefined ? [] : [[QUALITY_FIGURES[key].column, value]];
    }),
  );
}

/** The text of evaluation.json. */
export function formatEvaluation(evaluation: Evaluation): string {
  const { seeds, real, samples, protocol, model, classifier, command } = evaluation;
  const spreads = byColumn((key) => spreadOf(seeds, key));
  const json = {
    format: "nanodiffusion-evaluation",
    version: 1,
    ...Object.fromEntries(Object.entries(spreads).map(([name, { mean }]) => [name, mean])),
    bits_per_dimension: evaluation.bitsPerDimension,
    loss: evaluation.loss,
    samples,
    range: Object.fromEntries(
      Object.entries(spreads).map(([name, { low, high }]) => [name, [low, high]]),
    ),
    seeds: seeds.map((one) => ({ seed: one.seed, ...byColumn((key) => one[key]) })),
    real_images: byColumn((key) => real[key]),
    fid_of_test_images: evaluation.partFid,
    classifier_accuracy: evaluation.classifierAccuracy,
    nearest_to_samples: evaluation.nearestToSamples,
    nearest_to_test_images: evaluation.nearestToTestImages,
    ...{ protocol, model, classifier, command },
  };
  return JSON.stringify(json, null, 2) + "\n";
}

/**
 * Reads an evaluation.json.
 *
 * @returns Its content: what {@linkcode formatEvaluation} wrote.
 * @throws {UserError} If it cannot be read, or is something else.
 */
export async function readEvaluation(path: string): Promise<JsonObject> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw fileError(error, `read ${path}`);
  }
  const json = parseJsonObject(text, path);
  if (json["format"] !== "nanodiffusion-evaluation" || !isJsonObject(json["model"])) {
    throw new UserError(`${path} is no evaluation.json, which --evaluate writes`);
  }
  if (json["version"] !== 1) {
    throw new UserError(`${path} is of version ${quote(json["version"])}: measure anew`);
  }
  return json;
}

/** The rows of the table: each seed, their mean and ends if there are several, and real images. */
export function evaluationRows(
  { seeds, real }: Pick<Evaluation, "seeds" | "real">,
): { readonly name: string; readonly values: Partial<Quality> }[] {
  const of = (part: keyof Spread) =>
    Object.fromEntries(QUALITY_KEYS.map((key) => [key, spreadOf(seeds, key)?.[part]]));
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

/** The text of evaluation.csv: the table, in full precision. */
export function evaluationCsv(evaluation: Pick<Evaluation, "seeds" | "real">): string {
  const columns = QUALITY_KEYS.map((key) => QUALITY_FIGURES[key].column);
  const rows = evaluationRows(evaluation).map(({ name, values }) => [
    name,
    ...QUALITY_KEYS.map((key) => values[key]),
  ]);
  return csv([["images", ...columns], ...rows]);
}
