import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { samplerNames } from "../../../diffusion/samplers/registry.ts";
import type { SamplerOptions } from "../../../diffusion/samplers/types.ts";
import { noiseSchedule } from "../../../diffusion/schedules.ts";
import { openDevice } from "../../../engine/device.ts";
import { UserError } from "../../../base/errors.ts";
import type { Guidance } from "../../../diffusion/guidance.ts";
import { samplingOptionsOf } from "../../../image/check_sampling.ts";
import { FASHION } from "../../../image/data.ts";
import { PRESETS } from "../../../image/presets.ts";
import { chooseFrames } from "../../../image/sampling/animation.ts";
import { mixDenoisers } from "../../../image/sampling/interpolation.ts";
import { drawSamples, evaluationsOf, openSampling } from "../../../image/sampling/samples.ts";
import { noiseOf, randomStream } from "../../../nn/random.ts";
import { assertAllClose } from "../../assert_close.ts";
import { randomParameters, TINY_UNET } from "../../tiny_unet.ts";

const model = { parameters: randomParameters(), config: TINY_UNET, nullClass: 2 };
const sampled = {
  ...model,
  schedule: noiseSchedule({ numTrainTimesteps: 20, predictionType: "v_prediction" }),
  sampler: "ddim",
  samplerOptions: {},
} as const;
const labels = Int32Array.of(0, 1);
const x = randomStream(1).normal(32);

/** The output of a session's denoiser at timestep 5. */
async function outputOf(guidance: Guidance): Promise<Float32Array> {
  await using session = openSampling(await openDevice("cpu"), { ...sampled, guidance });
  return await session.denoiser(labels)(x, 5);
}

/** The standard deviation of the 16 numbers of each sample. */
const deviations = (values: Float32Array) =>
  [0, 16].map((start) => {
    const sample = [...values.subarray(start, start + 16)];
    const mean = sample.reduce((a, b) => a + b) / 16;
    return Math.sqrt(sample.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 16);
  });

Deno.test("openSampling() gives guided samples the contrast of unguided ones when guidanceRescale is 1", async () => {
  const plain = await outputOf({ guidanceScale: 1 });
  const guided = await outputOf({ guidanceScale: 5 });
  const rescaled = await outputOf({ guidanceScale: 5, guidanceRescale: 1 });
  assert(deviations(guided).some((d, i) => Math.abs(d - deviations(plain)[i]!) > 1e-2));
  assertAllClose(deviations(rescaled), deviations(plain), { atol: 1e-5, rtol: 0 });
});

Deno.test("openSampling() guides only timesteps within the interval", async () => {
  const plain = await outputOf({ guidanceScale: 1 });
  const guided = await outputOf({ guidanceScale: 5 });
  assertEquals(await outputOf({ guidanceScale: 5, interval: [5, 5] }), guided);
  assertEquals(await outputOf({ guidanceScale: 5, interval: [6, 19] }), plain);
});

Deno.test("openSampling() reports every evaluation, and refuses guidance without a null class", async () => {
  let evaluations = 0;
  const device = await openDevice("cpu");
  const guided = { ...sampled, guidance: { guidanceScale: 2 } };
  await using session = openSampling(device, guided, () => evaluations++);
  const denoise = session.denoiser(labels);
  await denoise(x, 5);
  await denoise(x, 4);
  assertEquals(evaluations, 2);
  await using other = openSampling(device, { ...guided, nullClass: undefined });
  assertThrows(() => other.denoiser(labels), UserError, "null class");
});

Deno.test("drawSamples() samples with every sampler in one step, and in T steps", async () => {
  const schedule = noiseSchedule({ numTrainTimesteps: 6, predictionType: "v_prediction" });
  const device = await openDevice("cpu");
  for (const sampler of samplerNames) {
    for (const numInferenceSteps of [1, 6]) {
      for (const spacing of [{}, { useKarrasSigmas: true }, { useExponentialSigmas: true }]) {
        const samplerOptions: SamplerOptions = { numInferenceSteps, timestepSpacing: "trailing" };
        let evaluations = 0;
        const options = {
          ...model,
          schedule,
          sampler,
          samplerOptions: { ...samplerOptions, ...spacing },
        };
        const pixels = await drawSamples(device, options, {
          labels,
          random: randomStream(1),
          onProgress: (done, total) => {
            evaluations = done;
            assertEquals(total, evaluationsOf(sampler, numInferenceSteps));
          },
        });
        assertEquals(pixels.length, 32);
        assertEquals(evaluations, evaluationsOf(sampler, numInferenceSteps), sampler);
      }
    }
  }
});

Deno.test("noiseOf() gives a sample the same noise at any position of a batch", () => {
  const random = randomStream(3);
  const both = noiseOf(random, [4, 7], 5)(2);
  assertEquals(both.subarray(5), noiseOf(random, [7], 5)(2));
  assertEquals(both.subarray(0, 5), random.at(4).at(2).normal(5));
});

Deno.test("mixDenoisers() mixes the outputs for each sample by its own fraction", async () => {
  const of = (value: number) => (x: Float32Array) => Promise.resolve(x.map((v) => value * v));
  const mixed = mixDenoisers(of(1), of(3), [0, 0.5, 1]);
  assertEquals([...await mixed(Float32Array.of(1, 2, 1, 2, 1, 2), 0)], [1, 2, 2, 4, 3, 6]);
});

Deno.test("chooseFrames() chooses both ends and evenly spaced frames between", () => {
  assertEquals(chooseFrames(1, 11), [0]);
  assertEquals(chooseFrames(4, 11), [0, 1, 2, 3]);
  assertEquals(chooseFrames(101, 11), [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
});

Deno.test("samplingOptionsOf() translates the settings into options of the samplers", () => {
  const schedule = noiseSchedule({ numTrainTimesteps: 100 });
  const net = { ...TINY_UNET, sampleSize: 28 };
  const large = { parameters: model.parameters, config: net, schedule, images: FASHION };
  const settings = (changes: object) => samplingOptionsOf(large, { ...PRESETS.smoke, ...changes });
  const plain = settings({}).samplerOptions;
  assertEquals([plain.numInferenceSteps, plain.timestepSpacing], [10, "trailing"]);
  assertEquals(
    [plain.constrainX0, plain.clipSample, plain.timesteps],
    new Array(3).fill(undefined),
  );
  const custom = settings({ respacing: "ddim5", sigmaSpacing: "timesteps" }).samplerOptions;
  assertEquals([custom.numInferenceSteps, custom.timesteps], [undefined, [80, 60, 40, 20, 0]]);
  const karras = settings({ sigmaSpacing: "karras", solverOrder: 3 }).samplerOptions;
  assertEquals([karras.useKarrasSigmas, karras.useExponentialSigmas], [true, false]);
  assertEquals(karras.solverOrder, 3);
  assertEquals(settings({ guidanceLow: 1e-6 }).guidance?.interval, [0, 99]);
  assertEquals(settings({}).guidance?.interval, undefined);

  // Magnitudes from 0 to 2: the median is 1, which only clips; the quantile 1 is 2.
  const ramp = Float32Array.from({ length: 784 }, (_, i) => 2 * i / 783);
  const limit = (dynamicThreshold: number) => {
    const { clipSample, constrainX0 } = settings({ dynamicThreshold }).samplerOptions;
    assertEquals(clipSample, false);
    return constrainX0!(ramp);
  };
  assertAlmostEquals(limit(1)[783 / 3]!, 1 / 3, 1e-6);
  assertAlmostEquals(limit(0.5)[783 / 3]!, 2 / 3, 1e-6);
});
