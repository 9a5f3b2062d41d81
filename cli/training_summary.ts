/** Duration, speed and memory of a training, in a sentence for the report. */
import { formatDuration } from "./progress.ts";

/** Measurements of a training. */
export interface TrainingSummary {
  /** The settings. */
  readonly config: { readonly batchSize: number };
  /** What a batch consists of, in the plural. */
  readonly unit: string;
  /** The device. */
  readonly device: { readonly threads: number };
  /** Steps taken; 0 if training was already finished. */
  readonly steps: number;
  /** The duration. */
  readonly milliseconds: number;
  /** The part of the duration that the device computed. */
  readonly onDevice: number;
  /** The largest amount of memory in use, in bytes. */
  readonly peakMemory: number;
}

/** Describes a training. */
export function trainingSummary(
  { config, unit, device, steps, milliseconds, onDevice, peakMemory }: TrainingSummary,
): string {
  if (steps === 0) return "Trained before; sampled again.";
  const duration = formatDuration(milliseconds / 1000);
  const rate = Math.round(steps * config.batchSize / milliseconds * 1000);
  const outside = (100 * (1 - onDevice / milliseconds)).toFixed(1);
  return `${steps} steps of ${config.batchSize} ${unit} in ${duration} on ${device.threads} threads ` +
    `of ${Deno.build.arch}, ${rate} ${unit}/s, ${outside} % of the time outside the device, ` +
    `${Math.round(peakMemory / 1e6)} MB of memory at the peak.`;
}
