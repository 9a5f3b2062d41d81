/** What the tools of --sample-only have in common. */
import { gatherImages, type LabelledImages } from "../../datasets/batches.ts";
import { FASHION_MNIST_CLASSES } from "../../datasets/fashion_mnist.ts";
import { usageError } from "../../base/errors.ts";
import type { Device } from "../../engine/device.ts";
import { makeFolder } from "../../base/files.ts";
import type { RandomStream } from "../../nn/random.ts";
import { SIDE } from "../config.ts";
import type { ImageConfig } from "../flags.ts";
import { Progress } from "../../cli/progress.ts";
import { type SampledModel, type SamplingOptions, samplingOptionsOf } from "./options.ts";
import { openSampling, type SamplingSession } from "./session.ts";

/** Numbers an image. */
export const PIXELS = SIDE * SIDE;

/** What a tool draws with, and where to. */
export interface ToolTask {
  /** Where tensors are computed. */
  readonly device: Device;
  /** The model. */
  readonly model: SampledModel;
  /** The settings, resolved. */
  readonly config: ImageConfig;
  /** The PNG file to write. */
  readonly path: string;
}

/** A compiled model with a progress line. */
export interface Tool extends SamplingSession {
  /** How it is sampled. */
  readonly settings: SamplingOptions;
}

/**
 * Makes the folder, compiles the model and starts a progress line.
 *
 * @param evaluations How often the denoisers will be asked.
 * @param images Images that come of it.
 */
export async function openTool(
  { device, model, config, path }: ToolTask,
  { evaluations, images, label }: { evaluations: number; images: number; label: string },
): Promise<Tool> {
  await makeFolder(path.slice(0, path.lastIndexOf("/"))); // known to fail before the work is done
  const settings = samplingOptionsOf(model, config);
  const progress = new Progress({ total: evaluations, itemsPerStep: images / evaluations, label });
  let done = 0;
  const session = openSampling(device, settings, () => progress.update(++done));
  return {
    settings,
    denoiser: (labels) => session.denoiser(labels),
    async [Symbol.asyncDispose]() {
      await progress.stop();
      await session[Symbol.asyncDispose]();
    },
  };
}

/**
 * An image of each class that is asked for, none twice.
 *
 * @param labels The classes [B].
 * @param random Decides which.
 * @returns The images, [B, 28, 28], and labels.
 * @throws {UserError} With exit code 2 if there are too few.
 */
export function pickImages(
  images: LabelledImages,
  labels: Int32Array,
  random: RandomStream,
): LabelledImages {
  const order = [...random.permutation(images.labels.length)];
  const ofClass = Map.groupBy(order, (index) => images.labels[index]!);
  const next = new Map<number, number>();
  const indices = Uint32Array.from(labels, (label) => {
    const place = next.get(label) ?? 0;
    next.set(label, place + 1);
    const index = ofClass.get(label)?.[place];
    if (index !== undefined) return index;
    throw usageError(
      `there are ${place} test images of the class ${
        FASHION_MNIST_CLASSES[label]
      }: lower --samples.`,
    );
  });
  return gatherImages(images, indices);
}
