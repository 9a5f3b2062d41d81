import { assert, assertEquals } from "@std/assert";
import { loadHotelReviews } from "../../../datasets/hotel_reviews.ts";
import { openDevice } from "../../../engine/device.ts";
import { measureReconstruction } from "../../../text/autoencoder/reconstruction.ts";
import { randomStream } from "../../../nn/random.ts";
import { loadCheckpoint } from "../../../training/checkpoint/checkpoint.ts";
import { loadTextVae } from "../../../text/autoencoder/checkpoint.ts";
import { compileTextCodec } from "../../../vae/text_codec.ts";
import { encodeTexts } from "../../../vae/tokenizer/texts.ts";
import { deviceWorks } from "../../devices.ts";
import { permitted } from "../../permissions.ts";

const CHECKPOINT = decodeURIComponent(
  new URL("../../../checkpoints/text-vae", import.meta.url).pathname,
);

Deno.test({
  name: "checkpoints/text-vae reconstructs bundled reviews that it was not trained on",
  ignore: !permitted({ name: "read" }) || !deviceWorks("onnx"),
  fn: async () => {
    const checkpoint = await loadCheckpoint(CHECKPOINT);
    assertEquals(checkpoint.verified, true);
    const model = loadTextVae(checkpoint);
    const { config, tokenizer } = model;
    const { validation } = await loadHotelReviews({ sampleOnly: true });
    const { examples } = encodeTexts(validation.slice(0, 8).map(({ text }) => text), {
      encoder: tokenizer,
      decoder: tokenizer,
      maxTokens: config.maxTokens,
    });
    const codec = compileTextCodec(
      await openDevice("onnx", { threads: 1 }),
      model,
      tokenizer.id("eos"),
    );
    const { bleu, tokenAccuracy } = await measureReconstruction(codec, tokenizer, examples, {
      batchSize: 8,
      buckets: [config.maxTokens + 2],
      random: randomStream(0),
      padId: tokenizer.id("pad"),
      endId: tokenizer.id("eos"),
    });
    await codec.dispose();
    // These have capitals and stop words, which the training's reviews lack.
    assert(bleu > 60, `BLEU ${bleu}`);
    assert(tokenAccuracy > 0.9, `tokens ${tokenAccuracy}`);
  },
});
