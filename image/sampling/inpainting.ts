/** `--inpaint` and `--from-step`: test images of which a part, or all in a measure, is drawn anew. */
import { decode, type DecodedPng } from "fast-png";
import type { LabelledImages } from "../../datasets/batches.ts";
import { toModelRange, toPixels } from "../../datasets/pixels.ts";
import { imageToImage, inpaint } from "../../diffusion/inpaint.ts";
import { lastSample } from "../../diffusion/samplers/types.ts";
import { samplerOf } from "../../diffusion/samplers/registry.ts";
import { usageError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import { quote } from "../../base/quote.ts";
import { noiseOf, randomStream } from "../../nn/random.ts";
import { drawGrid } from "../../report/grid.ts";
import { SIDE } from "../config.ts";
import { openTool, pickImages, PIXELS, type ToolTask } from "./tool.ts";
import { labelsOf, SAMPLE_BATCH, writePicture } from "./grid.ts";
import { evaluationsOf } from "./session.ts";

/** Bytes of a mask's file at most: few, since packed data can unpack to a thousand times as many. */
const MOST_BYTES = 65_536;

/**
 * Reads the mask of `--inpaint`.
 *
 * @param mask "half" for the right half, or a PNG file that is white where images are drawn anew.
 * @returns [28, 28]: 1 keeps a pixel, 0 draws it anew.
 * @throws {UserError} If the file cannot be read or is no such picture.
 */
export async function readMask(mask: string): Promise<Float32Array> {
  if (mask === "half") {
    return Float32Array.from({ length: PIXELS }, (_, i) => i % SIDE < SIDE / 2 ? 1 : 0);
  }
  const refuse = (what: string) =>
    usageError(
      `--inpaint ${mask} has ${what}: it must have ${SIDE}x${SIDE} of 8 or 16 bits, grey or RGB.`,
    );
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    const { size } = await Deno.stat(mask);
    if (size > MOST_BYTES) throw refuse(`${size} bytes, more than such a picture takes`);
    bytes = await Deno.readFile(mask);
  } catch (error) {
    throw fileError(error, `read the mask ${mask}`);
  }
  // Before it is decoded, since that allocates as much as the header asks for (PNG, section 11.2.2).
  if (bytes.length >= 24 && new TextDecoder().decode(bytes.subarray(1, 4)) === "PNG") {
    const header = new DataView(bytes.buffer, bytes.byteOffset);
    const [width, height] = [header.getUint32(16), header.getUint32(20)];
    if (width !== SIDE || height !== SIDE) throw refuse(`${width}x${height} pixels`);
  }
  let png: DecodedPng;
  try {
    png = decode(bytes);
  } catch (error) {
    throw usageError(`--inpaint ${mask} is no PNG file: ${quote((error as Error).message)}.`);
  }
  const { channels, depth, data, palette } = png;
  if (palette !== undefined || depth < 8) {
    throw refuse(`pixels of ${palette ? "a palette" : `${depth} bits`}`);
  }
  const colors = channels > 2 ? 3 : 1; // the others are opacity
  const known = Float32Array.from({ length: PIXELS }, (_, i) => {
    const sum = [...data.subarray(i * channels, i * channels + colors)].reduce((a, b) => a + b);
    return 1 - sum / colors / (2 ** depth - 1);
  });
  if (known.some((value) => value < 1)) return known;
  throw usageError(`--inpaint ${mask} is black all over: make white what is to be drawn anew.`);
}

/**
 * Draws and writes pairs: a test image, and what was made of it.
 *
 * @param what `images`: where test images are taken from. `only`: their class, if not all. `mask`: which
 * pixels are kept [28, 28], if any are. `fromStep`: steps that are left out, in [0, S).
 * @returns The PNG file's bytes.
 * @throws {UserError} With exit code 2 if no step is left, or there are too few images.
 */
export async function drawInpainting(
  task: ToolTask,
  { images, only, mask, fromStep = 0 }: {
    images: LabelledImages;
    only: number | undefined;
    mask: Float32Array | undefined;
    fromStep?: number | undefined;
  },
): Promise<Uint8Array> {
  const { config, model: { schedule } } = task;
  const { sampler, samples: count, sampleSteps, seed } = config;
  if (fromStep >= sampleSteps) {
    throw usageError(
      `--from-step ${fromStep} leaves none of the ${sampleSteps} --sample-steps: lower it to ` +
        `${sampleSteps - 1} at most.`,
    );
  }
  const labels = labelsOf(count, only);
  const random = randomStream(seed).stream("inpainting");
  const originals = pickImages(images, labels, random).images;
  const batches = Math.ceil(count / SAMPLE_BATCH);
  await using tool = await openTool(task, {
    evaluations: batches * evaluationsOf(sampler, sampleSteps - fromStep),
    images: count,
    label: "redrawing",
  });
  // In pairs, [count, 2, 28, 28].
  const data = new Uint8Array(2 * count * PIXELS);
  for (let start = 0; start < count; start += SAMPLE_BATCH) {
    const part = labels.slice(start, start + SAMPLE_BATCH);
    const old = originals.subarray(start * PIXELS, (start + part.length) * PIXELS);
    const noiseAt = noiseOf(random, Array.from(part, (_, i) => start + i), PIXELS);
    const whole = {
      sampler: samplerOf(sampler),
      denoise: tool.denoiser(part),
      noise: noiseAt(0),
      schedule,
      image: toModelRange(old),
      // As a share of the steps that is rounded down: half a step more is safe from rounding errors.
      strength: Math.min(1, (sampleSteps - fromStep + 0.5) / sampleSteps),
      options: {
        ...tool.settings.samplerOptions,
        noise: (_length: number, step: number) => noiseAt(step + 1),
      },
    };
    const trajectory = mask === undefined
      ? imageToImage(whole)
      : inpaint({ ...whole, mask: whole.image.map((_, i) => mask[i % PIXELS]!) });
    const redrawn = toPixels(await lastSample(trajectory));
    part.forEach((_, i) => {
      const image = (of: Uint8Array) => of.subarray(i * PIXELS, (i + 1) * PIXELS);
      data.set(image(old), 2 * (start + i) * PIXELS);
      data.set(image(redrawn), (2 * (start + i) + 1) * PIXELS);
    });
  }
  const columns = 2 * Math.max(1, Math.min(8, Math.ceil(count / 10))); // no pair is torn apart
  return await writePicture(
    task.path,
    drawGrid({ width: SIDE, height: SIDE, channels: 1, data }, { columns }),
  );
}
