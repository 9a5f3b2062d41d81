import { assert, assertEquals, assertThrows } from "@std/assert";
import { randomStream } from "../../nn/random.ts";
import { trainBpe } from "../../vae/tokenizer/bpe.ts";
import { bucketLengths } from "../../vae/buckets.ts";
import { randomTexts } from "../../vae/random_texts.ts";
import { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";
import { encodeTexts } from "../../vae/tokenizer/texts.ts";
import { REVIEWS } from "./corpus.ts";

const { tokenizer: json, config } = trainBpe(REVIEWS, { vocabSize: 320 });
const tokenizer = new TextTokenizer(json, config);
const both = { encoder: tokenizer, decoder: tokenizer };

Deno.test("encodeTexts() keeps all of a text except for a short end when it makes windows", () => {
  const options = { ...both, maxTokens: 12, windows: true };
  const { examples, rows, truncated } = encodeTexts(REVIEWS, options);
  assertEquals(truncated, 0);
  REVIEWS.forEach((text, row) => {
    const parts = examples.filter((_, i) => rows[i] === row).map(({ decoder }) => decoder);
    assert(parts.length > 1);
    assert(parts.every(({ length }) => length <= 12 && length >= 5));
    const decoded = tokenizer.decode(parts.flatMap((ids) => [...ids]));
    assertEquals(decoded, text.slice(0, decoded.length));
    const rest = tokenizer.encode(text.slice(decoded.length));
    assert(rest.length < 5, `${rest.length} tokens are left`);
  });
});

Deno.test("randomTexts() replaces the given share of texts by ordinary tokens of the same length", () => {
  const { examples } = encodeTexts(REVIEWS, { ...both, maxTokens: 12 });
  const { vocabSize, specialIds } = tokenizer;
  const replace = randomTexts({ share: 0.5, examples, vocabSize, specialIds });
  let replaced = 0;
  const samples = 400;
  for (let i = 0; i < samples; i++) {
    const example = examples[i % examples.length]!;
    const { encoder, decoder } = replace(example, randomStream(i));
    assertEquals([encoder.length, decoder.length], [
      example.encoder.length,
      example.decoder.length,
    ]);
    assertEquals([...encoder.subarray(1, -1)], [...decoder]);
    assertEquals([encoder[0], encoder.at(-1)], [example.encoder[0], example.encoder.at(-1)]);
    assert(decoder.every((id) => id < vocabSize && !specialIds.has(id)));
    if (decoder.join() !== example.decoder.join()) replaced++;
  }
  // Five deviations of a binomial count.
  assert(
    Math.abs(replaced - samples / 2) < 5 * Math.sqrt(samples / 4),
    `${replaced} of ${samples}`,
  );
  assertEquals(
    randomTexts({ share: 0, examples, vocabSize, specialIds })(examples[0]!, randomStream(0)),
    examples[0]!,
  );
  assertThrows(() => randomTexts({ share: 2, examples, vocabSize, specialIds }), RangeError);
});

Deno.test("bucketLengths() ends at the maximum when that is not a multiple", () => {
  assertEquals(bucketLengths([3, 30, 66], { maximum: 66 }), [8, 32, 66]);
  assertEquals(bucketLengths([3, 7], { maximum: 7 }), [7]);
  assertThrows(() => bucketLengths([67], { maximum: 66 }), RangeError, "maximum must hold 67");
});
