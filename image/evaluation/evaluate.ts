/** `--evaluate`: how good a model's samples are, and how likely it finds held-out images. */
import type { FashionMnist } from "../../datasets/fashion_mnist.ts";
import { describeNetwork } from "../../diffusion/networks/image_network.ts";
import { isFlowSampler } from "../../diffusion/samplers/registry.ts";
import type { BoundVarianceType } from "../../diffusion/variational_bound.ts";
import type { Device } from "../../engine/device.ts";
import { makeFolder, writeFileAtomic } from "../../base/files.ts";
import { randomStream } from "../../nn/random.ts";
import { samplingSettings } from "../report.ts";
import { encodePng } from "../../report/png.ts";
import type { ImageConfig } from "../flags.ts";
import { Progress } from "../../cli/progress.ts";
import type { Classifier } from "../classifier/checkpoint.ts";
import { drawEvaluationSet } from "../sampling/evaluation_set.ts";
import { type SampledModel, samplingOptionsOf } from "../sampling/options.ts";
import { csv } from "../../base/csv.ts";
import {
  type Evaluation,
  evaluationCsv,
  formatEvaluation,
  type SeedQuality,
} from "./result_file.ts";
import { nearestTraining } from "./neighbour_picture.ts";
import { checkSampleCount, openQualityMeter } from "./quality_meter.ts";
import { openSampling } from "../sampling/session.ts";
import { measureTimesteps, type TimestepLosses } from "./timestep_losses.ts";
import { weightsHash } from "../../training/checkpoint/weights_identity.ts";

/** What is evaluated, and with what. */
export interface EvaluationTask {
  /** The model. */
  readonly model: SampledModel;
  /** How it is sampled. */
  readonly config: ImageConfig;
  /** Samples a seed. */
  readonly samples: number;
  /** Seeds, from the configuration's on. */
  readonly seeds: number;
  /** The classifier whose features are compared. */
  readonly classifier: Classifier;
  /** The images that samples are compared with. */
  readonly data: FashionMnist;
  /** Where the model is from. */
  readonly source: string;
  /** The command, for the record. */
  readonly command: string;
}

/** What comes of an evaluation. */
export interface Evaluated {
  /** The figures. */
  readonly evaluation: Evaluation;
  /** Timestep by timestep; undefined for a flow. */
  readonly timesteps: TimestepLosses | undefined;
  /** Samples beside the training images nearest to them, as a PNG file's bytes. */
  readonly neighbours: Uint8Array;
  /** What readers must know first. */
  readonly warnings: readonly string[];
}

/** The bound and the loss of the test images; a flow has no bound. */
async function measureBound(
  device: Device,
  { model, config, data }: Pick<EvaluationTask, "model" | "config" | "data">,
): Promise<TimestepLosses | undefined> {
  if (isFlowSampler(config.sampler)) return undefined;
  const settings = samplingOptionsOf(model, config);
  const varianceType = boundVariance(model);
  await using session = openSampling(device, {
    ...settings,
    guidanceScale: 1,
    sampler: "ddpm", // whose steps the bound is of
    samplerOptions: { ...settings.samplerOptions, varianceType },
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

/**
 * The variance of the steps that the bound is of: the model's own, or the larger of the two fixed ones,
 * whatever it is sampled with.
 */
function boundVariance({ config }: Pick<EvaluationTask["model"], "config">): BoundVarianceType {
  return describeNetwork(config, 1).learnedVariance ? "learned_range" : "fixed_large";
}

/**
 * Measures a model. The same task gives the same figures on the same device.
 *
 * @throws {UserError} If there are more samples than training images, or the model gives numbers that
 * are not finite.
 */
export async function evaluateImages(device: Device, task: EvaluationTask): Promise<Evaluated> {
  const { model, config, samples, classifier, data } = task;
  checkSampleCount(samples, data);
  const conditional = describeNetwork(model.config, 1).numClassEmbeds !== null;
  const warnings = tooFewFor(samples, classifier.config.features);
  warnings.forEach((line) => console.error(`warning: ${line}`));

  await using meter = await openQualityMeter(device, classifier, data);
  const real = await meter.measureReal(samples);
  const partFid = await meter.measurePart(samples);
  const seeds: SeedQuality[] = [];
  let first: Uint8Array | undefined;
  for (let seed = config.seed; seed < config.seed + task.seeds; seed++) {
    const { pixels, labels } = await drawEvaluationSet(device, task, seed);
    first ??= pixels;
    seeds.push({ seed, ...await meter.measure(pixels, conditional ? labels : undefined) });
  }
  const timesteps = await measureBound(device, task);
  const nearest = await nearestTraining(device, first!, data, conditional);
  const evaluation: Evaluation = {
    ...{ samples, seeds, real, partFid, classifierAccuracy: meter.testAccuracy },
    bitsPerDimension: timesteps?.bitsPerDimension,
    loss: timesteps?.loss,
    nearestToSamples: nearest.samples,
    nearestToTestImages: nearest.testImages,
    protocol: protocolOf(task, timesteps, nearest.measured),
    model: { source: task.source, weights: await weightsHash(model.parameters) },
    classifier: await weightsHash(classifier.parameters),
    command: task.command,
  };
  return { evaluation, timesteps, neighbours: encodePng(nearest.picture), warnings };
}

/** What is wrong with a covariance of too few samples. */
function tooFewFor(samples: number, features: number): string[] {
  if (samples > features) return [];
  return [
    `${samples} samples cannot fill a covariance of ${features} features, which is singular: their ` +
    "FID is far too high, and tells nothing but that the program runs. 2,048 are usual",
  ];
}

/** How each figure is measured, by its name in files. */
function protocolOf(
  { model, config, samples, seeds, classifier, data }: EvaluationTask,
  timesteps: TimestepLosses | undefined,
  measured: number,
): Record<string, string> {
  const n = (count: number) => count.toLocaleString("en");
  const test = `the ${n(data.test.labels.length)} test images` +
    (data.origin === "sample" ? " of the bundled sample" : "");
  const compared = Math.min(samples, data.test.labels.length);
  const conditional = describeNetwork(model.config, 1).numClassEmbeds !== null;
  const { features } = classifier.config;
  const drawn = `${n(samples)} samples by ${samplingSettings(config)}, ` +
    (conditional ? "as many of each class" : "without classes") +
    (seeds === 1
      ? `, seed ${config.seed}`
      : `, each of the seeds ${config.seed} to ${config.seed + seeds - 1}; the mean of these`);
  const given = conditional ? ", class given" : "";
  return {
    samples: drawn,
    fid: `Frechet distance of ${features} features of this project's FashionMNIST classifier, ` +
      `between the samples and ${test}; float64`,
    kid: `unbiased kernel distance with (x.y / ${features} + 1)^3 on the same features, over all ` +
      `pairs of samples and ${test}`,
    ...(conditional
      ? { class_agreement: "share of samples that the classifier takes for the class asked for" }
      : {}),
    precision: `share of ${n(compared)} samples within a 3-nearest-neighbour sphere of ${
      n(compared)
    } test images, on the same features`,
    recall: `share of ${n(compared)} test images within such a sphere of ${n(compared)} samples`,
    real_images:
      `${n(samples)} training images, as many of each class, in the samples' place; the ` +
      "classifier was trained on them too",
    ...(timesteps === undefined ? {} : {
      bits_per_dimension:
        `variational bound of ${n(timesteps.images)} test images${given}, each at ` +
        `timestep 0 and at a few others, so that each of the ${
          n(model.schedule.numTrainTimesteps)
        } is seen on ${timesteps.imagesAtATimestep}; variance ${boundVariance(model)}`,
      loss:
        `mean squared error of ${model.schedule.predictionType} on the same, unweighted, mean ` +
        "over all timesteps",
    }),
    nearest:
      `median over ${n(measured)} of the root of the mean squared difference to the nearest ` +
      `of ${n(data.train.labels.length)} training images, of 255 grey levels`,
  };
}

/**
 * Writes what was found into a folder: evaluation.json, evaluation.csv, timesteps.csv and
 * neighbours.png.
 *
 * @throws {UserError} If a file cannot be written.
 */
export async function saveEvaluation(
  directory: string,
  { evaluation, timesteps, neighbours }: Evaluated,
): Promise<void> {
  await makeFolder(directory);
  const curve = Array.from(timesteps?.bits ?? [], (bits, timestep) => [
    ...[timestep, bits, timesteps?.losses[timestep]],
  ]);
  const files: (readonly [string, string | Uint8Array])[] = [
    ["evaluation.csv", evaluationCsv(evaluation)],
    ...(timesteps === undefined ? [] : [
      ["timesteps.csv", csv([["timestep", "bits_per_dimension", "loss"], ...curve])] as const,
    ]),
    ["neighbours.png", neighbours],
    ["evaluation.json", formatEvaluation(evaluation)],
  ];
  for (const [name, content] of files) await writeFileAtomic(`${directory}/${name}`, content);
}
