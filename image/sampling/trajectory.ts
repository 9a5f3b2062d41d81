/** `--trajectory`: how samples emerge from noise. */
import { FASHION_MNIST_CLASSES } from "../../datasets/fashion_mnist.ts";
import { toPixels } from "../../datasets/pixels.ts";
import { describeNetwork } from "../../diffusion/networks/image_network.ts";
import { samplerOf } from "../../diffusion/samplers/registry.ts";
import { noiseOf, randomStream } from "../../nn/random.ts";
import { drawGrid } from "../../report/grid.ts";
import { CLASSES, SIDE } from "../config.ts";
import { chooseFrames, drawAnimation } from "./animation.ts";
import { openTool, PIXELS, type ToolTask } from "./tool.ts";
import { labelsOf, writeBytes, writePicture } from "./grid.ts";
import { evaluationsOf } from "./session.ts";

/** Pictures of a row at the most. */
const FRAMES = 11;

/**
 * Draws a sample of each class, or as many of one, and writes a row for each: the noise at its left, the
 * sample at its right, steps between them, their numbers above; and beside it, all steps as an animation.
 *
 * @param only The class, if not all.
 * @returns The PNG file's bytes.
 */
export async function drawTrajectory(
  task: ToolTask,
  only: number | undefined,
): Promise<Uint8Array> {
  const { config, model } = task;
  const { sampler, sampleSteps, seed } = config;
  const count = Math.min(config.samples, CLASSES);
  const labels = labelsOf(count, only);
  await using tool = await openTool(task, {
    evaluations: evaluationsOf(sampler, sampleSteps),
    images: count,
    label: "sampling",
  });
  const random = randomStream(seed).stream("samples");
  const noiseAt = noiseOf(random, [...labels.keys()], PIXELS);
  const frames = [toPixels(noiseAt(0))]; // each [count, 28, 28]
  const trajectory = samplerOf(sampler)(tool.denoiser(labels), noiseAt(0), model.schedule, {
    ...tool.settings.samplerOptions,
    noise: (_length, step) => noiseAt(step + 1),
  });
  for await (const { sample } of trajectory) frames.push(toPixels(sample));

  const known = describeNetwork(model.config, 1).numClassEmbeds !== null;
  const animation = drawAnimation(frames, known ? labels : undefined);
  await writeBytes(task.path.replace(/\.png$/, ".gif"), animation);
  const chosen = chooseFrames(frames.length, FRAMES);
  const data = new Uint8Array(count * chosen.length * PIXELS);
  chosen.forEach((frame, column) => {
    for (let row = 0; row < count; row++) {
      const image = frames[frame]!.subarray(row * PIXELS, (row + 1) * PIXELS);
      data.set(image, (row * chosen.length + column) * PIXELS);
    }
  });
  const grid = drawGrid({ width: SIDE, height: SIDE, channels: 1, data }, {
    columns: chosen.length,
    columnLabels: chosen.map(String),
    ...(known ? { rowLabels: Array.from(labels, (label) => FASHION_MNIST_CLASSES[label]!) } : {}),
  });
  return await writePicture(task.path, grid);
}
