/** Samplers against closed forms for data from N(m, s^2), whose optimal denoiser is known. */

import { assert, assertAlmostEquals } from "@std/assert";
import { ddim } from "../../../diffusion/samplers/ddim.ts";
import { ddpm } from "../../../diffusion/samplers/ddpm.ts";
import { type Denoiser, lastSample } from "../../../diffusion/samplers/types.ts";
import { noiseSchedule } from "../../../diffusion/schedules.ts";
import type { TimestepSpacing } from "../../../diffusion/timesteps.ts";

const [m, s] = [.2, .5];
const schedule = noiseSchedule();
const { alphasCumprod, numTrainTimesteps: T } = schedule;

/** E[epsilon | x_t] for the data above. */
const exact: Denoiser = (x, t) => {
  const a = alphasCumprod[t]!;
  const scale = Math.sqrt(1 - a) / (a * s ** 2 + 1 - a);
  return Promise.resolve(x.map((value) => scale * (value - Math.sqrt(a) * m)));
};

/** The probability flow from x at timestep t to the data. */
function flow(x: number, t: number): number {
  const a = alphasCumprod[t]!;
  return m + s * (x - Math.sqrt(a) * m) / Math.sqrt(a * s ** 2 + 1 - a);
}

async function ddimFrom(x: number, numInferenceSteps: number, timestepSpacing: TimestepSpacing) {
  const options = { numInferenceSteps, timestepSpacing, clipSample: false };
  return (await lastSample(ddim(exact, Float32Array.of(x), schedule, options)))[0]!;
}

Deno.test("ddim() has the published values for Gaussian data", async () => {
  const values = { 10: [.75996267, .75446216], 50: [.90793266, .90650506] };
  const more = { 100: [.92829486, .92755386], 1000: [.94710955, .94710955] };
  for (const [steps, [leading, trailing]] of Object.entries({ ...values, ...more })) {
    assertAlmostEquals(await ddimFrom(1.5, Number(steps), "leading"), leading!, 5e-6);
    assertAlmostEquals(await ddimFrom(1.5, Number(steps), "trailing"), trailing!, 5e-6);
  }
});

Deno.test("ddim() converges to the probability flow with order 1", async () => {
  const target = flow(1.5, T - 1);
  assertAlmostEquals(target, .94937606, 1e-8);
  const error = async (steps: number) => target - await ddimFrom(1.5, steps, "trailing");
  for (const steps of [50, 100, 250]) {
    const ratio = await error(steps) / await error(2 * steps);
    assert(ratio > 1.85 && ratio < 2.15, `${steps} steps: the error fell by ${ratio}`);
  }
});

/**
 * The exact mean and standard deviation of ddpm()'s samples from N(0, 1). With a linear denoiser the
 * sample is a linear function of xT and of every step's noise, so one run on a batch of unit impulses
 * gives all coefficients.
 */
async function moments(varianceType: "fixed_small" | "fixed_large"): Promise<[number, number]> {
  const impulse = (index: number) => {
    const x = new Float32Array(T + 1); // [none, xT, noise of step 0, 1, ... T - 2]
    x[index] = 1;
    return x;
  };
  const noise = (_: number, step: number) => impulse(step + 2);
  const options = { varianceType, clipSample: false, noise };
  const responses = await lastSample(ddpm(exact, impulse(1), schedule, options));
  const mean = responses[0]!;
  const variance = responses.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return [mean, Math.sqrt(variance)];
}

Deno.test("ddpm() has the theoretical mean and standard deviation when data are Gaussian", async () => {
  const small = await moments("fixed_small");
  assertAlmostEquals(small[0], .19999798, 2e-6);
  assertAlmostEquals(small[1], .49611008, 2e-6);
  const large = await moments("fixed_large");
  assertAlmostEquals(large[0], .19999798, 2e-6);
  assertAlmostEquals(large[1], .50075151, 2e-6);
});
