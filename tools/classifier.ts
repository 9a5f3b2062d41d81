/**
 * Trains the classifier of FashionMNIST whose features FID, KID, precision and recall use. Figures
 * that were measured with different classifiers cannot be compared.
 *
 *     deno task classifier --out runs/classifier                      # 40 minutes on two cores
 *     deno task classifier --out runs/try --epochs 1 --sample-data    # seconds, to try it
 *     deno task classifier --out checkpoints/fashion-mnist-classifier # replaces the released one
 *
 * Writes config.json, model.safetensors (float16), metrics.json and README.md.
 */
import { loadFashionMnist } from "../datasets/fashion_mnist.ts";
import { toModelRange } from "../datasets/pixels.ts";
import { DEVICE_CHOICES } from "../engine/device_names.ts";
import { type Device, openDevice } from "../engine/device.ts";
import { EXIT, usageError } from "../base/errors.ts";
import { makeFolder, writeFileAtomic } from "../base/files.ts";
import { type ClassifierConfig, classifierSpecs } from "../image/classifier/network.ts";
import { classifierCard, type ClassifierMetrics } from "../image/classifier/card.ts";
import { type Classifier, roundToHalf, saveClassifier } from "../image/classifier/checkpoint.ts";
import { classifierBatches, classifierLoss } from "../image/classifier/training.ts";
import { classAgreement, compileClassifier } from "../image/classifier/classify.ts";
import { countParameters, initParameters, unravel } from "../nn/parameters.ts";
import { randomStream } from "../nn/random.ts";
import { train } from "../training/loop.ts";
import { compileTrainStep } from "../training/step.ts";
import { choice, integer, parseFlags, text, toggle } from "../cli/flags.ts";
import { helpText, wantsHelp } from "../cli/help.ts";
import { runProgram } from "../cli/program.ts";
import { formatDuration, Progress } from "../cli/progress.ts";

const DEFAULTS = {
  seed: 0,
  epochs: 15, // 40 minutes on two busy cores
};

const TRAINING = {
  batchSize: 128, // about 470 steps per epoch
  learningRate: 2e-3, // high for AdamW; stable with warm-up and group normalization
  warmupSteps: 400, // nearly an epoch: until then Adam's variances are inaccurate
  weightDecay: 0.05, // five times PyTorch's default, against overfitting
  emaDecay: 0.999, // averages about two epochs
  maxShift: 2, // pixels; garments fill the frame, so that larger shifts would cut them off
};

const NETWORK: ClassifierConfig = {
  channels: [32, 64, 128, 192], // at 28, 14, 7 and 4 pixels; half of it: 92.67 % in 20 epochs
  normNumGroups: 8,
  features: 512, // as many as publications on FashionMNIST use
  classes: 10,
};

const FLAGS = {
  "Run": {
    out: text({ placeholder: "DIR", help: "the output folder, in runs/ or checkpoints/" }),
    seed: integer({ min: 0, help: "for weights, data order and augmentation" }),
    epochs: integer({ min: 1, max: 1000, help: "passes over the training images" }),
    device: choice(DEVICE_CHOICES, { help: "where to compute; onnx if not given" }),
    threads: integer({ min: 1, max: 1024, help: "threads of the device; all cores if not given" }),
    sampleData: toggle({ help: "use the bundled tenth of the images, to try it" }),
  },
};

type Settings = typeof DEFAULTS;
type Data = Awaited<ReturnType<typeof loadFashionMnist>>;

/** Returns the moving average's weights in float16. */
async function trainClassifier(
  device: Device,
  data: Data,
  { seed, epochs }: Settings,
): Promise<Classifier> {
  const { batchSize, maxShift, weightDecay, learningRate, warmupSteps, emaDecay } = TRAINING;
  const random = randomStream(seed).stream("classifier");
  const specs = classifierSpecs(NETWORK);
  const totalSteps = Math.ceil(epochs * data.train.labels.length / batchSize);
  const trainStep = compileTrainStep(device, {
    specs,
    optimizer: { weightDecay },
    loss: classifierLoss(NETWORK),
  });
  const state = trainStep.start(initParameters(specs, random.stream("weights")));
  const size = [data.height, data.width] as const;
  const batchAt = classifierBatches(data.train, random, { size, batchSize, maxShift });
  await using progress = new Progress({ total: totalSteps, itemsPerStep: batchSize });
  const never = totalSteps + 1; // neither rows nor checkpoints
  const steps = train({
    trainStep,
    batchAt: (step: number) => ({ batch: batchAt(step) }),
    state,
    config: {
      steps: totalSteps,
      learningRate,
      lrSchedule: "cosine",
      warmupSteps: Math.min(warmupSteps, totalSteps >> 2),
      emaDecay,
      logEvery: never,
      evalEvery: never,
      checkpointEvery: never,
    },
  });
  for await (const { step, loss } of steps) progress.update(step, loss);
  await trainStep.dispose();
  return { config: NETWORK, parameters: roundToHalf(unravel(state.ema, specs)) };
}

async function measure(
  device: Device,
  data: Data,
  classifier: Classifier,
  { seed, epochs }: Settings,
): Promise<ClassifierMetrics> {
  const classify = compileClassifier(device, classifier);
  const { classes } = await classify(toModelRange(data.test.images));
  await classify.dispose();
  return {
    testAccuracy: classAgreement(classes, data.test.labels),
    protocol: `the moving average's weights in float16 after the last step, on all ` +
      `${data.test.labels.length.toLocaleString("en")} test images, unchanged; trained on ` +
      `${data.train.labels.length.toLocaleString("en")} training images, nothing chosen by ` +
      "the test images",
    command: `deno task classifier ${Deno.args.join(" ")}`,
    seed,
    epochs,
    ...TRAINING,
    parameters: countParameters(classifierSpecs(NETWORK)),
    data: data.sha256,
  };
}

async function main(): Promise<number> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText({
      usage: "deno task classifier --out DIR [flags]",
      about: "Trains the classifier that image quality is measured with.",
      flags: FLAGS,
      presets: { default: DEFAULTS },
    }));
    return EXIT.done;
  }
  const given = parseFlags(Deno.args, FLAGS);
  const { out, threads } = given;
  const settings = { ...DEFAULTS, ...given };
  if (out === undefined) {
    throw usageError("--out DIR is needed: the folder for the classifier, such as runs/classifier");
  }
  await makeFolder(out); // fails before the training if it is not possible

  const device = await openDevice(given.device ?? "onnx", threads === undefined ? {} : { threads });
  const data = await loadFashionMnist({
    validationSize: 0, // nothing is chosen by validation, so that all images train
    sampleOnly: given.sampleData ?? false,
    log: (line) => console.error(line),
  });
  console.log(data.description);
  console.log(
    `${countParameters(classifierSpecs(NETWORK)).toLocaleString("en")} parameters, ` +
      `${device.name} device, ${device.threads} threads, ${out}`,
  );

  const started = performance.now();
  const classifier = await trainClassifier(device, data, settings);
  const metrics = await measure(device, data, classifier, settings);
  await saveClassifier(out, classifier);
  await writeFileAtomic(`${out}/metrics.json`, JSON.stringify(metrics, null, 2) + "\n");
  await writeFileAtomic(`${out}/README.md`, classifierCard(NETWORK, metrics));
  console.log(
    `test accuracy ${(100 * metrics.testAccuracy).toFixed(2)} % (${metrics.protocol}), in ` +
      `${formatDuration((performance.now() - started) / 1000)}: ${out}`,
  );
  return EXIT.done;
}

if (import.meta.main) await runProgram(main);
