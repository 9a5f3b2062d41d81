/** The rows that measure transformers: BERT, GPT-2 and the diffusion transformer. */
import { dit } from "../diffusion/networks/dit.ts";
import { DIT_DEFAULTS, type DitConfig } from "../diffusion/networks/dit_config.ts";
import { ditSpecs } from "../diffusion/networks/dit_specs.ts";
import { diffusionBatch } from "../diffusion/objective.ts";
import { noiseSchedule } from "../diffusion/schedules.ts";
import type * as tf from "../engine/tf.ts";
import { float32, type HostArray, int32, sizeOf } from "../engine/tree.ts";
import { constants, initParameters } from "../nn/parameters.ts";
import { randomStream } from "../nn/random.ts";
import { denoiserLoss } from "../training/denoiser_loss.ts";
import { compileTrainStep } from "../training/step.ts";
import { bert, BERT_BASE, bertSpecs } from "../vae/bert.ts";
import { GPT2_SMALL, gpt2Loss, gpt2Specs } from "../vae/gpt2.ts";
import { compileGpt2Decoder } from "../vae/gpt2_decoder.ts";
import { type Row, trainingSteps } from "./row.ts";

const LENGTH = 128;

function randomTokens(batch: number, length: number, vocabulary: number): HostArray {
  return int32(randomStream(0).stream("tokens").integers(batch * length, 0, vocabulary), [
    batch,
    length,
  ]);
}

/** BERT-base's hidden states, with its weights as constants. */
function bertForward(batch: number): Row {
  return {
    name: `bert-base forward batch ${batch}x${LENGTH}`,
    prepare: (device) => {
      const parameters = initParameters(bertSpecs(BERT_BASE), randomStream(0));
      const compiled = device.compile<{ inputIds: HostArray }, Record<string, HostArray>>(
        ({ inputIds }) => ({
          ...bert(constants(parameters), { inputIds: inputIds as tf.Tensor2D }, BERT_BASE),
        }),
      );
      const inputIds = randomTokens(batch, LENGTH, BERT_BASE.vocabSize);
      return {
        run: () => compiled({ inputIds }),
        dispose: () => compiled.dispose(),
      };
    },
  };
}

/** A training step of GPT-2: next-token loss, gradients, clipping, AdamW. */
function gpt2Training(batch: number): Row {
  return {
    name: `gpt2 train batch ${batch}x${LENGTH}`,
    prepare: (device) => {
      const specs = gpt2Specs(GPT2_SMALL);
      const step = compileTrainStep<{ tokens: HostArray }, never>(device, {
        specs,
        loss: (parameters, { tokens }) => ({
          loss: gpt2Loss(parameters, tokens as tf.Tensor2D, GPT2_SMALL),
        }),
        optimizer: { maxGradNorm: 1 },
        ema: false,
      });
      const tokens = randomTokens(batch, LENGTH, GPT2_SMALL.vocabSize);
      return trainingSteps(step, specs, () => ({ tokens }));
    },
  };
}

/** Greedy decoding by GPT-2. */
function gpt2Decoding(batch: number, count = 64): Row {
  return {
    name: `gpt2 decode batch ${batch} of ${count} tokens`,
    prepare: (device) => {
      const parameters = initParameters(gpt2Specs(GPT2_SMALL), randomStream(0));
      const decoder = compileGpt2Decoder(device, parameters, GPT2_SMALL, count);
      const starts = int32(new Int32Array(batch).fill(GPT2_SMALL.vocabSize - 1));
      return {
        run: () => decoder.greedy(starts, count),
        dispose: () => decoder.dispose(),
      };
    },
  };
}

/** For texts of 16 latent vectors, without a condition. */
const DIT: DitConfig = {
  ...DIT_DEFAULTS,
  sampleSize: 16,
  patchSize: null,
  inChannels: 384,
  numLayers: 12,
  numAttentionHeads: 6,
  attentionHeadDim: 64,
  numEmbedsAdaNorm: null,
};

/** A training step of a diffusion transformer, with the same parts as the UNet's. */
function ditTraining(batch: number): Row {
  return {
    name: `dit train batch ${batch}`,
    prepare: (device) => {
      const specs = ditSpecs(DIT);
      const step = compileTrainStep(device, {
        specs,
        loss: denoiserLoss((parameters, { x, timesteps }) =>
          dit(parameters, { x, timesteps }, DIT)
        ),
        optimizer: { maxGradNorm: 1 },
      });
      const shape = [batch, DIT.sampleSize, DIT.inChannels];
      const size = sizeOf(shape);
      const x0 = float32(randomStream(1).normal(size), shape);
      const schedule = noiseSchedule();
      return trainingSteps(step, specs, (number) => {
        const random = randomStream(2).at(number);
        return diffusionBatch(schedule, {
          x0,
          noise: random.stream("noise").normal(size),
          timesteps: random.stream("timesteps").integers(batch, 0, schedule.numTrainTimesteps),
        });
      });
    },
  };
}

export const textRows: readonly Row[] = [
  bertForward(8),
  gpt2Training(4),
  gpt2Decoding(1),
  gpt2Decoding(16),
  ditTraining(64),
];
