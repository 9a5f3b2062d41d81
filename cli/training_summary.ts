/** How a training went, in words. */
import { formatDuration } from "./progress.ts";

/** What {@linkcode trainingSummary} tells. */
export interface TrainingSummary {
  /** The settings. */
  readonly config: { readonly batchSize: number };
  /** What a batch consists of, in the plural. */
  readonly unit: string;
  /** Where tensors were computed. */
  readonly device: { readonly threads: number };
  /** Steps taken. */
  readonly steps: number;
  /** How long they took. */
  readonly milliseconds: number;
  /** How much of that was the device's. */
  readonly onDevice: number;
  /** Bytes at the most. */
  readonly peakMemory: number;
}

/** How the training went, in words. */
export function trainingSummary(
  { config, unit, device, steps, milliseconds, onDevice, peakMemory }: TrainingSummary,
): string {
  if (steps === 0) return "Trained before; sampled again.";
  return `${steps} steps of ${config.batchSize} ${unit} in ${
    formatDuration(milliseconds / 1000)
  } ` +
    `on ${device.threads} threads of ${Deno.build.arch}, ` +
    `${Math.round(steps * config.batchSize / milliseconds * 1000)} ${unit}/s, ` +
    `${(100 * (1 - onDevice / milliseconds)).toFixed(1)} % of the time outside the device, ` +
    `${Math.round(peakMemory / 1e6)} MB of memory at the peak.`;
}
