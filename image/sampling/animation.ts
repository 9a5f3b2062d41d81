/** The trajectories of samples from noise to image as an animated GIF. */
import { toPixels } from "../../datasets/pixels.ts";
import { encodeGif } from "../../report/gif.ts";
import { CLASSES, PIXELS } from "../data.ts";
import { drawImages, namesOf } from "./pictures.ts";
import type { SampledStep } from "./samples.ts";

/** The most frames of an animation: enough for the eye, few enough for a report. */
const FRAMES = 32;

const COLUMNS = 5;

/** The indices of evenly spaced frames of `count`, including the first and the last. */
export function chooseFrames(count: number, most: number): number[] {
  const chosen = Math.min(count, most);
  return Array.from(
    { length: chosen },
    (_, i) => Math.round(i * (count - 1) / Math.max(1, chosen - 1)),
  );
}

/**
 * Draws a GIF file.
 *
 * @param frames From noise to images, each [count, 28, 28].
 * @param labels The classes of the samples [count]; undefined for a model without classes.
 */
export function drawAnimation(
  frames: readonly Uint8Array[],
  labels: ArrayLike<number> | undefined,
): Uint8Array<ArrayBuffer> {
  const names = labels && namesOf(labels);
  const pictures = chooseFrames(frames.length, FRAMES)
    .map((frame) => drawImages(frames[frame]!, { columns: COLUMNS, labels: names }));
  return encodeGif(pictures);
}

/** Records the trajectories of a few samples, one of each class, from the steps of drawSamples. */
export class TrajectoryRecorder {
  /** The indices of the recorded samples. */
  readonly chosen: readonly number[];
  readonly #frames: Uint8Array[] = [];

  /** @param labels The classes of all samples [count]. */
  constructor(labels: Int32Array) {
    const first = [...new Set(labels)].map((label) => labels.indexOf(label));
    // Of a single class, ten samples.
    this.chosen = first.length > 1
      ? first
      : Array.from({ length: Math.min(CLASSES, labels.length) }, (_, i) => i);
  }

  add({ step, first, samples }: SampledStep): void {
    const frame = this.#frames[step] ??= new Uint8Array(this.chosen.length * PIXELS);
    this.chosen.forEach((sample, i) => {
      const start = (sample - first) * PIXELS;
      if (start < 0 || start >= samples.length) return; // in another batch
      frame.set(toPixels(samples.subarray(start, start + PIXELS)), i * PIXELS);
    });
  }

  /** The frames from noise to images, each [chosen, 28, 28]. */
  get frames(): readonly Uint8Array[] {
    return this.#frames;
  }
}
