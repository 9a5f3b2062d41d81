/** Samples on their way from noise, as an animated picture. */
import { FASHION_MNIST_CLASSES } from "../../datasets/fashion_mnist.ts";
import { toPixels } from "../../datasets/pixels.ts";
import { encodeGif } from "../../report/gif.ts";
import { drawGrid } from "../../report/grid.ts";
import { CLASSES, SIDE } from "../config.ts";
import type { SampledStep } from "./samples.ts";

const PIXELS = SIDE * SIDE;

/** Frames of an animation at the most: enough for the eye, few enough for a report. */
const FRAMES = 32;

/** Samples a row. */
const COLUMNS = 5;

/**
 * The frames that are shown, equally far apart, the first and the last among them.
 *
 * @param count How many there are, at least 1.
 * @param most How many are shown at the most.
 * @returns Rising.
 */
export function chooseFrames(count: number, most: number): number[] {
  const shown = Math.min(count, most);
  return Array.from(
    { length: shown },
    (_, i) => Math.round(i * (count - 1) / Math.max(1, shown - 1)),
  );
}

/**
 * Draws an animation.
 *
 * @param frames From noise to samples, each [count, 28, 28].
 * @param labels The samples' classes [count]; undefined for a model without classes.
 * @returns The GIF file's bytes.
 */
export function drawAnimation(
  frames: readonly Uint8Array[],
  labels: ArrayLike<number> | undefined,
): Uint8Array<ArrayBuffer> {
  const names = labels === undefined
    ? {}
    : { labels: Array.from(labels, (label) => FASHION_MNIST_CLASSES[label]!) };
  return encodeGif(
    chooseFrames(frames.length, FRAMES).map((frame) =>
      drawGrid({ width: SIDE, height: SIDE, channels: 1, data: frames[frame]! }, {
        columns: COLUMNS,
        ...names,
      })
    ),
  );
}

/** Collects what drawSamples tells of a few samples, one of each class, step by step. */
export class TrajectoryRecorder {
  /** The numbers of the samples. */
  readonly chosen: readonly number[];
  readonly #frames: Uint8Array[] = [];

  /** @param labels The classes of all samples that are drawn [count]. */
  constructor(labels: Int32Array) {
    const first = [...new Set(labels)].map((label) => labels.indexOf(label));
    // Of a single class, as many as there would be of ten.
    this.chosen = first.length > 1
      ? first
      : Array.from({ length: Math.min(CLASSES, labels.length) }, (_, i) => i);
  }

  /** Takes what is shown of a step. */
  add({ step, first, samples }: SampledStep): void {
    const frame = this.#frames[step] ??= new Uint8Array(this.chosen.length * PIXELS);
    this.chosen.forEach((number, i) => {
      const start = (number - first) * PIXELS;
      if (start < 0 || start >= samples.length) return; // of another batch
      frame.set(toPixels(samples.subarray(start, start + PIXELS)), i * PIXELS);
    });
  }

  /** From noise to samples, each [chosen, 28, 28]. */
  get frames(): readonly Uint8Array[] {
    return this.#frames;
  }
}
