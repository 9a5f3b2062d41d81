import { assert, assertEquals } from "@std/assert";
import { openDevice } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray, int32 } from "../../engine/tree.ts";
import { constants, initParameters } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { compileTextCodec, noisedLatents } from "../../vae/text_codec.ts";
import { decodeLogits, textVaeSpecs } from "../../vae/text_vae.ts";
import type { TextVaeConfig } from "../../vae/text_vae_config.ts";
import { assertAllClose } from "../assert_close.ts";

const END = 3;
const BATCH = 5;

function configOf(latentSource: TextVaeConfig["latentSource"]): TextVaeConfig {
  return {
    encoder: {
      vocabSize: 11,
      hiddenSize: 8,
      numHiddenLayers: 1,
      numAttentionHeads: 2,
      intermediateSize: 16,
      maxPositionEmbeddings: 16,
      typeVocabSize: 1,
      layerNormEps: 1e-12,
      initializerRange: 0.5,
    },
    decoder: {
      vocabSize: 11,
      nPositions: 18,
      nEmbd: 12,
      nLayer: 2,
      nHead: 2,
      layerNormEpsilon: 1e-5,
      initializerRange: 0.7, // so that texts depend on the latents
    },
    latents: 4,
    latentWidth: 6,
    maxTokens: 8,
    latentKind: "noise",
    latentSource,
  };
}

for (const source of ["first", "tokens", "stretches"] as const) {
  Deno.test(`compileTextCodec() generates the likeliest tokens of decodeLogits() when the source is ${source}`, async () => {
    const config = configOf(source);
    const parameters = initParameters(textVaeSpecs(config), randomStream(0).stream("weights"));
    const device = await openDevice("cpu");
    const codec = compileTextCodec(device, { config, parameters }, END);
    const ids = int32(randomStream(1).integers(BATCH * 10, 4, 11), [BATCH, 10]);
    const mask = int32(new Int32Array(BATCH * 10).fill(1), [BATCH, 10]);
    const latents = await codec.encode({ inputIds: ids, attentionMask: mask });
    assertEquals(latents.shape, [BATCH, 4, 6]);
    const texts = await codec.decode(latents);
    assertEquals(texts.length, BATCH);

    // The likeliest tokens at all positions together, without a cache.
    const logits = device.compile<{ latents: HostArray; tokens: HostArray }, HostArray>(
      ({ latents, tokens }) =>
        tf.argMax(
          decodeLogits(
            constants(parameters),
            latents as tf.Tensor3D,
            tokens as tf.Tensor2D,
            config,
          ),
          -1,
        ),
    );
    const tokens = new Int32Array(BATCH * 9).fill(END);
    texts.forEach((text, row) => tokens.set(text.subarray(0, 8), row * 9 + 1));
    const { data } = await logits({ latents, tokens: int32(tokens, [BATCH, 9]) });
    texts.forEach((text, row) => {
      const likeliest = Array.from(data.subarray(row * 9, row * 9 + 9));
      assertEquals([...text], likeliest.slice(0, text.length), `text ${row}`);
      // A text of maxTokens ends there, whatever would follow.
      assert(text.length <= config.maxTokens);
      if (text.length < config.maxTokens) {
        assertEquals(likeliest[text.length], END, `end of text ${row}`);
      }
    });
    assertEquals(new Set(texts.map((text) => text.join())).size > 1, true, "texts differ");
    await codec.dispose();
    await logits.dispose();
  });
}

Deno.test("noisedLatents() adds noise of the deviation and does not change its arguments", () => {
  const latents = float32([1, 2, 3, 4], [1, 2, 2]);
  const noised = noisedLatents(latents, Float32Array.of(1, -1, 0, 2), 0.5);
  assertAllClose(noised.data, [1.5, 1.5, 3, 5]);
  assertEquals(noised.shape, [1, 2, 2]);
  assertEquals([...latents.data], [1, 2, 3, 4]);
});
