/** Samples as a labelled grid. */
import { FASHION_MNIST_CLASSES } from "../datasets/fashion_mnist.ts";
import type { SchedulerOptions } from "../diffusion/scheduler_config.ts";
import type { Device } from "../engine/device.ts";
import { makeFolder, writeFileAtomic } from "../engine/files.ts";
import { randomStream } from "../nn/random.ts";
import { drawGrid } from "../report/grid.ts";
import { encodePng } from "../report/png.ts";
import { CLASSES, nullClassOf, SIDE } from "../training/image_config.ts";
import type { ImageConfig } from "../training/image_flags.ts";
import { Progress } from "../training/progress.ts";
import { type DrawOptions, drawSamples } from "./draw_samples.ts";

/** Samples that are drawn together: enough for all cores, few enough for any memory. */
const SAMPLE_BATCH = 80;

/** A UNet that samples are drawn from. */
export interface SampledModel extends Pick<DrawOptions, "parameters" | "config" | "schedule"> {
  /** The sampler's options that its checkpoint names. */
  samplerOptions?: SchedulerOptions;
}

/**
 * Draws samples and writes them as a grid: a row a class, or as many as asked for of one class.
 *
 * @param target `path`: the PNG file. `only`: the class to draw, if not all.
 * @returns The PNG file's bytes.
 */
export async function sampleGrid(
  device: Device,
  model: SampledModel,
  config: ImageConfig,
  { path, only }: { path: string; only: number | undefined },
): Promise<Uint8Array> {
  const count = config.samples;
  const conditional = model.config.numClassEmbeds !== null;
  const byClass = conditional && only === undefined && count % CLASSES === 0;
  const labels = Int32Array.from(
    { length: count },
    (_, i) => only ?? Math.floor(i * CLASSES / count),
  );
  const { sampler, sampleSteps: numInferenceSteps, eta, timestepSpacing, varianceType } = config;
  await makeFolder(path.slice(0, path.lastIndexOf("/"))); // known to fail before the work is done
  await using progress = new Progress({
    total: Math.ceil(count / SAMPLE_BATCH) * numInferenceSteps,
    itemsPerStep: Math.min(count, SAMPLE_BATCH) / numInferenceSteps,
    label: "sampling",
  });
  const pixels = await drawSamples(device, {
    ...model,
    sampler,
    samplerOptions: {
      ...model.samplerOptions,
      ...{ numInferenceSteps, eta, timestepSpacing, varianceType },
      previousTimestep: "next",
      useClippedModelOutput: true, // guidance would work backwards without it
    },
    labels,
    nullClass: nullClassOf(model.config),
    guidanceScale: config.guidance,
    random: randomStream(config.seed).stream("samples"),
    batchSize: SAMPLE_BATCH,
    onProgress: (done) => progress.update(done),
  });
  const png = encodePng(drawGrid({ width: SIDE, height: SIDE, channels: 1, data: pixels }, {
    columns: byClass ? count / CLASSES : Math.ceil(Math.sqrt(count)),
    ...(byClass
      ? { rowLabels: [...FASHION_MNIST_CLASSES] }
      : conditional
      ? { labels: Array.from(labels, (label) => FASHION_MNIST_CLASSES[label]!) }
      : {}),
  }));
  await writeFileAtomic(path, png);
  console.log(`samples: ${path}`);
  return png;
}
