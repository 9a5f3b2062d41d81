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
import { PRESETS } from "../../../text.ts";
import type { DecodingMethod } from "../../../vae/latent_decoder.ts";
import { assertAllClose } from "../../assert_close.ts";

const CONFIG = textDenoiserConfig({
  ...{ latents: 2, latentWidth: 3, layers: 1, width: 8, heads: 2, classes: 5 },
});
const SPECS = latentDenoiserSpecs(CONFIG);
const MODEL = {
  config: CONFIG,
  schedule: latentNoiseSchedule("cosine", { numTrainTimesteps: 100 }),
  isFlow: false,
  scale: { mean: Float32Array.of(1, 2, 3), deviation: Float32Array.of(2, 2, 4), range: 3 },
  vae: "",
};
const SAMPLING = { ...PRESETS.smoke, sampleSteps: 4 };

/** Weights of which none is zero. */
const RANDOM = Object.fromEntries(
  Object.entries(SPECS).map(([name, { shape }]) => {
    const values = randomStream(3).stream(name).normal(sizeOf(shape));
    return [name, float32(values.map((value) => 0.3 * value), shape)] as const;
  }),
);

const classes = (...labels: number[]) => ({ classLabels: int32(labels) });

Deno.test("compileLatentSampler() draws what a denoiser sees that always sees the mean", async () => {
  // A new transformer's output is zero: of clean, normalised latents, the mean.
  const parameters = initParameters(SPECS, randomStream(0));
  const device = await openDevice("cpu");
  const sampler = compileLatentSampler(device, { ...MODEL, parameters }, SAMPLING);
  const seen: number[] = [];
  const drawn = await sampler.draw(
    { condition: classes(0, 1), numbers: [0, 1], random: randomStream(1) },
    ({ data, shape }, timestep) => {
      seen.push(timestep);
      assertEquals([shape, [...data]], [[2, 2, 3], Array(12).fill(0)]);
    },
  );
  await sampler.dispose();
  assertEquals(seen, [99, 74, 49, 24]);
  assertAllClose(drawn.data, Array(12).fill(0), { atol: 1e-6 });
});

Deno.test("compileLatentSampler() ends with noise of finalSigma at most, and without with 0", async () => {
  const parameters = initParameters(SPECS, randomStream(0)); // sees the mean, as above
  const device = await openDevice("cpu");
  const { alphasCumprod } = MODEL.schedule;
  const sigma = Math.sqrt((1 - alphasCumprod[49]!) / alphasCumprod[49]!);
  const drawn = [];
  for (const finalSigma of [1.01 * sigma, 0]) {
    const settings = { ...SAMPLING, finalSigma };
    const sampler = compileLatentSampler(device, { ...MODEL, parameters }, settings);
    const request = { condition: classes(0), numbers: [0], random: randomStream(1) };
    drawn.push((await sampler.draw(request)).data);
    await sampler.dispose();
  }
  const noise = noiseOf(randomStream(1), [0], 6)(0);
  // DDIM keeps the noise that it finds, here all of x_T, over which there is that little signal.
  const factor = sigma / Math.sqrt(1 - alphasCumprod[99]!);
  assertAllClose(drawn[0]!, noise.map((value) => factor * value), { atol: 1e-5 });
  assertAllClose(drawn[1]!, Array(6).fill(0), { atol: 1e-6 });
});

Deno.test("finalSigmaOf() is no more noise over the latents than the decoder was trained with", () => {
  const scale = { deviation: Float32Array.of(0.1, 0.7) }; // of a mean square of 0.25
  assertAlmostEquals(finalSigmaOf(3, { decoderNoise: 1 }, scale), 2, 1e-6);
  assertEquals(finalSigmaOf(1.5, { decoderNoise: 1 }, scale), 1.5);
  assertEquals(finalSigmaOf(3, {}, scale), 0);
});

Deno.test("compileLatentSampler() draws each sample from its own number alone, ddpm's noise too", async () => {
  const device = await openDevice("cpu");
  const ddpm = { ...SAMPLING, sampler: "ddpm" } as const;
  const sampler = compileLatentSampler(device, { ...MODEL, parameters: RANDOM }, ddpm);
  const random = randomStream(1);
  const draw = (labels: number[], numbers: number[]) =>
    sampler.draw({ condition: classes(...labels), numbers, random });
  const together = await draw([0, 4, 2], [7, 8, 9]);
  const alone = await draw([4], [8]);
  const other = await draw([4], [9]);
  await sampler.dispose();
  assertAllClose(alone.data, together.data.slice(6, 12), { atol: 1e-5, rtol: 1e-5 });
  assert(other.data.some((value, i) => Math.abs(value - alone.data[i]!) > 1e-3));
});

Deno.test("compileLatentSampler() starts from noise of the temperature, from none at 0", async () => {
  const device = await openDevice("cpu");
  const cold = { ...SAMPLING, temperature: 0, guidance: 1 };
  const sampler = compileLatentSampler(device, { ...MODEL, parameters: RANDOM }, cold);
  const draw = (seed: number) =>
    sampler.draw({ condition: classes(1), numbers: [0], random: randomStream(seed) });
  const [first, second] = [await draw(1), await draw(2)];
  await sampler.dispose();
  assertEquals(first, second);
});

Deno.test("decodeLatents() brings latents back to the autoencoder's scale and says block after block", async () => {
  const heard: number[][] = [];
  const said = await decodeLatents(float32([0, 0, 0, 1, 1, 1, -1, 0, 0.5, 0, 0, 0], [2, 2, 3]), 1, {
    codec: {
      decode: ({ data, shape }) => {
        assertEquals(shape, [4, 1, 3]);
        const rows = Array.from({ length: 4 }, (_, i) => [...data.slice(3 * i, 3 * i + 3)]);
        heard.push(...rows);
        return Promise.resolve(rows.map((row) => Int32Array.from(row)));
      },
    },
    tokenizer: { decode: (ids: Iterable<number>) => Array.from(ids).join(" ") },
    scale: MODEL.scale,
  });
  assertEquals(heard, [[1, 2, 3], [3, 4, 7], [-1, 2, 5], [1, 2, 3]]);
  assertEquals(said, [["1 2 3", "3 4 7"], ["-1 2 5", "1 2 3"]]);
});

Deno.test("decodeLatents() draws tokens at a temperature, each sample's blocks by numbers of their own", async () => {
  const methods: (DecodingMethod | undefined)[] = [];
  const say = (temperature: number, numbers: readonly number[]) =>
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
  await say(0, [4]);
  await say(0.7, [4, 9]);
  const [greedy, drawn] = methods;
  assertEquals(greedy, { method: "greedy" });
  assert(drawn?.method === "sample");
  assertEquals([drawn.temperature, drawn.numbers], [0.7, [8, 9, 18, 19]]);
});
