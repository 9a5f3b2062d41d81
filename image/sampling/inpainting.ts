/** `--inpaint` and `--from-step`: test images that are regenerated in part, or from an intermediate noise level. */
import { decode, type DecodedPng } from "fast-png";
import { usageError } from "../../base/errors.ts";
import { warn } from "../../cli/output.ts";
import { fileError } from "../../base/file_errors.ts";
import { quote } from "../../base/quote.ts";
import type { LabelledImages } from "../../datasets/batches.ts";
import { toModelRange, toPixels } from "../../datasets/pixels.ts";
import { imageToImage, inpaint } from "../../diffusion/inpaint.ts";
import type { ReportPicture } from "../../report/sections.ts";
import { samplerOf } from "../../diffusion/samplers/registry.ts";
import { lastSample } from "../../diffusion/samplers/types.ts";
import { noiseOf, randomStream } from "../../nn/random.ts";
import { type ImageKind, pixelsOf } from "../../datasets/image_set.ts";
import { imageAt } from "../data.ts";
import {
  drawImages,
  labelsOf,
  openPicture,
  pickImages,
  type PictureTask,
  SAMPLE_BATCH,
  writePicture,
} from "./pictures.ts";
import { evaluationsOf } from "./samples.ts";

/** The most bytes of a mask's file: compressed data can be a thousand times as large when decoded. */
const MOST_BYTES = 65_536;

/** The halves that `--inpaint` names: whether a pixel is in it, by its shares of the height and of the width. */
const HALVES = new Map<string, (down: number, right: number) => boolean>([
  ["left", (_, right) => right < 0.5],
  ["right", (_, right) => right >= 0.5],
  ["half", (_, right) => right >= 0.5],
  ["top", (down) => down < 0.5],
  ["bottom", (down) => down >= 0.5],
]);

/**
 * Reads the mask of `--inpaint`: a half of the image, or a PNG file that is white where images are
 * regenerated; if it has one colour only, the opacity tells. Returns [H, W]: 1 keeps a pixel, 0
 * regenerates it.
 */
export async function readMask(
  mask: string,
  { height, width }: Pick<ImageKind, "height" | "width">,
): Promise<Float32Array> {
  const pixels = height * width;
  const half = HALVES.get(mask);
  if (half !== undefined) {
    return Float32Array.from(
      { length: pixels },
      (_, i) => half(Math.floor(i / width) / height, (i % width) / width) ? 0 : 1,
    );
  }
  const refuse = (what: string) =>
    usageError(
      `--inpaint ${mask} has ${what}: it must have ${width}x${height} pixels of 8 or 16 bits, grey or RGB.`,
    );
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    const { size } = await Deno.stat(mask);
    if (size > MOST_BYTES) throw refuse(`${size} bytes, more than such a picture needs`);
    bytes = await Deno.readFile(mask);
  } catch (error) {
    throw fileError(error, `read the mask ${mask}`);
  }
  // The decoder allocates as much as the header declares, so the header is checked first (PNG, 11.2.2).
  if (bytes.length >= 24 && new TextDecoder().decode(bytes.subarray(1, 4)) === "PNG") {
    const header = new DataView(bytes.buffer, bytes.byteOffset);
    const found = [header.getUint32(16), header.getUint32(20)] as const;
    if (found[0] !== width || found[1] !== height) throw refuse(`${found.join("x")} pixels`);
  }
  let png: DecodedPng;
  try {
    png = decode(bytes);
  } catch (error) {
    throw usageError(`--inpaint ${mask} is not a PNG file: ${quote((error as Error).message)}.`);
  }
  const { channels, depth, data, palette } = png;
  if (palette !== undefined || depth < 8) {
    throw refuse(`pixels of ${palette ? "a palette" : `${depth} bits`}`);
  }
  const colors = channels > 2 ? 3 : 1; // the rest is opacity
  const at = (i: number) => data[i]! / (2 ** depth - 1);
  const white = Float32Array.from({ length: pixels }, (_, i) => {
    const sum = Array.from({ length: colors }, (_, c) => at(i * channels + c)).reduce((a, b) =>
      a + b
    );
    return sum / colors;
  });
  const opacity = white.map((_, i) => channels === colors ? 1 : at(i * channels + colors));
  const varies = (values: Float32Array) => values.some((value) => value !== values[0]);
  if (!varies(white) && varies(opacity)) {
    // White that is drawn on nothing, or a dark sheet with holes.
    const isDrawn = white[0]! > 0.5;
    warn(
      `--inpaint ${mask} has one colour, so its opacity is the mask: ` +
        `${isDrawn ? "opaque" : "transparent"} pixels are regenerated`,
    );
    return isDrawn ? opacity.map((value) => 1 - value) : opacity;
  }
  if (white.some((value) => value > 0)) return white.map((value) => 1 - value);
  throw usageError(`--inpaint ${mask} is all black: make the pixels to regenerate white.`);
}

/**
 * Draws and writes pairs of a test image and its regenerated version.
 *
 * @param options `classes`: those of the images, if not all. `mask`: the pixels to keep [H, W], if any.
 * `fromStep`: the number of steps to skip, in [0, S).
 */
export async function drawInpainting(
  task: PictureTask,
  { images, classes, mask, fromStep = 0 }: {
    images: LabelledImages;
    classes: readonly number[] | undefined;
    mask: Float32Array | undefined;
    fromStep?: number | undefined;
  },
): Promise<ReportPicture> {
  const { config, model: { schedule, images: kind } } = task;
  const { channels } = kind;
  const size = pixelsOf(kind);
  const { sampler, samples: count, sampleSteps, seed } = config;
  const labels = labelsOf(count, kind, classes);
  const random = randomStream(seed).stream("inpainting");
  const originals = pickImages(images, labels, { random, classNames: kind.classNames }).images;
  const batches = Math.ceil(count / SAMPLE_BATCH);
  await using session = await openPicture(task, {
    evaluations: batches * evaluationsOf(sampler, sampleSteps - fromStep),
    images: count,
    label: "inpainting",
  });
  // The share of the steps to take is rounded down later: half a step more is safe from rounding errors.
  const strength = Math.min(1, (sampleSteps - fromStep + 0.5) / sampleSteps);
  const data = new Uint8Array(2 * count * size); // pairs [count, 2, H, W, C]
  for (let start = 0; start < count; start += SAMPLE_BATCH) {
    const batch = labels.slice(start, start + SAMPLE_BATCH);
    const original = originals.subarray(start * size, (start + batch.length) * size);
    const noiseAt = noiseOf(random, Array.from(batch, (_, i) => start + i), size);
    const options = {
      sampler: samplerOf(sampler),
      denoise: session.denoiser(batch),
      noise: noiseAt(0),
      schedule,
      image: toModelRange(original),
      strength,
      options: {
        ...session.options.samplerOptions,
        noise: (_length: number, step: number) => noiseAt(step + 1),
      },
    };
    const trajectory = mask === undefined ? imageToImage(options) : inpaint({
      ...options,
      mask: options.image.map((_, i) => mask[Math.floor(i % size / channels)]!),
    });
    const regenerated = toPixels(await lastSample(trajectory));
    batch.forEach((_, i) => {
      data.set(imageAt(original, i, size), 2 * (start + i) * size);
      data.set(imageAt(regenerated, i, size), (2 * (start + i) + 1) * size);
    });
  }
  const columns = 2 * Math.max(1, Math.min(8, Math.ceil(count / 10))); // even, so that pairs stay together
  const columnLabels = Array.from({ length: columns }, (_, i) => i % 2 === 0 ? "test" : "new");
  return {
    caption: mask === undefined
      ? `Pairs: a test image, and what is made of it from step ${fromStep} of ${sampleSteps} on`
      : "Pairs: a test image, and the same image inpainted",
    png: await writePicture(task.path, drawImages(data, kind, { columns, columnLabels })),
  };
}
