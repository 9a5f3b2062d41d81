/** The samples of a seed, as they are measured. */
import type { Device } from "../../engine/device.ts";
import { randomStream } from "../../nn/random.ts";
import type { ImageConfig } from "../flags.ts";
import { Progress } from "../../cli/progress.ts";
import { drawSamples } from "./samples.ts";
import { type SampledModel, samplingOptionsOf } from "./options.ts";
import { labelsOf } from "./grid.ts";
import { evaluationsOf } from "./session.ts";

/** Samples that are drawn together: sixteen batches make the usual 2,048, and larger ones are no faster. */
const EVALUATION_BATCH = 128;

/** A model, how it is sampled, and how many samples there are to be. */
export interface SeedTask {
  /** The model. */
  readonly model: SampledModel;
  /** How it is sampled. */
  readonly config: ImageConfig;
  /** How many. */
  readonly samples: number;
}

/**
 * Draws samples, as many of each class.
 *
 * @returns Their pixels [N, 28, 28] and their classes [N].
 */
export async function drawEvaluationSet(
  device: Device,
  { model, config, samples }: SeedTask,
  seed: number,
): Promise<{ pixels: Uint8Array; labels: Int32Array }> {
  const labels = labelsOf(samples, undefined);
  const evaluations = evaluationsOf(config.sampler, config.sampleSteps);
  await using progress = new Progress({
    total: Math.ceil(samples / EVALUATION_BATCH) * evaluations,
    itemsPerStep: Math.min(samples, EVALUATION_BATCH) / evaluations,
    label: `sampling, seed ${seed}:`,
  });
  const pixels = await drawSamples(device, {
    ...samplingOptionsOf(model, config),
    labels,
    random: randomStream(seed).stream("samples"),
    batchSize: EVALUATION_BATCH,
    onProgress: (done) => progress.update(done),
  });
  return { pixels, labels };
}
