/** `--interpolate A,B`: rows of images that go from one class to another. */
import type { LabelledImages } from "../../datasets/batches.ts";
import { toModelRange, toPixels } from "../../datasets/pixels.ts";
import { decode, encode } from "../../diffusion/encode.ts";
import { interpolateNoise } from "../../diffusion/interpolate.ts";
import { type Denoiser, lastSample } from "../../diffusion/samplers/types.ts";
import { samplerOf } from "../../diffusion/samplers/registry.ts";
import { noiseOf, randomStream } from "../../nn/random.ts";
import { drawGrid } from "../../report/grid.ts";
import { SIDE } from "../config.ts";
import { openTool, pickImages, PIXELS, type ToolTask } from "./tool.ts";
import { writePicture } from "./grid.ts";
import { evaluationsOf } from "./session.ts";

/** Images from one end of a row to the other. */
export const COLUMNS = 10;

/**
 * A denoiser whose answer for sample i is the first one's at fraction 0, the second one's at 1, and a
 * mixture between them, as the noise is.
 *
 * @param fractions [B], in [0, 1].
 */
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
 * Draws the rows and writes them. Between two noises, or between the noises that ddim encodes two images
 * as, they follow the arc (Song et al. 2021, section 5.3 and 5.4); the classes are mixed in proportion.
 *
 * @param ends `classes`: the class at each end. `images`: if given, each row goes from one of them to
 * another, which stand at its ends as they are; otherwise from a sample to another.
 * @returns The PNG file's bytes.
 */
export async function drawInterpolation(
  task: ToolTask,
  { classes: [from, to], images }: {
    classes: readonly [number, number];
    images?: LabelledImages | undefined;
  },
): Promise<Uint8Array> {
  const { config, model } = task;
  const { sampler, sampleSteps, seed } = config;
  const rows = Math.max(1, Math.floor(config.samples / COLUMNS));
  const fractions = Array.from({ length: COLUMNS }, (_, i) => i / (COLUMNS - 1));
  const row = evaluationsOf(sampler, sampleSteps) * (from === to ? 1 : 2);
  await using tool = await openTool(task, {
    evaluations: rows * row + (images === undefined ? 0 : sampleSteps),
    images: rows * COLUMNS,
    label: "interpolating",
  });
  const { samplerOptions } = tool.settings;
  const all = (label: number) => tool.denoiser(new Int32Array(COLUMNS).fill(label));
  // A new one for each row: a model that is shown its estimates remembers the last.
  const denoiserOfRow = () => from === to ? all(from) : mixDenoisers(all(from), all(to), fractions);

  // Ends of all rows, [2 rows, 28, 28]: those of row r are 2 r and 2 r + 1.
  const random = randomStream(seed).stream("interpolation");
  const labels = Int32Array.from({ length: 2 * rows }, (_, i) => i % 2 === 0 ? from : to);
  const picked = images === undefined ? undefined : pickImages(images, labels, random);
  const ends = picked === undefined ? noiseOf(random, [...labels.keys()], PIXELS)(0) : await encode(
    tool.denoiser(labels),
    toModelRange(picked.images),
    model.schedule,
    samplerOptions,
  );

  const drawn: Uint8Array[] = [];
  for (let r = 0; r < rows; r++) {
    const [a, b] = [2 * r, 2 * r + 1].map((i) => ends.subarray(i * PIXELS, (i + 1) * PIXELS));
    const denoise = denoiserOfRow();
    const start = interpolateNoise(a!, b!, COLUMNS); // [COLUMNS, 28, 28]
    if (picked !== undefined) {
      const original = (i: number) => picked.images.subarray(i * PIXELS, (i + 1) * PIXELS);
      const between = toPixels(await decode(denoise, start, model.schedule, samplerOptions));
      drawn.push(original(2 * r), between, original(2 * r + 1));
      continue;
    }
    // A sampler that adds noise adds the same to all of a row, or they would have little in common.
    const noiseAt = noiseOf(random, new Array(COLUMNS).fill(2 * r), PIXELS);
    const trajectory = samplerOf(sampler)(denoise, start, model.schedule, {
      ...samplerOptions,
      noise: (_length, step) => noiseAt(step + 1),
    });
    drawn.push(toPixels(await lastSample(trajectory)));
  }
  const columns = COLUMNS + (picked === undefined ? 0 : 2);
  const data = new Uint8Array(rows * columns * PIXELS);
  let offset = 0;
  for (const part of drawn) {
    data.set(part, offset);
    offset += part.length;
  }
  return await writePicture(
    task.path,
    drawGrid({ width: SIDE, height: SIDE, channels: 1, data }, { columns }),
  );
}
