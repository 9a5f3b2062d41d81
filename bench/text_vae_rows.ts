/** The row that measures the text VAE: BERT-base encodes, GPT-2 decodes. */
import { float32, type HostArray, int32 } from "../engine/tree.ts";
import { randomStream } from "../nn/random.ts";
import type { TextBatch } from "../text/autoencoder/batch_parts.ts";
import { compileTrainStep } from "../training/step.ts";
import { BERT_BASE } from "../vae/bert.ts";
import { GPT2_SMALL } from "../vae/gpt2.ts";
import { textVaeSpecs } from "../vae/text_vae.ts";
import type { TextVaeConfig } from "../vae/text_vae_config.ts";
import { type TextVaeBatch, textVaeLoss } from "../vae/text_vae_loss.ts";
import { type Row, trainingSteps } from "./row.ts";

/** The preset base of text.ts. */
const BASE: TextVaeConfig = {
  encoder: BERT_BASE,
  decoder: GPT2_SMALL,
  latents: 16,
  latentWidth: 768,
  maxTokens: 64,
  latentKind: "noise",
  latentSource: "first",
};

/** A training step of the autoencoder: loss, gradients, clipping, AdamW, without a moving average. */
function training(batch: number, length: number): Row {
  return {
    name: `text vae base train batch ${batch}x${length}`,
    prepare: (device) => {
      const specs = textVaeSpecs(BASE);
      const step = compileTrainStep<TextBatch, "reconstruction" | "divergence">(device, {
        specs,
        loss: (parameters, arrays) =>
          textVaeLoss(parameters, arrays as unknown as TextVaeBatch, BASE, { noiseDeviation: 0.4 }),
        optimizer: { maxGradNorm: 1 },
        ema: false,
      });
      const random = randomStream(1);
      const tokens = (name: string, vocabulary: number): HostArray =>
        int32(random.stream(name).integers(batch * length, 0, vocabulary), [batch, length]);
      const { latents, latentWidth, encoder, decoder } = BASE;
      const inputs = {
        inputIds: tokens("encoder", encoder.vocabSize),
        attentionMask: int32(new Int32Array(batch * length).fill(1), [batch, length]),
        decoderInputIds: tokens("decoder", decoder.vocabSize),
        labels: tokens("labels", decoder.vocabSize),
        noise: float32(random.stream("noise").normal(batch * latents * latentWidth), [
          batch,
          latents,
          latentWidth,
        ]),
      };
      return trainingSteps(step, specs, () => inputs);
    },
  };
}

export const textVaeRows: readonly Row[] = [training(8, 64)];
