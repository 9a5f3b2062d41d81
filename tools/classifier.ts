/**
 * Trains the classifier of FashionMNIST whose features FID, KID, precision and recall are measured on.
 * Figures that were measured with different classifiers cannot be compared.
 *
 *     deno task classifier --out runs/classifier           # long: see the time left
 *     deno task classifier --out runs/try --epochs 1 --sample-data    # seconds, to see it work
 *     deno task classifier --out checkpoints/fashion-mnist-classifier # takes the place of any there
 *
 * The folder holds config.json, model.safetensors (float16), metrics.json and README.md.
 */
import { loadFashionMnist } from "../datasets/fashion_mnist.ts";
import { toModelRange } from "../datasets/pixels.ts";
import { DEVICE_CHOICES } from "../engine/device_names.ts";
import { openDevice } from "../engine/device.ts";
import { EXIT, UserError } from "../base/errors.ts";
import { makeFolder, writeFileAtomic } from "../base/files.ts";
import {
  type ClassifierConfig,
  classifierSpecs,
  initClassifier,
} from "../image/classifier/network.ts";
import { classifierCard, type ClassifierMetrics } from "../image/classifier/card.ts";
import { roundToHalf, saveClassifier } from "../image/classifier/checkpoint.ts";
import { classifierBatches, classifierLoss } from "../image/classifier/step.ts";
import { classAgreement, compileClassifier } from "../image/classifier/classify.ts";
import { countParameters, unravel } from "../nn/parameters.ts";
import { randomStream } from "../nn/random.ts";
import { train } from "../training/loop.ts";
import { compileTrainStep } from "../training/step.ts";
import { choice, integer, parseFlags, text, toggle } from "../cli/flags.ts";
import { helpText, wantsHelp } from "../cli/help.ts";
import { runProgram } from "../cli/program.ts";
import { formatDuration, Progress } from "../cli/progress.ts";

/** What is done if nothing else is asked for. */
const DEFAULTS = {
  seed: 0,
  epochs: 15, // passes over all images; 40 minutes on two busy cores
};

const TRAINING = {
  batchSize: 128, // some 470 steps an epoch
  learningRate: 2e-3, // high for AdamW; warm-up and group normalization keep it stable
  warmupSteps: 400, // nearly an epoch: Adam's variances are guesses until then
  weightDecay: 0.05, // five times PyTorch's default, against overfitting
  emaDecay: 0.999, // averages about the last two epochs
  maxShift: 2, // garments fill the frame, so that more would cut them
};

const NETWORK: ClassifierConfig = {
  channels: [32, 64, 128, 192], // at 28, 14, 7 and 4 pixels; half of it has 92.67 % in 20 epochs
  normNumGroups: 8,
  features: 512, // as long as those that figures in the literature on FashionMNIST are measured with
  classes: 10,
};

const FLAGS = {
  "Run": {
    out: text({ placeholder: "DIR", help: "the folder to write, in runs/ or checkpoints/" }),
    seed: integer({ min: 0, help: "of weights, data order and augmentation" }),
    epochs: integer({ min: 1, max: 1000, help: "passes over the training images" }),
    device: choice(DEVICE_CHOICES, { help: "where to compute; onnx if not given" }),
    threads: integer({ min: 1, max: 1024, help: "threads of the device; all cores if not given" }),
    sampleData: toggle({ help: "use the bundled tenth of the images, to try it out" }),
  },
};

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
  const { out } = given;
  const { seed, epochs } = { ...DEFAULTS, ...given };
  if (out === undefined) {
    throw new UserError(
      "--out DIR is needed: where should the classifier go, such as runs/classifier?",
      {
        exitCode: EXIT.usage,
      },
    );
  }
  await makeFolder(out); // known to fail before the work is done

  // The data: all training images, since nothing is chosen by a validation set.
  const device = await openDevice(given.device ?? "onnx", {
    ...(given.threads === undefined ? {} : { threads: given.threads }),
  });
  const data = await loadFashionMnist({
    validationSize: 0,
    sampleOnly: given.sampleData ?? false,
    log: (line) => console.error(line),
  });
  console.log(data.description);

  // The model.
  const { batchSize, maxShift, weightDecay, learningRate, warmupSteps, emaDecay } = TRAINING;
  const random = randomStream(seed).stream("classifier");
  const specs = classifierSpecs(NETWORK);
  const parameterCount = countParameters(specs);
  console.log(
    `${parameterCount.toLocaleString("en")} parameters, ${device.name} device, ` +
      `${device.threads} threads, ${out}`,
  );

  // Training.
  const totalSteps = Math.ceil(epochs * data.train.labels.length / batchSize);
  const trainStep = compileTrainStep(device, {
    specs,
    optimizer: { weightDecay },
    loss: classifierLoss(NETWORK),
  });
  const state = trainStep.start(initClassifier(NETWORK, random.stream("weights")));
  const batchAt = classifierBatches(data.train, random, {
    size: [data.height, data.width],
    ...{ batchSize, maxShift },
  });
  const started = performance.now();
  {
    await using progress = new Progress({ total: totalSteps, itemsPerStep: batchSize });
    const never = totalSteps + 1; // neither rows nor checkpoints
    const config = {
      steps: totalSteps,
      learningRate,
      lrSchedule: "cosine",
      warmupSteps: Math.min(warmupSteps, totalSteps >> 2),
      emaDecay,
      logEvery: never,
      evalEvery: never,
      checkpointEvery: never,
    } as const;
    const steps = train({
      trainStep,
      batchAt: (step: number) => ({ batch: batchAt(step) }),
      state,
      config,
    });
    for await (const { step, loss } of steps) progress.update(step, loss);
  }
  await trainStep.dispose();

  // The accuracy, of the weights as the file has them.
  const classifier = {
    config: NETWORK,
    parameters: roundToHalf(unravel(state.ema, specs)),
  };
  const classify = compileClassifier(device, classifier);
  const { classes } = await classify(toModelRange(data.test.images));
  await classify.dispose();
  const metrics: ClassifierMetrics = {
    testAccuracy: classAgreement(classes, data.test.labels),
    protocol: `the moving average's weights in float16 after the last step, on all ` +
      `${data.test.labels.length.toLocaleString("en")} test images, unchanged; trained on ` +
      `${data.train.labels.length.toLocaleString("en")} training images, nothing chosen by ` +
      "the test images",
    command: `deno task classifier ${Deno.args.join(" ")}`,
    ...{ seed, epochs, ...TRAINING },
    parameters: parameterCount,
    data: data.sha256,
  };
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
