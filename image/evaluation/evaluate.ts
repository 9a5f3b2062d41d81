/** `--evaluate`: the quality of a model's samples, and the likelihood of held-out images. */
import { warn } from "../../cli/output.ts";
import { csv } from "../../base/csv.ts";
import { makeFolder, writeFileAtomic } from "../../base/files.ts";
import { Progress } from "../../cli/progress.ts";
import type { ImageSet } from "../../datasets/image_set.ts";
import { describeNetwork } from "../../diffusion/networks/image_network.ts";
import { isFlowSampler } from "../../diffusion/samplers/registry.ts";
import type { BoundVarianceType } from "../../diffusion/variational_bound.ts";
import type { Device } from "../../engine/device.ts";
import { randomStream } from "../../nn/random.ts";
import { encodePng } from "../../report/png.ts";
import { weightsHash } from "../../training/checkpoint/weights_identity.ts";
import { type SampledModel, samplingOptionsOf } from "../check_sampling.ts";
import type { Classifier } from "../classifier/checkpoint.ts";
import { hasClasses } from "../class_labels.ts";
import type { ImageConfig } from "../flags.ts";
import { samplingSettings } from "../report.ts";
import { drawWithProgress, labelsOf } from "../sampling/pictures.ts";
import { openSampling } from "../sampling/samples.ts";
import { nearestTraining } from "./neighbour_picture.ts";
import { checkSampleCount, openQualityMeter } from "./quality.ts";
import {
  type Evaluation,
  evaluationCsv,
  formatEvaluation,
  type SeedQuality,
} from "./result_file.ts";
import { measureTimesteps, type TimestepLosses } from "./timestep_losses.ts";

export interface EvaluationTask {
  readonly model: SampledModel;
  readonly config: ImageConfig;
  readonly samples: number;
  /** The number of seeds, from that of the configuration on. */
  readonly seeds: number;
  /** Whether bits per dimension are measured. @default true */
  readonly bitsPerDimension?: boolean | undefined;
  readonly classifier: Classifier;
  readonly data: ImageSet;
  readonly source: string;
  readonly command: string;
}

/** The results of an evaluation. */
export interface Evaluated {
  readonly evaluation: Evaluation;
  readonly timesteps: TimestepLosses | undefined;
  readonly neighbours: Uint8Array;
  readonly warnings: readonly string[];
}

/** Measures a model. The same task gives the same figures on the same device. */
export async function evaluateImages(device: Device, task: EvaluationTask): Promise<Evaluated> {
  const { model, config, samples, classifier, data } = task;
  checkSampleCount(samples, data);
  const classes = hasClasses(model.config);
  const { features } = classifier.config;
  const warnings = samples > features ? [] : [
    `the covariance of ${features} features is singular with ${samples} samples: FID is far too high. ` +
    "2,048 samples are usual",
  ];
  warnings.forEach((line) => warn(`warning: ${line}`));

  await using meter = await openQualityMeter(device, classifier, data);
  const real = await meter.measureReal(samples);
  const subsetFid = await meter.measureSubset(samples);
  const seeds: SeedQuality[] = [];
  let first: Uint8Array | undefined;
  for (let seed = config.seed; seed < config.seed + task.seeds; seed++) {
    const { pixels, labels } = await drawEvaluationSet(device, task, seed);
    first ??= pixels;
    seeds.push({ seed, ...await meter.measure(pixels, classes ? labels : undefined) });
  }
  const timesteps = task.bitsPerDimension ?? true ? await measureBound(device, task) : undefined;
  const nearest = await nearestTraining(device, first!, data, classes);
  const evaluation: Evaluation = {
    samples,
    seeds,
    real,
    subsetFid,
    classifierAccuracy: meter.testAccuracy,
    bitsPerDimension: timesteps?.bitsPerDimension,
    loss: timesteps?.loss,
    nearestToSamples: nearest.samples,
    nearestToTestImages: nearest.testImages,
    protocol: protocolOf(task, timesteps, nearest.measured),
    model: { source: task.source, weights: weightsHash(model.parameters) },
    classifier: weightsHash(classifier.parameters),
    command: task.command,
  };
  return { evaluation, timesteps, neighbours: encodePng(nearest.picture), warnings };
}

/** Samples per batch: the usual 2,048 are sixteen batches, and larger ones are no faster. */
const EVALUATION_BATCH = 128;

/** Generates samples, equally many of each class: pixels [N, 28, 28] and classes [N]. */
export async function drawEvaluationSet(
  device: Device,
  { model, config, samples }: Pick<EvaluationTask, "model" | "config" | "samples">,
  seed: number,
): Promise<{ pixels: Uint8Array; labels: Int32Array }> {
  const labels = labelsOf(samples, model.images);
  const pixels = await drawWithProgress(device, model, { ...config, seed }, {
    labels,
    batchSize: EVALUATION_BATCH,
    label: `sampling, seed ${seed}:`,
  });
  return { pixels, labels };
}

/** The variational bound and the loss on the test images; flow matching has no bound. */
async function measureBound(
  device: Device,
  { model, config, data }: Pick<EvaluationTask, "model" | "config" | "data">,
): Promise<TimestepLosses | undefined> {
  if (isFlowSampler(config.sampler)) return undefined;
  const options = samplingOptionsOf(model, config);
  const varianceType = boundVariance(model);
  await using session = openSampling(device, {
    ...options,
    guidance: undefined,
    sampler: "ddpm", // the bound is about its steps
    samplerOptions: { ...options.samplerOptions, varianceType },
  });
  let progress: Progress | undefined;
  try {
    return await measureTimesteps((labels) => session.denoiser(labels), {
      images: data.test,
      schedule: model.schedule,
      bound: { varianceType },
      random: randomStream(0).stream("bits per dimension"),
      onProgress: (done, total) => {
        progress ??= new Progress({ total, label: "bits per dimension:", unit: "batches" });
        progress.update(done);
      },
    });
  } finally {
    await progress?.stop();
  }
}

/** The variance of the bound's steps: learned if the model has it, else the larger of the fixed ones. */
function boundVariance({ config }: SampledModel): BoundVarianceType {
  return describeNetwork(config, 1).learnedVariance ? "learned_range" : "fixed_large";
}

/** The protocol of each figure, by the figure's name in files. */
function protocolOf(
  { model, config, samples, seeds, classifier, data }: EvaluationTask,
  timesteps: TimestepLosses | undefined,
  measured: number,
): Record<string, string> {
  const n = (count: number) => count.toLocaleString("en");
  const bundled = data.origin === "sample" ? " of the bundled sample" : "";
  const test = `the ${n(data.test.labels.length)} test images${bundled}`;
  const compared = n(Math.min(samples, data.test.labels.length));
  const classes = hasClasses(model.config);
  const { features } = classifier.config;
  const lastSeed = config.seed + seeds - 1;
  return {
    samples: `${n(samples)} samples with ${samplingSettings(config)}, ` +
      (classes ? "equally many of each class, " : "without classes, ") +
      (seeds === 1 ? `seed ${config.seed}` : `mean over the seeds ${config.seed} to ${lastSeed}`),
    fid: `Frechet distance between the samples and ${test}, on ${features} features of this ` +
      "project's FashionMNIST classifier, in float64",
    kid: `unbiased kernel distance with the kernel (x.y / ${features} + 1)^3 between the samples ` +
      `and ${test}, on the same features`,
    ...(classes
      ? { class_agreement: "share of samples that the classifier assigns to their class" }
      : {}),
    precision:
      `share of ${compared} samples within the 3-nearest-neighbour sphere of at least one ` +
      `of ${compared} test images, on the same features`,
    recall: `share of ${compared} test images within the 3-nearest-neighbour sphere of at least ` +
      `one of ${compared} samples, on the same features`,
    real_images: `${n(samples)} training images instead of samples, equally many of each class; ` +
      "the classifier was trained on the training images",
    ...(timesteps === undefined ? {} : {
      bits_per_dimension: `variational bound of ${n(timesteps.images)} test images` +
        `${classes ? " given their classes" : ""}, variance ${boundVariance(model)}; timestep ` +
        `0 is measured on all of them, each other one of the ` +
        `${n(model.schedule.numTrainTimesteps)} on ${timesteps.imagesAtATimestep}`,
      loss: `mean squared error of ${model.schedule.predictionType} on the same images, ` +
        "unweighted, mean over all timesteps",
    }),
    nearest:
      `median over ${n(measured)} samples of the root mean squared difference to the nearest ` +
      `of ${n(data.train.labels.length)} training images, in grey levels from 0 to 255`,
  };
}

/** Writes evaluation.json, evaluation.csv, timesteps.csv and neighbours.png into a folder. */
export async function saveEvaluation(
  directory: string,
  { evaluation, timesteps, neighbours }: Evaluated,
): Promise<void> {
  await makeFolder(directory);
  const files: [name: string, content: string | Uint8Array][] = [
    ["evaluation.csv", evaluationCsv(evaluation)],
    ["neighbours.png", neighbours],
    ["evaluation.json", formatEvaluation(evaluation)],
  ];
  if (timesteps !== undefined) {
    const { bits, losses } = timesteps;
    const rows = Array.from(bits, (value, timestep) => [timestep, value, losses[timestep]]);
    files.unshift(["timesteps.csv", csv([["timestep", "bits_per_dimension", "loss"], ...rows])]);
  }
  for (const [name, content] of files) await writeFileAtomic(`${directory}/${name}`, content);
}
