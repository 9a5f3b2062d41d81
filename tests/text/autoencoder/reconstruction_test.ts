import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { float32, type HostArray } from "../../../engine/tree.ts";
import { measureReconstruction } from "../../../text/autoencoder/reconstruction.ts";
import { randomStream } from "../../../nn/random.ts";
import { trainBpe } from "../../../vae/tokenizer/bpe.ts";
import { inputCorruption } from "../../../vae/corruption.ts";
import type { TextCodec } from "../../../vae/text_codec.ts";
import { TextTokenizer } from "../../../vae/tokenizer/tokenizer.ts";
import { encodeTexts } from "../../../vae/tokenizer/texts.ts";

const TEXTS = [
  "the room was clean and the staff were kind to us",
  "breakfast was cold, and so was the pool",
  "we would stay here again for the view of the harbour alone",
];
const files = trainBpe(TEXTS, { vocabSize: 300 });
const tokenizer = new TextTokenizer(files.tokenizer, files.config);
const { examples } = encodeTexts(TEXTS, { encoder: tokenizer, decoder: tokenizer, maxTokens: 64 });
const options = {
  batchSize: 2, // the last batch is filled up
  buckets: [66],
  padId: tokenizer.id("pad"),
  endId: tokenizer.id("eos"),
  random: randomStream(0),
};

/** A codec whose latents are the encoder's ids [B, L, 1], which it decodes with a change. */
function echo(change: (tokens: number[]) => number[]): TextCodec {
  return {
    encode: ({ inputIds }) =>
      Promise.resolve(float32(Float32Array.from(inputIds.data), [...inputIds.shape, 1])),
    decode: ({ data, shape }: HostArray) => {
      const length = shape[1]!;
      return Promise.resolve(Array.from({ length: shape[0]! }, (_, row) => {
        const ids = Array.from(data.subarray(row * length, (row + 1) * length), Math.round);
        const text = ids.filter((id) => !tokenizer.specialIds.has(id));
        return Int32Array.from(change(text));
      }));
    },
    dispose: () => Promise.resolve(),
  };
}

Deno.test("measureReconstruction() is perfect when every text is reconstructed", async () => {
  const result = await measureReconstruction(echo((t) => t), tokenizer, examples, options);
  assertAlmostEquals(result.bleu, 100, 1e-9);
  assertEquals([result.tokenAccuracy, result.exact], [1, 1]);
  assertEquals(result.texts, TEXTS.map((text) => ({ original: text, reconstruction: text })));
});

Deno.test("measureReconstruction() counts tokens at their place when one is lost", async () => {
  // The first text loses its last token, the others nothing.
  const lost = examples[0]!.decoder;
  const shorter = echo((t) => t.join() === lost.join() ? t.slice(0, -1) : t);
  const { tokenAccuracy, exact } = await measureReconstruction(
    shorter,
    tokenizer,
    examples,
    options,
  );
  const total = examples.reduce((sum, { decoder }) => sum + decoder.length, 0);
  assertAlmostEquals(tokenAccuracy, (total - 1) / total, 1e-12);
  assertAlmostEquals(exact, 2 / 3, 1e-12);
});

Deno.test("measureReconstruction() compares with the clean text when the encoder's is corrupted", async () => {
  const corrupt = inputCorruption({
    kind: "substitute",
    ratio: 0.3,
    ratioPerText: "fixed",
    vocabSize: tokenizer.vocabSize,
    specialIds: tokenizer.specialIds,
  });
  const corrupted = { ...options, corrupt };
  const one = await measureReconstruction(echo((t) => t), tokenizer, examples, corrupted);
  assertEquals(one.texts.map(({ original }) => original), TEXTS);
  assert(one.tokenAccuracy > 0.5 && one.tokenAccuracy < 0.9, `${one.tokenAccuracy}`);
  // The same tokens whatever the batches are.
  const two = await measureReconstruction(echo((t) => t), tokenizer, examples, {
    ...corrupted,
    batchSize: 3,
  });
  assertEquals(two.texts, one.texts);
});

Deno.test("measureReconstruction() adds noise to latents", async () => {
  const noised = { ...options, noiseDeviation: 0.2 }; // ids are rounded: 1.2 % are further off
  const small = await measureReconstruction(echo((t) => t), tokenizer, examples, noised);
  const large = await measureReconstruction(echo((t) => t), tokenizer, examples, {
    ...noised,
    noiseDeviation: 2,
  });
  assert(small.tokenAccuracy > 0.9, `${small.tokenAccuracy}`);
  assert(large.tokenAccuracy < 0.5, `${large.tokenAccuracy}`);
});
