import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { qSample } from "../../diffusion/forward.ts";
import { type ImageTask, imageToImage, inpaint } from "../../diffusion/inpaint.ts";
import { ddim } from "../../diffusion/samplers/ddim.ts";
import { ddpm } from "../../diffusion/samplers/ddpm.ts";
import { type Denoiser, lastSample } from "../../diffusion/samplers/types.ts";
import { samplerNames, samplerOf } from "../../diffusion/samplers/registry.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { UserError } from "../../base/errors.ts";
import { randomStream } from "../../nn/random.ts";
import { assertAllClose } from "../assert_close.ts";
import { standIn } from "./stand_in.ts";

const schedule = noiseSchedule({ numTrainTimesteps: 100, betaEnd: .1 });
const image = randomStream(1).normal(16).map((value) => Math.tanh(value));
const noise = randomStream(2).normal(16);
const mask = image.map((_, i) => i < 8 ? 1 : 0);
const options = {
  numInferenceSteps: 10,
  noise: (length: number, step: number) => randomStream(3).at(step).normal(length),
};
const task = { denoise: standIn, noise, schedule, image, options };

for (const name of samplerNames) {
  Deno.test(`inpaint() keeps the known numbers only when the sampler is ${name}`, async () => {
    for (const strength of [1, .5]) {
      const last = await lastSample(inpaint({ ...task, sampler: samplerOf(name), mask, strength }));
      assertAllClose(last.subarray(0, 8), image.subarray(0, 8), { atol: 1e-6, rtol: 0 });
      assert(last.subarray(8).every((value, i) => value !== image[i + 8]), name);
    }
  });
}

Deno.test("inpaint() passes the known image with every step's noise level to the denoiser", async () => {
  const inputs: [Float32Array, number][] = [];
  const denoise: Denoiser = (x, t) => (inputs.push([x.slice(), t]), standIn(x, t));
  await lastSample(inpaint({ ...task, denoise, sampler: ddim, mask }));
  assertEquals(inputs.length, 10);
  // ddim adds no noise, so the initial noise stays.
  for (const [x, t] of inputs) {
    const expected = qSample(schedule, image, noise, t);
    assertAllClose(x.subarray(0, 8), expected.subarray(0, 8), { atol: 2e-6, rtol: 0 });
  }
});

Deno.test("inpaint() gives the known image the forward process's moments when the sampler is ddpm", async () => {
  // With a known image everywhere the sampler is linear in the noises, so unit impulses give its mean and
  // variance exactly.
  const known = .6;
  const length = 14; // [none, start, noise of step 0, 1, ...]
  const impulse = (index: number) => {
    const x = new Float32Array(length);
    x[index] = 1;
    return x;
  };
  const steps = inpaint({
    ...task,
    sampler: ddpm,
    noise: impulse(1),
    image: new Float32Array(length).fill(known),
    mask: new Float32Array(length).fill(1),
    options: { numInferenceSteps: 10, noise: (_, step) => impulse(step + 2) },
  });
  for await (const { step, sample } of steps) {
    if (step === 9) break; // the clean sample
    const a = schedule.alphasCumprod[80 - 10 * step]!;
    assertAlmostEquals(sample[0]!, Math.sqrt(a) * known, 1e-6);
    const variance = sample.reduce((sum, value) => sum + (value - sample[0]!) ** 2, 0);
    assertAlmostEquals(variance, 1 - a, 1e-6);
  }
});

Deno.test("inpaint() ignores the unknown region of the image when the strength is 1", async () => {
  const other = image.map((value, i) => i < 8 ? value : -value);
  const run = (one: Float32Array) =>
    lastSample(inpaint({ ...task, image: one, sampler: ddim, mask }));
  assertEquals(await run(other), await run(image));
});

Deno.test("inpaint() mixes image and prediction when the mask is between 0 and 1", async () => {
  const half = new Float32Array(16).fill(.5);
  for await (const { predictedX0 } of inpaint({ ...task, sampler: ddim, mask: half })) {
    const free = predictedX0.map((value, i) => 2 * value - image[i]!);
    assert(free.every((value) => Math.abs(value) <= 1 + 1e-6)); // the predicted half is clipped to [-1, 1]
  }
});

Deno.test("imageToImage() runs the last steps from the noised image", async () => {
  const calls: number[] = [];
  let first: Float32Array | undefined;
  const denoise: Denoiser = (x, t) => (calls.push(t), first ??= x.slice(), standIn(x, t));
  await lastSample(imageToImage({ ...task, denoise, sampler: ddim, strength: .3 }));
  assertEquals(calls, [20, 10, 0]);
  assertAllClose(first!, qSample(schedule, image, noise, 20), { atol: 1e-6, rtol: 0 });
});

Deno.test("imageToImage() keeps more of the image when the strength is less", async () => {
  // The denoiser predicts x0 = 0, so each step scales x by a known factor.
  const { alphasCumprod } = schedule;
  const denoise: Denoiser = (x, t) =>
    Promise.resolve(x.map((v) => v / Math.sqrt(1 - alphasCumprod[t]!)));
  const last = (strength: number) =>
    imageToImage({ ...task, denoise, sampler: ddim, strength }).next()
      .then(({ value }) => value!.sample);
  const a = (t: number) => alphasCumprod[t]!;
  for (const [strength, t] of [[.2, 10], [.9, 80]] as const) {
    // x_s = sqrt((1 - a_s) / (1 - a_t)) x_t, where x_t = sqrt(a_t) image + sqrt(1 - a_t) noise
    const factor = Math.sqrt((1 - a(t - 10)) / (1 - a(t)));
    const expected = qSample(schedule, image, noise, t).map((value) => value * factor);
    assertAllClose(await last(strength), expected, { atol: 1e-6, rtol: 1e-5 });
  }
});

Deno.test("imageToImage() and inpaint() throw when strength, mask or shapes are invalid", () => {
  const refuses = (extra: Partial<ImageTask>, message: string) =>
    assertThrows(() => imageToImage({ ...task, sampler: ddim, ...extra }), UserError, message);
  refuses({ strength: 0 }, "strength is 0; it must be above 0 and at most 1");
  refuses({ strength: 1.5 }, "strength is 1.5");
  refuses({ strength: NaN }, "strength is NaN");
  refuses({ image: new Float32Array(3) }, "the image has 3 numbers and the noise 16");
  const inpaints = (own: Float32Array, message: string) =>
    assertThrows(() => inpaint({ ...task, sampler: ddim, mask: own }), UserError, message);
  inpaints(new Float32Array(4), "the mask has 4 numbers and the noise 16");
  inpaints(mask.map(() => 2), "the mask's number 0 is 2; it must be from 0 to 1");
});
