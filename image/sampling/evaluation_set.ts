/** The samples of a seed that --evaluate and --study measure. */
import { Progress } from "../../cli/progress.ts";
import type { Device } from "../../engine/device.ts";
import { randomStream } from "../../nn/random.ts";
import { type SampledModel, samplingOptionsOf } from "../check_sampling.ts";
import type { ImageConfig } from "../flags.ts";
import { labelsOf } from "./pictures.ts";
import { drawSamples, evaluationsOf } from "./samples.ts";

/** Samples per batch: the usual 2,048 are sixteen batches, and larger ones are no faster. */
const EVALUATION_BATCH = 128;

/** A model, how it is sampled, and the number of samples. */
export interface EvaluationSetTask {
  /** The model. */
  readonly model: SampledModel;
  /** How it is sampled. */
  readonly config: ImageConfig;
  /** The number of samples. */
  readonly samples: number;
}

/**
 * Generates samples, equally many of each class.
 *
 * @returns Their pixels [N, 28, 28] and their classes [N].
 */
export async function drawEvaluationSet(
  device: Device,
  { model, config, samples }: EvaluationSetTask,
  seed: number,
): Promise<{ pixels: Uint8Array; labels: Int32Array }> {
  const labels = labelsOf(samples, undefined);
  const evaluations = evaluationsOf(config.sampler, config.sampleSteps);
  await using progress = new Progress({
    total: Math.ceil(samples / EVALUATION_BATCH) * evaluations,
    itemsPerStep: Math.min(samples, EVALUATION_BATCH) / evaluations,
    label: `sampling, seed ${seed}:`,
  });
  const pixels = await drawSamples(device, samplingOptionsOf(model, config), {
    labels,
    random: randomStream(seed).stream("samples"),
    batchSize: EVALUATION_BATCH,
    onProgress: (done) => progress.update(done),
  });
  return { pixels, labels };
}
