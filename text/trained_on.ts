/** Whether the held-out texts of a run are among those that its starting model was trained on. */
import { knownHeldOut } from "../datasets/hotel_reviews.ts";
import { usageError, UserError } from "../base/errors.ts";
import { type JsonObject, parseJsonObject } from "../base/json.ts";
import { fileError } from "../base/file_errors.ts";
import { BUNDLED, readRecord } from "../cli/run_record.ts";
import type { TextData } from "./examples.ts";
import type { TextConfig } from "./settings.ts";

/** The training data of a model, as far as it decides which texts were held out. */
export interface TrainedOn {
  readonly dataset: string;
  readonly sample: boolean; // whether it was only the bundled sample
  readonly rows: number; // number of rows, with the held-out ones
  readonly validationSize: number; // number of held-out rows
}

/**
 * Reads the training data of a checkpoint's model from training.json, which a released model has, or from
 * the config.json of its run; undefined if there is neither.
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
  throw new UserError(`${path} lacks the training data of its model: was it edited?`);
}

/**
 * Checks that a model is not measured with texts that it was trained on. With the same data, a larger
 * number of held-out texts is refused; with other data that share reviews, there is a warning.
 */
export function checkNoLeak(
  { trainedOn: then, config: { dataset, validationSize } }: {
    readonly trainedOn: TrainedOn | undefined;
    readonly config: Pick<TextConfig, "dataset" | "validationSize">;
  },
  { origin, rows }: Pick<TextData, "origin" | "rows">,
  warn: (line: string) => void,
): void {
  // Held-out problems do not depend on the number of them; the sample shares no text with other data.
  if (then === undefined || dataset !== "hotel_reviews" || then.dataset !== dataset) return;
  if (then.sample !== (origin === "sample")) return;
  const known = knownHeldOut(then, { rows, validationSize });
  if (known === 0) return;
  const what = `${known} of ${validationSize} held-out reviews are among those that the ` +
    "starting model was trained on";
  if (then.rows === rows) {
    throw usageError(
      `--validation-size ${validationSize}: ${what}; it held out ${then.validationSize}. Use at ` +
        "most that number, or train from scratch with --preset small",
    );
  }
  warn(
    `WARNING: ${what} (${then.rows} reviews): figures on these ${rows} reviews will be too good`,
  );
}
