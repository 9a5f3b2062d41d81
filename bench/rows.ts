/** The rows of the benchmark, and those that measure UNets. */
import { noiseSchedule } from "../diffusion/schedules.ts";
import { unetSpecs } from "../diffusion/networks/unet.ts";
import { compileImageDenoiser } from "../diffusion/networks/image_denoiser.ts";
import { trainableDenoiser } from "../diffusion/networks/image_network.ts";
import { FASHION } from "../image/data.ts";
import { PRESETS } from "../image/presets.ts";
import { unetConfigOf } from "../image/config.ts";
import { initParameters } from "../nn/parameters.ts";
import { randomStream } from "../nn/random.ts";
import { denoiserLoss } from "../training/denoiser_loss.ts";
import { compileTrainStep } from "../training/step.ts";
import { imageBatch } from "../image/objective.ts";
import { type Row, trainingSteps } from "./row.ts";
import { textRows } from "./text_rows.ts";
import { textVaeRows } from "./text_vae_rows.ts";

const CLASSES = 10;
const SIDE = 28;

function randomImages(count: number) {
  const random = randomStream(0).stream("images");
  return {
    images: Uint8Array.from(random.integers(count * SIDE * SIDE, 0, 256)),
    labels: Uint8Array.from(random.integers(count, 0, CLASSES)),
  };
}

/** A training step of a preset's UNet: noise, loss, gradients, clipping, AdamW, moving average. */
function training(preset: "nano" | "small", batchSize: number): Row {
  return {
    name: `unet ${preset} train batch ${batchSize}`,
    prepare: (device) => {
      const config = unetConfigOf(PRESETS[preset], FASHION);
      const specs = unetSpecs(config);
      const step = compileTrainStep(device, {
        specs,
        loss: denoiserLoss(trainableDenoiser(config)),
        optimizer: { maxGradNorm: 1 },
      });
      const examples = randomImages(batchSize);
      return trainingSteps(
        step,
        specs,
        (number) =>
          imageBatch(examples, randomStream(0).at(number), {
            schedule: noiseSchedule(),
            nullClass: CLASSES,
            images: FASHION,
          }).batch,
      );
    },
  };
}

/** One evaluation of a preset's UNet as in sampling, with its weights as constants. */
function sampling(preset: "nano" | "small", batchSize: number): Row {
  return {
    name: `unet ${preset} sample batch ${batchSize}`,
    prepare: (device) => {
      const config = unetConfigOf(PRESETS[preset], FASHION);
      const parameters = initParameters(unetSpecs(config), randomStream(0));
      const denoiser = compileImageDenoiser(device, { config, parameters });
      const { labels } = randomImages(batchSize);
      const denoise = denoiser.condition({ classLabels: Int32Array.from(labels) });
      const x = randomStream(1).normal(batchSize * SIDE * SIDE);
      return { run: () => denoise(x, 500), dispose: () => denoiser.dispose() };
    },
  };
}

/** All rows, in the order of measurement. */
export const rows: readonly Row[] = [
  training("nano", 32),
  training("nano", 128),
  training("small", 32),
  sampling("nano", 64),
  sampling("small", 64),
  ...textRows,
  ...textVaeRows,
];
