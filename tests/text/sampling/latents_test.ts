import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { latentNoiseSchedule } from "../../../text/denoiser/schedules.ts";
import { latentDenoiserSpecs, textDenoiserConfig } from "../../../text/denoiser/network.ts";
import { openDevice } from "../../../engine/device.ts";
import { float32, int32, sizeOf } from "../../../engine/tree.ts";
import { noiseOf, randomStream } from "../../../nn/random.ts";
import {
  compileLatentSampler,
  decodeLatents,
  finalSigmaOf,
} from "../../../text/sampling/latents.ts";
import { initParameters } from "../../../nn/parameters.ts";
import { PRESETS } from "../../../text/presets.ts";
import type { DecodingMethod } from "../../../vae/latent_decoder.ts";
import { assertAllClose } from "../../assert_close.ts";

const CONFIG = textDenoiserConfig({
  latents: 2,
  latentWidth: 3,
  layers: 1,
  width: 8,
  heads: 2,
  classes: 5,
});
const SPECS = latentDenoiserSpecs(CONFIG);
const MODEL = {
  config: CONFIG,
  schedule: latentNoiseSchedule("cosine", { numTrainTimesteps: 100 }),
  isFlow: false,
  scale: { mean: Float32Array.of(1, 2, 3), deviation: Float32Array.of(2, 2, 4), range: 3 },
  vae: "",
};
const SAMPLING = { ...PRESETS.smoke.sampling, sampleSteps: 4 };

/** Random weights, without zeros. */
const RANDOM = Object.fromEntries(
  Object.entries(SPECS).map(([name, { shape }]) => {
    const values = randomStream(3).stream(name).normal(sizeOf(shape));
    return [name, float32(values.map((value) => 0.3 * value), shape)] as const;
  }),
);

const classes = (...labels: number[]) => ({ classLabels: int32(labels) });

Deno.test("compileLatentSampler() samples the mean if the denoiser always predicts it", async () => {
  // The output of a new transformer is zero, the mean of normalized latents.
  const parameters = initParameters(SPECS, randomStream(0));
  const device = await openDevice("cpu");
  const sampler = compileLatentSampler(device, { ...MODEL, parameters }, SAMPLING);
  const seen: number[] = [];
  const sampled = await sampler.sample(
    { condition: classes(0, 1), numbers: [0, 1], random: randomStream(1) },
    ({ data, shape }, timestep) => {
      seen.push(timestep);
      assertEquals([shape, [...data]], [[2, 2, 3], Array(12).fill(0)]);
    },
  );
  await sampler.dispose();
  assertEquals(seen, [99, 74, 49, 24]);
  assertAllClose(sampled.data, Array(12).fill(0), { atol: 1e-6 });
});

Deno.test("compileLatentSampler() stops at finalSigma, and removes all noise at 0", async () => {
  const parameters = initParameters(SPECS, randomStream(0)); // predicts the mean, as above
  const device = await openDevice("cpu");
  const { alphasCumprod } = MODEL.schedule;
  const sigma = Math.sqrt((1 - alphasCumprod[49]!) / alphasCumprod[49]!);
  const sampled = [];
  for (const finalSigma of [1.01 * sigma, 0]) {
    const settings = { ...SAMPLING, finalSigma };
    const sampler = compileLatentSampler(device, { ...MODEL, parameters }, settings);
    const request = { condition: classes(0), numbers: [0], random: randomStream(1) };
    sampled.push((await sampler.sample(request)).data);
    await sampler.dispose();
  }
  const noise = noiseOf(randomStream(1), [0], 6)(0);
  // DDIM keeps the noise that the denoiser predicts: here all of x_T.
  const factor = sigma / Math.sqrt(1 - alphasCumprod[99]!);
  assertAllClose(sampled[0]!, noise.map((value) => factor * value), { atol: 1e-5 });
  assertAllClose(sampled[1]!, Array(6).fill(0), { atol: 1e-6 });
});

Deno.test("finalSigmaOf() is at most the noise that the decoder was trained with, relative to the latents", () => {
  const scale = { deviation: Float32Array.of(0.1, 0.7) }; // of a mean square of 0.25
  assertAlmostEquals(finalSigmaOf(3, { decoderNoise: 1 }, scale), 2, 1e-6);
  assertEquals(finalSigmaOf(1.5, { decoderNoise: 1 }, scale), 1.5);
  assertEquals(finalSigmaOf(3, {}, scale), 0);
});

Deno.test("compileLatentSampler() makes each sample a function of its number, with ddpm's noise", async () => {
  const device = await openDevice("cpu");
  const ddpm = { ...SAMPLING, sampler: "ddpm" } as const;
  const sampler = compileLatentSampler(device, { ...MODEL, parameters: RANDOM }, ddpm);
  const random = randomStream(1);
  const sample = (labels: number[], numbers: number[]) =>
    sampler.sample({ condition: classes(...labels), numbers, random });
  const together = await sample([0, 4, 2], [7, 8, 9]);
  const alone = await sample([4], [8]);
  const other = await sample([4], [9]);
  await sampler.dispose();
  assertAllClose(alone.data, together.data.slice(6, 12), { atol: 1e-5, rtol: 1e-5 });
  assert(other.data.some((value, i) => Math.abs(value - alone.data[i]!) > 1e-3));
});

Deno.test("compileLatentSampler() scales the initial noise by the temperature", async () => {
  const device = await openDevice("cpu");
  const cold = { ...SAMPLING, temperature: 0, guidance: 1 };
  const sampler = compileLatentSampler(device, { ...MODEL, parameters: RANDOM }, cold);
  const sample = (seed: number) =>
    sampler.sample({ condition: classes(1), numbers: [0], random: randomStream(seed) });
  const [first, second] = [await sample(1), await sample(2)];
  await sampler.dispose();
  assertEquals(first, second);
});

Deno.test("decodeLatents() denormalizes latents and decodes block after block", async () => {
  const received: number[][] = [];
  const texts = await decodeLatents(
    float32([0, 0, 0, 1, 1, 1, -1, 0, 0.5, 0, 0, 0], [2, 2, 3]),
    1,
    {
      codec: {
        decode: ({ data, shape }) => {
          assertEquals(shape, [4, 1, 3]);
          const rows = Array.from({ length: 4 }, (_, i) => [...data.slice(3 * i, 3 * i + 3)]);
          received.push(...rows);
          return Promise.resolve(rows.map((row) => Int32Array.from(row)));
        },
      },
      tokenizer: { decode: (ids: Iterable<number>) => Array.from(ids).join(" ") },
      scale: MODEL.scale,
    },
  );
  assertEquals(received, [[1, 2, 3], [3, 4, 7], [-1, 2, 5], [1, 2, 3]]);
  assertEquals(texts, [["1 2 3", "3 4 7"], ["-1 2 5", "1 2 3"]]);
});

Deno.test("decodeLatents() samples tokens at a temperature, with a random number per block", async () => {
  const methods: (DecodingMethod | undefined)[] = [];
  const decode = (temperature: number, numbers: readonly number[]) =>
    decodeLatents(float32(new Float32Array(numbers.length * 6), [numbers.length, 2, 3]), 1, {
      codec: {
        decode: ({ shape }, method) => {
          methods.push(method);
          return Promise.resolve(Array.from({ length: shape[0]! }, () => Int32Array.of(1)));
        },
      },
      tokenizer: { decode: () => "" },
      scale: MODEL.scale,
    }, { temperature, numbers, random: randomStream(1) });
  await decode(0, [4]);
  await decode(0.7, [4, 9]);
  const [greedy, sampled] = methods;
  assertEquals(greedy, { method: "greedy" });
  assert(sampled?.method === "sample");
  assertEquals([sampled.temperature, sampled.numbers], [0.7, [8, 9, 18, 19]]);
});
