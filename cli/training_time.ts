/** How long a training took, over all starts of the program: the times.json of a run. */
import { writeFileAtomic } from "../base/files.ts";
import { parseJsonObject } from "../base/json.ts";
import { formatDuration } from "./progress.ts";

/** The time of some steps of a training. */
export interface TrainingTime {
  readonly steps: number;
  readonly milliseconds: number;
  /** The part of the milliseconds that the device computed. */
  readonly onDevice: number;
  /** In bytes. */
  readonly peakMemory: number;
}

const NO_TIME: TrainingTime = { steps: 0, milliseconds: 0, onDevice: 0, peakMemory: 0 };

export const TIMES_NAME = "times.json";

const pathIn = (directory: string) => `${directory}/${TIMES_NAME}`;

/** Reads times.json in a run's folder. Without a readable one, no steps were timed. */
export async function readTrainingTime(directory: string): Promise<TrainingTime> {
  const path = pathIn(directory);
  const text = await Deno.readTextFile(path).catch(() => "{}");
  const value = parseJsonObject(text, path);
  const number = (name: keyof TrainingTime) => {
    const number = value[name];
    return typeof number === "number" && number >= 0 ? number : 0;
  };
  return {
    steps: number("steps"),
    milliseconds: number("milliseconds"),
    onDevice: number("onDevice"),
    peakMemory: number("peakMemory"),
  };
}

/** Writes times.json: the time of earlier starts of the program, and of this one. */
export async function writeTrainingTime(
  directory: string,
  earlier: TrainingTime = NO_TIME,
  now: TrainingTime = NO_TIME,
): Promise<void> {
  const time: TrainingTime = {
    steps: earlier.steps + now.steps,
    milliseconds: earlier.milliseconds + now.milliseconds,
    onDevice: earlier.onDevice + now.onDevice,
    peakMemory: Math.max(earlier.peakMemory, now.peakMemory),
  };
  await writeFileAtomic(pathIn(directory), `${JSON.stringify(time, null, 2)}\n`);
}

/**
 * Duration, speed and memory of a training, in a sentence for the report.
 *
 * @param options `unit` is what a batch consists of, in the plural.
 */
export function trainingSummary(
  { steps, milliseconds, onDevice, peakMemory }: TrainingTime,
  { config, unit, device }: {
    readonly config: { readonly batchSize: number };
    readonly unit: string;
    readonly device: { readonly threads: number };
  },
): string {
  if (steps === 0) return "The training was not timed.";
  const duration = formatDuration(milliseconds / 1000);
  const rate = Math.round(steps * config.batchSize / milliseconds * 1000);
  const outside = (100 * (1 - onDevice / milliseconds)).toFixed(1);
  return `${steps} steps of ${config.batchSize} ${unit} in ${duration} on ${device.threads} threads ` +
    `of ${Deno.build.arch}, ${rate} ${unit}/s, ${outside} % of the time outside the device, ` +
    `${Math.round(peakMemory / 1e6)} MB of memory at the peak.`;
}
