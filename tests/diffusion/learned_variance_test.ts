import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { classifierFreeGuidance } from "../../diffusion/guidance.ts";
import {
  joinLearnedVariance,
  learnedLogVariance,
  splitLearnedVariance,
  varianceRange,
  varianceRanges,
  withoutLearnedVariance,
} from "../../diffusion/learned_variance.ts";
import { ddpm } from "../../diffusion/samplers/ddpm.ts";
import { type Denoiser, lastSample } from "../../diffusion/samplers/types.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { UserError } from "../../base/errors.ts";
import { assertAllClose } from "../assert_close.ts";

Deno.test("learnedLogVariance() has diffusers' values when linear", () => {
  // DDPMScheduler(variance_type="learned_range")._get_variance of diffusers 0.42, its tables in float64.
  const { low, high } = varianceRanges(noiseSchedule());
  const at = (t: number, v: number) => learnedLogVariance(v, { low: low[t]!, high: high[t]! });
  assertAlmostEquals(at(500, .3), -4.59949227, 1e-8);
  assertAlmostEquals(at(1, -1), -9.816725135, 1e-8);
});

Deno.test("varianceRanges() spans the posterior's variance to beta and is finite at t = 0", () => {
  const schedule = noiseSchedule({ numTrainTimesteps: 20, betaSchedule: "squaredcos_cap_v2" });
  const { low, high } = varianceRanges(schedule);
  // Equations 9 and 15 of Nichol and Dhariwal 2021 in numpy, float64.
  assertAllClose([low[0]!, low[1]!, low[7]!, low[19]!], [
    -5.158635929,
    -5.158635929,
    -2.526946916,
    -.007072519446,
  ], { atol: 1e-8 });
  assertAllClose([high[0]!, high[1]!, high[7]!, high[19]!], [
    -4.829223987,
    -3.908280248,
    -2.297132806,
    -.001000500334,
  ], { atol: 1e-8 });
  const { alphasCumprod: a } = schedule;
  const range = varianceRange(a[7]!, a[6]!);
  assertAllClose([range.low, range.high], [low[7]!, high[7]!], { rtol: 1e-12 });
});

const [C, P] = [2, 4]; // channels, pixels

/** From diffusers' layout [C, P] to [P, C]. */
const toPixels = (values: ArrayLike<number>) =>
  Float32Array.from({ length: C * P }, (_, i) => values[(i % C) * P + Math.floor(i / C)]!);

/** Predicts x t / (t + 1), with v = tanh(1.5 x). */
const model: Denoiser = (x, t) =>
  Promise.resolve(joinLearnedVariance(
    x.map((value) => value * t / (t + 1)),
    x.map((value) => Math.tanh(1.5 * value)),
    C,
  ));

Deno.test("ddpm() agrees with diffusers when the variance is learned", async () => {
  // diffusers 0.42's DDPMScheduler with variance_type="learned_range", squaredcos_cap_v2, trailing
  // timesteps, tables in float64 and the same model. The noise is sin(0.7 k + i) at step k from 1, with i
  // over channels first; the last step has none.
  // deno-fmt-ignore
  const expected = {
    10: [
      -.2701884231, -.1858923692, .05265132639, .2431651712,
      .1686594204, -.0784654842, -.2423616486, -.2152942053,
    ],
    1000: [
      .003996166437, .007655688354, .003982075938, -.003630734125,
      -.008178656509, -.00549647961, .001963553269, .007351767532,
    ],
  };
  const schedule = noiseSchedule({ betaSchedule: "squaredcos_cap_v2" });
  const start = toPixels(Array.from({ length: 8 }, (_, i) => i / 8 - .4));
  const noise = (length: number, step: number) =>
    toPixels(Array.from({ length }, (_, i) => Math.sin(.7 * (step + 1) + i)));
  for (const [steps, values] of Object.entries(expected)) {
    const sample = await lastSample(ddpm(model, start, schedule, {
      numInferenceSteps: Number(steps),
      timestepSpacing: "trailing",
      noise,
      varianceType: "learned_range",
      channels: C,
    }));
    assertAllClose(sample, toPixels(values), { atol: 1e-6, message: `${steps} steps` });
  }
});

Deno.test("ddpm() throws when learned variances are missing or not finite", async () => {
  const schedule = noiseSchedule();
  const sample = (denoise: Denoiser, channels = {}) =>
    lastSample(ddpm(denoise, new Float32Array(C * P), schedule, {
      numInferenceSteps: 2,
      varianceType: "learned_range",
      noise: (n) => new Float32Array(n),
      ...channels,
    }));
  await assertRejects(() => sample(model), UserError, "needs channels");
  const plain: Denoiser = (x) => Promise.resolve(x);
  await assertRejects(() => sample(plain, { channels: C }), UserError, "returned 4 numbers for 8");
  const broken: Denoiser = (x) => Promise.resolve(joinLearnedVariance(x, x.map(() => NaN), C));
  await assertRejects(
    () => sample(broken, { channels: C }),
    UserError,
    "returned NaN at step 1 of 2",
  );
});

Deno.test("splitLearnedVariance() inverts joinLearnedVariance()", () => {
  const output = Float32Array.of(1, 2, -1, -2, 3, 4, -3, -4);
  const { prediction, v } = splitLearnedVariance(output, 2);
  assertEquals([...prediction], [1, 2, 3, 4]);
  assertEquals([...v], [-1, -2, -3, -4]);
  assertEquals(joinLearnedVariance(prediction, v, 2), output);
  assertThrows(() => splitLearnedVariance(output, 3), UserError, "3 channels each");
  assertThrows(() => joinLearnedVariance(prediction, v.slice(1), 2), UserError, "2 channels each");
});

Deno.test("withoutLearnedVariance() returns the prediction", async () => {
  const x = Float32Array.of(.5, -1, 2, 0);
  assertAllClose(await withoutLearnedVariance(model, C)(x, 3), x.map((value) => .75 * value));
});

Deno.test("classifierFreeGuidance() guides predictions and keeps the conditional variances", async () => {
  // As in DiTPipeline of diffusers 0.42: eps is guided, the rest comes from the conditional half.
  const returns = (values: number[]): Denoiser => () => Promise.resolve(Float32Array.from(values));
  const guided = classifierFreeGuidance({
    conditional: returns([1, 2, .1, .2]),
    unconditional: returns([0, 3, .5, .6]),
    guidanceScale: 3,
    learnedVarianceChannels: 2,
  });
  assertAllClose(await guided(new Float32Array(2), 0), [3, 0, .1, .2]);
});
