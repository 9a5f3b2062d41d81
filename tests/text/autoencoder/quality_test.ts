import { assertAlmostEquals, assertEquals } from "@std/assert";
import { float32, type HostArray } from "../../../engine/tree.ts";
import { latentStatistics, measureTextVae } from "../../../text/autoencoder/quality.ts";
import { randomStream } from "../../../nn/random.ts";
import { trainBpe } from "../../../vae/tokenizer/bpe.ts";
import type { TextCodec } from "../../../vae/text_codec.ts";
import { TextTokenizer } from "../../../vae/tokenizer/tokenizer.ts";
import { encodeTexts } from "../../../vae/tokenizer/texts.ts";

Deno.test("latentStatistics() counts the numbers that vary over texts", () => {
  // The first number varies with a deviation of 1, the second does not, the third by 0.09.
  const { mean, deviation, active, numbers } = latentStatistics([[1, 2, 0.09], [-1, 2, -0.09]]);
  assertEquals([active, numbers], [1, 3]);
  assertAlmostEquals(mean, 4 / 6, 1e-12);
  const squares = (1 + 1 + 4 + 4 + 2 * 0.09 ** 2) / 6;
  assertAlmostEquals(deviation, Math.sqrt(squares - (4 / 6) ** 2), 1e-12);
});

Deno.test("measureTextVae() measures clean texts, substituted ones and noise on latents", async () => {
  const texts = [
    "the room was clean and the staff were kind",
    "breakfast was cold, so was the pool",
  ];
  const files = trainBpe(texts, { vocabSize: 300 });
  const tokenizer = new TextTokenizer(files.tokenizer, files.config);
  const { examples } = encodeTexts(texts, {
    encoder: tokenizer,
    decoder: tokenizer,
    maxTokens: 64,
  });
  // Latents are the encoder's ids, tenths of them: noise of 0.1 moves an id by 1.
  const codec: TextCodec = {
    encode: ({ inputIds }) =>
      Promise.resolve(
        float32(Float32Array.from(inputIds.data, (id) => id / 10), [...inputIds.shape, 1]),
      ),
    decode: ({ data, shape }: HostArray) =>
      Promise.resolve(Array.from({ length: shape[0]! }, (_, row) => {
        const ids = data.subarray(row * shape[1]!, (row + 1) * shape[1]!);
        return Int32Array.from(ids, (value) => Math.round(10 * value))
          .filter((id) => !tokenizer.specialIds.has(id));
      })),
    dispose: () => Promise.resolve(),
  };
  const quality = await measureTextVae(codec, tokenizer, examples, {
    batchSize: 2,
    buckets: [66],
    random: randomStream(0),
    padId: tokenizer.id("pad"),
    endId: tokenizer.id("eos"),
  });
  assertAlmostEquals(quality.clean.bleu, 100, 1e-9);
  assertEquals(quality.clean.exact, 1);
  assertEquals(quality.substituted.bleu < 60, true, `${quality.substituted.bleu}`);
  assertEquals(quality.noised.map(({ deviation }) => deviation).slice(0, 3), [0, 0.1, 0.2]);
  assertAlmostEquals(quality.noised[0]!.bleu, 100, 1e-9);
  assertEquals(quality.noised[10]!.bleu < 20, true);
  assertEquals(quality.latents.numbers, 66);
});
