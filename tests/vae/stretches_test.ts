import { assertEquals, assertThrows } from "@std/assert";
import { openDevice } from "../../engine/device.ts";
import { type HostArray, int32 } from "../../engine/tree.ts";
import { type HostParameters, initParameters } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import {
  decodeLogits,
  encodeLatents,
  type LatentDistribution,
  latentPrefix,
  textVaeSpecs,
} from "../../vae/text_vae.ts";
import { checkTextVaeConfig, prefixLength, type TextVaeConfig } from "../../vae/text_vae_config.ts";
import { assertAllClose } from "../assert_close.ts";
import type * as tf from "../../engine/tf.ts";

const CONFIG: TextVaeConfig = {
  encoder: {
    vocabSize: 20,
    hiddenSize: 8,
    numHiddenLayers: 1,
    numAttentionHeads: 2,
    intermediateSize: 16,
    maxPositionEmbeddings: 10,
    typeVocabSize: 1,
    layerNormEps: 1e-12,
    initializerRange: 0.5,
  },
  decoder: {
    vocabSize: 20,
    nPositions: 18,
    nEmbd: 12,
    nLayer: 1,
    nHead: 2,
    layerNormEpsilon: 1e-5,
    initializerRange: 0.5,
  },
  latents: 2,
  latentWidth: 5,
  maxTokens: 8,
  latentKind: "noise",
  latentSource: "stretches",
};

const parameters = initParameters(textVaeSpecs(CONFIG), randomStream(0).stream("weights"));

/** Latents of a text that is padded to `length`. */
async function latentsOf(text: number[], length: number): Promise<HostArray> {
  const real = [1, ...text, 2];
  const ids = int32([...real, ...Array(length - real.length).fill(0)], [1, length]);
  const mask = int32(Array.from({ length }, (_, i) => i < real.length ? 1 : 0), [1, length]);
  const { compile } = await openDevice("cpu");
  const encode = compile<
    { parameters: HostParameters; ids: HostArray; mask: HostArray },
    { mean: HostArray }
  >(({ parameters, ids, mask }) => {
    const { mean }: LatentDistribution = encodeLatents(parameters, {
      inputIds: ids as tf.Tensor2D,
      attentionMask: mask as tf.Tensor2D,
    }, CONFIG);
    return { mean };
  });
  const { mean } = await encode({ parameters, ids, mask });
  await encode.dispose();
  return mean;
}

Deno.test("encodeLatents() gives a text the same latents in a longer batch when the source is stretches", async () => {
  const short = await latentsOf([5, 6, 7], 5);
  assertEquals(short.shape, [1, 2, 5]);
  assertAllClose((await latentsOf([5, 6, 7], 10)).data, short.data);
});

Deno.test("encodeLatents() gives tanh of the bias when a stretch is empty", async () => {
  const { data } = await latentsOf([5, 6], 10); // [SEP] is the third of the first four
  const bias = parameters["vae.mean.bias"]!.data;
  assertAllClose(data.subarray(5), Array.from(bias, Math.tanh));
});

Deno.test("latentPrefix() unfolds a latent into an embedding for each token when the source is stretches", async () => {
  const latents = await latentsOf([5, 6, 7, 8, 9, 10, 11, 12], 10);
  const { compile } = await openDevice("cpu");
  const decode = compile<
    { parameters: HostParameters; latents: HostArray; tokens: HostArray },
    { prefix: HostArray; logits: HostArray }
  >(({ parameters, latents, tokens }) => ({
    prefix: latentPrefix(parameters, latents as tf.Tensor3D, CONFIG),
    logits: decodeLogits(parameters, latents as tf.Tensor3D, tokens as tf.Tensor2D, CONFIG),
  }));
  const { prefix, logits } = await decode({ parameters, latents, tokens: int32([3, 5], [1, 2]) });
  await decode.dispose();
  assertEquals(prefixLength(CONFIG), 8);
  assertEquals(prefix.shape, [1, 8, 12]);
  assertEquals(logits.shape, [1, 2, 20]);
  // The sixth embedding is the second of the second latent: rows 12 to 24 of the adapter.
  const { data: weight } = parameters["vae.adapter.weight"]!;
  const { data: bias } = parameters["vae.adapter.bias"]!;
  const expected = Array.from({ length: 12 }, (_, i) => {
    const row = 12 + i;
    return [0, 1, 2, 3, 4].reduce(
      (sum, c) => sum + weight[row * 5 + c]! * latents.data[5 + c]!,
      bias[row]!,
    );
  });
  assertAllClose(prefix.data.subarray(5 * 12, 6 * 12), expected);
});

Deno.test("checkTextVaeConfig() throws when stretches are unequal or positions too few", () => {
  const unequal = { ...CONFIG, latents: 3 };
  assertThrows(() => checkTextVaeConfig(unequal), Error, "choose latents that divides maxTokens");
  const names = { latents: "--latents", maxTokens: "--max-tokens" };
  assertThrows(() => checkTextVaeConfig(unequal, names), Error, "--latents that divides --max-tok");
  const decoder = { ...CONFIG.decoder, nPositions: 16 };
  assertThrows(() => checkTextVaeConfig({ ...CONFIG, decoder }), Error, "A prefix of 8");
  checkTextVaeConfig(CONFIG);
});
