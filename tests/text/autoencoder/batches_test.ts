import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { openDevice } from "../../../engine/device.ts";
import { initParameters } from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import { PRESETS } from "../../../text/presets.ts";
import { compileTrainStep } from "../../../training/step.ts";
import type { TextBatch } from "../../../text/autoencoder/batch_parts.ts";
import { textVaeConfigOf } from "../../../text/config.ts";
import { noiseFactor, textVaeBatches } from "../../../text/autoencoder/batches.ts";
import { prepareTexts } from "../../../text/autoencoder/start.ts";
import { textVaeSpecs } from "../../../vae/text_vae.ts";
import { type TextVaeBatch, textVaeLoss } from "../../../vae/text_vae_loss.ts";
import { deviceWorks } from "../../devices.ts";

const config = {
  ...PRESETS.smoke.autoencoder,
  copySteps: 3,
  randomTexts: 0,
  corruption: "substitute" as const,
  corruptionRatio: 1,
  corruptionPerText: "fixed" as const,
  decoderCorruption: 0,
};
const texts = prepareTexts(
  {
    train: Array.from({ length: 40 }, (_, i) => `the room ${i} was clean and its view ${i * 37}`),
    validation: ["the pool was cold"],
  },
  config,
  undefined,
  () => {},
);
const model = textVaeConfigOf(config, texts.tokenizer.vocabSize);
const { batchAt } = textVaeBatches({ ...texts, model, config, random: randomStream(0) });

/** The tokens of a step: of the encoder, of the decoder's input, and of the labels. */
function tokensAt(step: number) {
  const { inputIds, attentionMask, decoderInputIds, labels, noise } = batchAt(step).batch;
  const [rows, length] = labels.shape as [number, number];
  const tokens = { read: [] as number[], input: [] as number[], labels: [] as number[] };
  for (let row = 0; row < rows; row++) {
    const at = row * length;
    const count = attentionMask.data.subarray(at, at + length).indexOf(0);
    const size = (count < 0 ? length : count) - 2; // without [CLS] and [SEP]
    tokens.read.push(...inputIds.data.subarray(at + 1, at + 1 + size));
    tokens.input.push(...decoderInputIds.data.subarray(at + 1, at + 1 + size));
    tokens.labels.push(...labels.data.subarray(at, at + size));
  }
  return { ...tokens, noise: noise.data as Float32Array };
}
const shareAlike = (a: readonly number[], b: readonly number[]) =>
  a.filter((value, i) => value === b[i]).length / a.length;

Deno.test("textVaeBatches() only trains copying in the first copySteps steps", () => {
  for (const step of [0, 1, 2]) {
    const { read, input, labels, noise } = tokensAt(step);
    assertEquals(read, labels, "the encoder's input is the labels");
    const alike = shareAlike(input, labels);
    assert(alike > 0.3 && alike < 0.7, `half of the decoder's input is wrong: ${alike}`);
    assert(noise.every((value) => value === 0));
  }
});

Deno.test("textVaeBatches() follows the settings after copySteps steps", () => {
  for (const step of [3, 4]) {
    const { read, input, labels, noise } = tokensAt(step);
    assert(shareAlike(read, labels) < 0.1, "every token the encoder reads is replaced");
    assertEquals(input, labels, "the decoder's input is the text");
    const power = noise.reduce((sum, value) => sum + value ** 2, 0) / noise.length;
    // None of it at step 3, a third of it at step 4.
    assert(Math.abs(Math.sqrt(power) - (step - 3) / 3) < 0.02, `${power} at ${step}`);
  }
  assertNotEquals(tokensAt(3).labels, tokensAt(4).labels);
});

Deno.test("textVaeBatches() samples a deviation for each text with noisePerText uniform", () => {
  const settings = { ...config, batchSize: 512, copySteps: 0, noisePerText: "uniform" as const };
  const { batchAt } = textVaeBatches({
    ...texts,
    model,
    config: settings,
    random: randomStream(0),
  });
  const noise = batchAt(0).batch.noise.data as Float32Array;
  const perText = noise.length / 512;
  const deviations = Array.from({ length: 512 }, (_, i) => {
    const own = noise.subarray(i * perText, (i + 1) * perText);
    return Math.sqrt(own.reduce((sum, value) => sum + value ** 2, 0) / perText);
  }).sort((a, b) => a - b);
  // Kolmogorov and Smirnov: from the uniform distribution, further than that once in a thousand times.
  const gaps = deviations.map((value, i) => Math.abs(Math.min(value, 1) - (i + 0.5) / 512));
  assert(Math.max(...gaps) < 1.95 / Math.sqrt(512), `${Math.max(...gaps)}`);
  assertEquals(batchAt(0).batch.noise.data, noise, "the same step, the same noise");
});

Deno.test("noiseFactor() rises after the copy steps, or is 1 from the start", () => {
  const at = (steps: number[], copySteps: number) => steps.map((s) => noiseFactor(s, copySteps));
  assertEquals(at([0, 100, 150, 200, 1000], 100), [0, 0, 0.5, 1, 1]);
  assertEquals(at([0, 5], 0), [1, 1]);
});

Deno.test({
  name:
    "the training of a text VAE traces a graph per bucket, at most six, none after the first epoch",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    const lengths = [2, 4, 6, 8, 9, 11, 12, 14, 16, 20, 22, 24, 28, 30];
    const settings = { ...config, batchSize: 2, maxTokens: 32, latents: 8, corruptionRatio: 0.3 };
    const many = prepareTexts(
      {
        train: lengths.flatMap((count) => Array(4).fill("room ".repeat(count).trim())),
        validation: ["the pool was cold"],
      },
      settings,
      { tokenizer: texts.tokenizer, encoderTokenizer: texts.encoderTokenizer },
      () => {},
    );
    const model = textVaeConfigOf(settings, texts.tokenizer.vocabSize);
    const batches = textVaeBatches({ ...many, model, config: settings, random: randomStream(0) });
    assert(batches.buckets.length > 2 && batches.buckets.length <= 6, `${batches.buckets}`);
    const specs = textVaeSpecs(model);
    let traced = 0;
    const step = compileTrainStep<TextBatch, "reconstruction" | "divergence">(
      await openDevice("onnx", { threads: 1 }),
      {
        specs,
        optimizer: {},
        loss: (parameters, batch) => {
          traced++;
          return textVaeLoss(parameters, batch as unknown as TextVaeBatch, model);
        },
      },
    );
    let state = step.start(initParameters(specs, randomStream(0)));
    const epoch = Math.ceil(many.train.length / settings.batchSize);
    const shapes = new Set<string>();
    for (let i = 0; i < 2 * epoch; i++) {
      const { batch } = batches.batchAt(i);
      shapes.add(batch.inputIds.shape.join());
      const at = { step: i + 1, learningRate: 1e-3, emaDecay: 0 };
      ({ state } = await step(state, { ...batch }, at));
      if (i === epoch - 1) assertEquals(traced, shapes.size);
    }
    await step.dispose();
    assertEquals([traced, shapes.size], [batches.buckets.length, batches.buckets.length]);
  },
});
