/** The trajectories of samples from noise to image as an animated GIF. */
import { toPixels } from "../../datasets/pixels.ts";
import { encodeGif } from "../../report/gif.ts";
import type { ImageKind } from "../../datasets/image_set.ts";
import { drawImages, namesOf } from "./pictures.ts";
import type { SampledStep } from "./samples.ts";

/** The most frames of an animation: enough for the eye, few enough for a report. */
const FRAMES = 32;

const COLUMNS = 5;
/** Samples of an animation. */
const MOST = 10;

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
 * @param frames From noise to images, each [count, H, W, C].
 * @param labels The classes of the samples [count]; undefined for a model without classes.
 */
export function drawAnimation(
  frames: readonly Uint8Array[],
  kind: ImageKind,
  labels: ArrayLike<number> | undefined,
): Uint8Array<ArrayBuffer> {
  const names = labels && namesOf(labels, kind);
  const pictures = chooseFrames(frames.length, FRAMES)
    .map((frame) => drawImages(frames[frame]!, kind, { columns: COLUMNS, labels: names }));
  return encodeGif(pictures);
}

/** Records the trajectories of a few samples, one of each class, at most ten, from the steps of drawSamples. */
export class TrajectoryRecorder {
  /** The indices of the recorded samples. */
  readonly chosen: readonly number[];
  readonly #frames: Uint8Array[] = [];
  readonly #size: number;

  /**
   * @param labels The classes of all samples [count].
   * @param size The numbers of a sample.
   */
  constructor(labels: Int32Array, size: number) {
    this.#size = size;
    const first = [...new Set(labels)].slice(0, MOST).map((label) => labels.indexOf(label));
    // Of a single class, ten samples.
    this.chosen = first.length > 1
      ? first
      : Array.from({ length: Math.min(MOST, labels.length) }, (_, i) => i);
  }

  add({ step, first, samples }: SampledStep): void {
    const size = this.#size;
    const frame = this.#frames[step] ??= new Uint8Array(this.chosen.length * size);
    this.chosen.forEach((sample, i) => {
      const start = (sample - first) * size;
      if (start < 0 || start >= samples.length) return; // in another batch
      frame.set(toPixels(samples.subarray(start, start + size)), i * size);
    });
  }

  /** The frames from noise to images, each [chosen, H, W, C]. */
  get frames(): readonly Uint8Array[] {
    return this.#frames;
  }
}
