/** `--interpolate A,B`: rows of images between two classes. */
import type { LabelledImages } from "../../datasets/batches.ts";
import { toModelRange, toPixels } from "../../datasets/pixels.ts";
import { decode, encode } from "../../diffusion/encode.ts";
import { interpolateNoise } from "../../diffusion/interpolate.ts";
import { pixelsOf } from "../../datasets/image_set.ts";
import type { ReportPicture } from "../../report/sections.ts";
import { samplerOf } from "../../diffusion/samplers/registry.ts";
import { type Denoiser, lastSample } from "../../diffusion/samplers/types.ts";
import { noiseOf, randomStream } from "../../nn/random.ts";
import { imageAt } from "../data.ts";
import { drawImages, openPicture, pickImages, type PictureTask, writePicture } from "./pictures.ts";
import { evaluationsOf } from "./samples.ts";

const COLUMNS = 10;

/** A denoiser whose output for sample i is `(1 - fractions[i]) from + fractions[i] to`. */
export function mixDenoisers(
  from: Denoiser,
  to: Denoiser,
  fractions: readonly number[],
): Denoiser {
  return async (x, timestep) => {
    const [a, b] = [await from(x, timestep), await to(x, timestep)];
    const size = x.length / fractions.length;
    return a.map((value, i) => {
      const fraction = fractions[Math.floor(i / size)]!;
      return (1 - fraction) * value + fraction * b[i]!;
    });
  };
}

/**
 * Draws and writes the rows. Each row starts from noises on the arc between two noises (Song et al. 2021,
 * sections 5.3 and 5.4); the outputs for the two classes are mixed in the same proportion.
 *
 * @param ends `classes`: the class at each end. `images`: test images; if given, each row runs between two of
 * them, which ddim encodes as noise and which are shown at the ends. Otherwise it runs between two samples.
 */
export async function drawInterpolation(
  task: PictureTask,
  { classes: [from, to], images }: {
    classes: readonly [number, number];
    images?: LabelledImages | undefined;
  },
): Promise<ReportPicture> {
  const { config, model } = task;
  const { images: kind } = model;
  const { classNames } = kind;
  const size = pixelsOf(kind);
  const { sampler, sampleSteps, seed } = config;
  const rows = Math.max(1, Math.floor(config.samples / COLUMNS));
  const fractions = Array.from({ length: COLUMNS }, (_, i) => i / (COLUMNS - 1));
  const evaluationsOfRow = evaluationsOf(sampler, sampleSteps) * (from === to ? 1 : 2);
  await using session = await openPicture(task, {
    evaluations: rows * evaluationsOfRow + (images === undefined ? 0 : sampleSteps),
    images: rows * COLUMNS,
    label: "interpolating",
  });
  const { samplerOptions } = session.options;
  const ofClass = (label: number) => session.denoiser(new Int32Array(COLUMNS).fill(label));

  // The ends of all rows [2 rows, H, W, C]: 2 r and 2 r + 1 are those of row r.
  const random = randomStream(seed).stream("interpolation");
  const labels = Int32Array.from({ length: 2 * rows }, (_, i) => i % 2 === 0 ? from : to);
  const picked = images === undefined
    ? undefined
    : pickImages(images, labels, { random, classNames });
  const ends = picked === undefined ? noiseOf(random, [...labels.keys()], size)(0) : await encode(
    session.denoiser(labels),
    toModelRange(picked.images),
    model.schedule,
    samplerOptions,
  );

  const parts: Uint8Array[] = [];
  for (let r = 0; r < rows; r++) {
    // A denoiser per row, since a model with self-conditioning remembers its last estimate.
    const denoise = from === to
      ? ofClass(from)
      : mixDenoisers(ofClass(from), ofClass(to), fractions);
    const start = interpolateNoise(
      imageAt(ends, 2 * r, size),
      imageAt(ends, 2 * r + 1, size),
      COLUMNS,
    );
    if (picked !== undefined) {
      const between = toPixels(await decode(denoise, start, model.schedule, samplerOptions));
      parts.push(
        imageAt(picked.images, 2 * r, size),
        between,
        imageAt(picked.images, 2 * r + 1, size),
      );
      continue;
    }
    // Samplers that add noise add the same to all images of a row, which keeps them alike.
    const noiseAt = noiseOf(random, new Array(COLUMNS).fill(2 * r), size);
    const trajectory = samplerOf(sampler)(denoise, start, model.schedule, {
      ...samplerOptions,
      noise: (_length, step) => noiseAt(step + 1),
    });
    parts.push(toPixels(await lastSample(trajectory)));
  }
  const columns = COLUMNS + (picked === undefined ? 0 : 2);
  const data = new Uint8Array(rows * columns * size);
  let offset = 0;
  for (const part of parts) {
    data.set(part, offset);
    offset += part.length;
  }
  const [first, last] = [classNames[from]!, classNames[to]!];
  const shares = fractions.map((fraction) => `${Math.round(100 * fraction)} %`);
  const columnLabels = picked === undefined ? shares : ["test", ...shares, "test"];
  return {
    caption: `Rows from ${first} to ${last}; the numbers are the share of ${last}` +
      (picked === undefined ? "" : ", and at the ends are the test images that were encoded"),
    png: await writePicture(task.path, drawImages(data, kind, { columns, columnLabels })),
  };
}
