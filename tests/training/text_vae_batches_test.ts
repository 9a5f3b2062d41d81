import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { randomStream } from "../../nn/random.ts";
import { PRESETS } from "../../text.ts";
import { textVaeConfigOf } from "../../training/text_config.ts";
import { noiseLoudness, textVaeBatches } from "../../training/text_vae_batches.ts";
import { prepareTexts } from "../../training/text_vae_start.ts";

const config = {
  ...PRESETS.smoke,
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

/** The texts' tokens in a step's arrays: read by the encoder, said by the decoder, and to be said. */
function tokensAt(step: number) {
  const { inputIds, attentionMask, decoderInputIds, labels, noise } = batchAt(step).batch;
  const [rows, length] = labels.shape as [number, number];
  const tokens = { read: [] as number[], told: [] as number[], wanted: [] as number[] };
  for (let row = 0; row < rows; row++) {
    const at = row * length;
    const count = attentionMask.data.subarray(at, at + length).indexOf(0);
    const size = (count < 0 ? length : count) - 2; // without [CLS] and [SEP]
    tokens.read.push(...inputIds.data.subarray(at + 1, at + 1 + size));
    tokens.told.push(...decoderInputIds.data.subarray(at + 1, at + 1 + size));
    tokens.wanted.push(...labels.data.subarray(at, at + size));
  }
  return { ...tokens, noise: noise.data as Float32Array };
}
const shareAlike = (a: readonly number[], b: readonly number[]) =>
  a.filter((value, i) => value === b[i]).length / a.length;

Deno.test("textVaeBatches() practises copying alone in the first copySteps steps", () => {
  for (const step of [0, 1, 2]) {
    const { read, told, wanted, noise } = tokensAt(step);
    assertEquals(read, wanted, "the encoder reads what the decoder is to say");
    const alike = shareAlike(told, wanted);
    assert(alike > 0.3 && alike < 0.7, `half of what the decoder is told is wrong: ${alike}`);
    assert(noise.every((value) => value === 0));
  }
});

Deno.test("textVaeBatches() does as its settings say after copySteps steps", () => {
  for (const step of [3, 4]) {
    const { read, told, wanted, noise } = tokensAt(step);
    assert(shareAlike(read, wanted) < 0.1, "every token the encoder reads is replaced");
    assertEquals(told, wanted, "the decoder is told the text");
    const power = noise.reduce((sum, value) => sum + value ** 2, 0) / noise.length;
    // None of it at step 3, a third of it at step 4.
    assert(Math.abs(Math.sqrt(power) - (step - 3) / 3) < 0.02, `${power} at ${step}`);
  }
  assertNotEquals(tokensAt(3).wanted, tokensAt(4).wanted);
});

Deno.test("noiseLoudness() rises once copying was practised, or is 1 from the start", () => {
  const at = (steps: number[], copySteps: number) => steps.map((s) => noiseLoudness(s, copySteps));
  assertEquals(at([0, 100, 150, 200, 1000], 100), [0, 0, 0.5, 1, 1]);
  assertEquals(at([0, 5], 0), [1, 1]);
});
