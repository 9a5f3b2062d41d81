/** Whether the texts that a run measures with are among those that its starting model has learned. */
import { knownHeldOut } from "../datasets/hotel_reviews.ts";
import { usageError, UserError } from "../base/errors.ts";
import { type JsonObject, parseJsonObject } from "../base/json.ts";
import { fileError } from "../base/file_errors.ts";
import { BUNDLED, readRecord } from "../cli/run_record.ts";
import type { TextData } from "./data.ts";
import type { TextConfig } from "./flags.ts";
import type { TextStart } from "./start.ts";

/** What a model learned from, as far as it decides what it has not seen. */
export interface TrainedOn {
  /** The data set. */
  readonly dataset: string;
  /** Whether it was the bundled sample in place of it. */
  readonly sample: boolean;
  /** Rows of it, those held out included. */
  readonly rows: number;
  /** How many were held out. */
  readonly validationSize: number;
}

/**
 * What a checkpoint's model learned from: as its run's config.json has it, or its own training.json,
 * which a released model has in place of a run.
 *
 * @param checkpoint The checkpoint's folder.
 * @returns undefined where neither is there: nobody knows.
 * @throws {UserError} If one of them is unsound.
 */
export async function findTrainedOn(checkpoint: string): Promise<TrainedOn | undefined> {
  const own = `${checkpoint}/training.json`;
  const found = await readJson(own);
  if (found !== undefined) return checked(found, own);
  const path = `${checkpoint}/../../config.json`;
  const record = await readRecord(path);
  if (record === undefined) return undefined;
  const [data] = record.data;
  const { dataset, validationSize } = record.config;
  return checked(
    { dataset, validationSize, rows: data?.rows, sample: data?.origin === BUNDLED } as JsonObject,
    path,
  );
}

async function readJson(path: string): Promise<JsonObject | undefined> {
  try {
    return parseJsonObject(await Deno.readTextFile(path), path);
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fileError(error, `read ${path}`);
  }
}

function checked({ dataset, sample, rows, validationSize }: JsonObject, path: string): TrainedOn {
  const sound = typeof dataset === "string" && typeof sample === "boolean" &&
    Number.isSafeInteger(rows) && Number.isSafeInteger(validationSize);
  if (sound) return { dataset, sample, rows, validationSize } as TrainedOn;
  throw new UserError(`${path} does not say what its model was trained on: was it edited?`);
}

/**
 * Sees to it that a model is not measured with texts that it was trained on unnoticed. Of one and the
 * same data a smaller number can be held out, so a larger one is refused; other data with reviews in
 * common are warned of.
 *
 * @param start What training begins with, and its settings.
 * @param data The data of this run.
 * @param log Where a warning goes.
 * @throws {UserError} With exit code 2 where fewer held-out texts would do.
 */
export function checkNoLeak(
  { trainedOn: then, config: { dataset, validationSize } }: Pick<TextStart, "trainedOn"> & {
    readonly config: Pick<TextConfig, "dataset" | "validationSize">;
  },
  { origin, rows }: Pick<TextData, "origin" | "rows">,
  log: (line: string) => void = console.error,
): void {
  // Problems are held out by what they ask, whatever the number; the sample shares no text with others.
  if (then === undefined || dataset !== "hotel_reviews" || then.dataset !== dataset) return;
  if (then.sample !== (origin === "sample")) return;
  const known = knownHeldOut(then, { rows, validationSize });
  if (known === 0) return;
  const what = `${known} of ${validationSize} held-out reviews are among those that the ` +
    "starting model was trained on";
  if (then.rows === rows) {
    throw usageError(
      `--validation-size ${validationSize}: ${what}; it held out ${then.validationSize}. Ask for ` +
        "no more than that, or train from scratch with --preset small",
    );
  }
  log(
    `WARNING: ${what}, ${then.rows} in all: what is measured on these ${rows} will be too good`,
  );
}
