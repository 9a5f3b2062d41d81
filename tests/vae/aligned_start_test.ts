import { assert, assertEquals, assertThrows } from "@std/assert";
import { openDevice } from "../../engine/device.ts";
import { float32, type HostArray, int32 } from "../../engine/tree.ts";
import { type HostParameters, initParameters } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { compileTrainStep } from "../../training/step.ts";
import { alignedStart } from "../../vae/aligned_start.ts";
import type { TextBatch } from "../../vae/batches.ts";
import { textVaeSpecs } from "../../vae/text_vae.ts";
import type { TextVaeConfig } from "../../vae/text_vae_config.ts";
import { deviceWorks } from "../devices.ts";
import { type TextVaeBatch, textVaeLoss } from "../../vae/text_vae_loss.ts";

const TOKENS = 16;
const VOCABULARY = 24;

function configOf(
  latentSource: TextVaeConfig["latentSource"],
  latents = 4,
  width = 64,
  heads = 2,
): TextVaeConfig {
  return {
    encoder: {
      vocabSize: VOCABULARY,
      hiddenSize: width,
      numHiddenLayers: 1,
      numAttentionHeads: heads,
      intermediateSize: 2 * width,
      maxPositionEmbeddings: 64,
      typeVocabSize: 1,
      layerNormEps: 1e-12,
      initializerRange: 0.1,
    },
    decoder: {
      vocabSize: VOCABULARY,
      nPositions: 64,
      nEmbd: width,
      nLayer: 1,
      nHead: heads,
      layerNormEpsilon: 1e-5,
      initializerRange: 0.1,
    },
    latents,
    latentWidth: 128,
    maxTokens: TOKENS,
    latentKind: "noise",
    latentSource,
  };
}

const fresh = (config: TextVaeConfig) =>
  initParameters(textVaeSpecs(config), randomStream(0).stream("weights"));

/** Rows [N, width], each with mean 0 and variance 1. */
function layerNormed(rows: number[][]): number[][] {
  return rows.map((row) => {
    const mean = row.reduce((sum, x) => sum + x, 0) / row.length;
    const variance = row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / row.length;
    return row.map((x) => (x - mean) / Math.sqrt(variance));
  });
}

/** The attention of the first decoder layer, by loops over numbers: [heads][from][to], causal. */
function attentionOf(parameters: HostParameters, config: TextVaeConfig, positions: number) {
  const { nEmbd: width, nHead: heads, initializerRange } = config.decoder;
  const places = parameters["decoder.transformer.wpe.weight"]!.data;
  const weight = parameters["decoder.transformer.h.0.attn.c_attn.weight"]!.data;
  const bias = parameters["decoder.transformer.h.0.attn.c_attn.bias"]!.data;
  const contents = randomStream(1).normal(positions * width);
  const x = layerNormed(
    Array.from({ length: positions }, (_, p) =>
      Array.from(
        { length: width },
        (_, i) => places[p * width + i]! + initializerRange * contents[p * width + i]!,
      )),
  );
  const projected = (row: number[], out: number) =>
    row.reduce((sum, value, i) => sum + value * weight[i * 3 * width + out]!, bias[out]!);
  const size = width / heads;
  return Array.from({ length: heads }, (_, head) => {
    const part = (row: number[], offset: number) =>
      Array.from({ length: size }, (_, c) => projected(row, offset + head * size + c));
    const queries = x.map((row) => part(row, 0));
    const keys = x.map((row) => part(row, width));
    return queries.map((query, from) => {
      const scores = keys.slice(0, from + 1).map((key) =>
        Math.exp(query.reduce((sum, q, i) => sum + q * key[i]!, 0) / Math.sqrt(size))
      );
      const total = scores.reduce((sum, score) => sum + score, 0);
      return scores.map((score) => score / total);
    });
  });
}

Deno.test("alignedStart() makes every head attend to the embedding of the token to predict", () => {
  const config = configOf("stretches", 4, 192, 6);
  const parameters = alignedStart(fresh(config), config);
  const heads = attentionOf(parameters, config, 2 * TOKENS);
  for (const head of heads) {
    for (let token = 0; token < TOKENS; token++) {
      const weights = head[TOKENS + token]!;
      assert(weights[token]! > 0.5, `token ${token}: ${weights[token]}`);
    }
  }
  // Fresh weights do not.
  const before = attentionOf(fresh(config), config, 2 * TOKENS);
  assert(before.every((head) => head[2 * TOKENS - 1]![TOKENS - 1]! < 0.2));
});

Deno.test("alignedStart() makes heads attend to the latent of the token's stretch", () => {
  const config = configOf("first", 4, 192, 6);
  const heads = attentionOf(alignedStart(fresh(config), config), config, 4 + TOKENS);
  for (const head of heads) {
    for (let token = 0; token < TOKENS; token++) {
      const latents = head[4 + token]!.slice(0, 4);
      assertEquals(latents.indexOf(Math.max(...latents)), Math.floor(token / 4), `token ${token}`);
    }
  }
});

Deno.test("alignedStart() keeps every name and shape, and does not change its argument", () => {
  for (const source of ["first", "tokens", "stretches", "resampler"] as const) {
    const config = configOf(source);
    const given = fresh(config);
    const copy = structuredClone(given);
    const shapes = (parameters: HostParameters) =>
      Object.fromEntries(Object.entries(parameters).map(([name, { shape }]) => [name, [...shape]]));
    const aligned = alignedStart(given, config);
    assertEquals(shapes(aligned), shapes(given), source);
    assertEquals(given, copy, source);
    assert(Object.values(aligned).every(({ data }) => data.every(Number.isFinite)), source);
  }
});

Deno.test("alignedStart() throws when heads have no room for positions", () => {
  const config = configOf("stretches", 4, 4, 2);
  assertThrows(() => alignedStart(fresh(config), config), RangeError, "it takes 4");
});

type CopyingBatch = TextBatch["arrays"] & { readonly noise: HostArray };

/** Random texts to copy; the decoder's input contains no information. */
function copyingBatch(step: number, batch: number): CopyingBatch {
  const random = randomStream(2).at(step);
  const length = TOKENS + 2;
  const ids = random.integers(batch * TOKENS, 4, VOCABULARY);
  const inputIds = new Int32Array(batch * length).fill(2);
  const labels = new Int32Array(batch * length).fill(-100);
  for (let row = 0; row < batch; row++) {
    const text = ids.subarray(row * TOKENS, (row + 1) * TOKENS);
    inputIds[row * length] = 1;
    inputIds.set(text, row * length + 1);
    labels.set(text, row * length);
  }
  const shape = [batch, length];
  return {
    inputIds: int32(inputIds, shape),
    attentionMask: int32(new Int32Array(batch * length).fill(1), shape),
    decoderInputIds: int32(new Int32Array(batch * length).fill(3), shape),
    labels: int32(labels, shape),
    noise: float32(new Float32Array(batch * 4 * 128), [batch, 4, 128]),
  };
}

Deno.test({
  name: "textVaeLoss() learns to copy quickly from an aligned start, but not from a fresh one",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    const config = configOf("stretches");
    const specs = textVaeSpecs(config);
    const device = await openDevice("onnx", { threads: 1 });
    const step = compileTrainStep<CopyingBatch, "reconstruction" | "divergence">(device, {
      specs,
      optimizer: { maxGradNorm: 1 },
      loss: (parameters, batch) => textVaeLoss(parameters, batch as TextVaeBatch, config),
    });
    const lossAfter = async (parameters: HostParameters, steps: number) => {
      let state = step.start(parameters);
      let last = NaN;
      for (let i = 0; i < steps; i++) {
        const settings = { step: i + 1, learningRate: 2e-3, emaDecay: 0 };
        const result = await step(state, copyingBatch(i, 16), settings);
        state = result.state;
        last = result.loss;
      }
      return last;
    };
    const chance = Math.log(VOCABULARY - 4); // 3.0 nats
    const aligned = await lossAfter(alignedStart(fresh(config), config), 60);
    const unaligned = await lossAfter(fresh(config), 60);
    await step.dispose();
    assert(aligned < 0.2 * chance, `aligned: ${aligned}`);
    assert(unaligned > 0.8 * chance, `fresh: ${unaligned}`);
  },
});
