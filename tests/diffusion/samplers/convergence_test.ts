/** The order of convergence of samplers to closed forms for Gaussian data. */

import { assert, assertAlmostEquals } from "@std/assert";
import { lastSample, type SamplerOptions } from "../../../diffusion/samplers/types.ts";
import { type SamplerName, samplerNames, samplerOf } from "../../../diffusion/samplers/registry.ts";
import { noiseSchedule } from "../../../diffusion/schedules.ts";
import { evenTimesteps, exactX0, flow, geometricSchedule, m, moments, STEPS } from "./gaussian.ts";

const schedule = geometricSchedule();
const { alphasCumprod } = schedule;
const denoise = exactX0(schedule);
/** To timestep 0's noise level, with the full order up to the last step. */
const whole = { clipSample: false, finalSigmasType: "sigma_min", lowerOrderFinal: false } as const;

/** Heun and Euler visit the last timestep too, and their last step stays there; solvers only step to it. */
function timestepsFor(sampler: SamplerName, S: number): number[] {
  const both = ["heun", "euler", "euler_ancestral"].includes(sampler);
  return evenTimesteps(S).slice(0, both ? undefined : -1);
}

/** The distance from the probability flow after S steps from 1.5. */
async function error(sampler: SamplerName, S: number, options: SamplerOptions) {
  const timesteps = timestepsFor(sampler, S);
  const start = Float32Array.of(1.5);
  const steps = samplerOf(sampler)(denoise, start, schedule, { ...whole, ...options, timesteps });
  return Math.abs(
    (await lastSample(steps))[0]! - flow(1.5, alphasCumprod[STEPS]!, alphasCumprod[0]!),
  );
}

/** [sampler, options, order, steps]: enough steps for the asymptotic order, not too many for float32. */
const orders: [SamplerName, SamplerOptions, number, number][] = [
  ["euler", {}, 1, 96],
  ["heun", {}, 2, 48],
  ["heun", { slopeVariable: "angle" }, 2, 48],
  ["dpmpp_multistep", { solverOrder: 1 }, 1, 96],
  ["dpmpp_multistep", { solverOrder: 2 }, 2, 48],
  ["dpmpp_multistep", { solverOrder: 2, solverType: "heun" }, 2, 48],
  ["dpmpp_multistep", { solverOrder: 3 }, 2, 96], // half the weight of the second derivative: not 3
  ["dpmpp_singlestep", { solverOrder: 1 }, 1, 96],
  ["dpmpp_singlestep", { solverOrder: 2 }, 2, 96],
  ["dpmpp_singlestep", { solverOrder: 2, solverType: "heun" }, 2, 48],
  ["dpmpp_singlestep", { solverOrder: 3 }, 3, 48],
  ["dpmpp_singlestep", { solverOrder: 3, solverType: "heun" }, 3, 48],
  ["unipc", { solverOrder: 1 }, 2, 48], // the corrector adds one order
  ["unipc", { solverOrder: 2 }, 3, 48],
  ["unipc", { solverOrder: 2, solverType: "bh1" }, 3, 48],
];

for (const [sampler, options, order, S] of orders) {
  const name = `${sampler}(${Object.values(options).join(", ")})`;
  Deno.test(`${name} converges to the flow with order ${order} when the number of steps doubles`, async () => {
    const ratio = await error(sampler, S, options) / await error(sampler, 2 * S, options);
    const measured = Math.log2(ratio);
    assert(Math.abs(measured - order) < .2, `order ${measured}`);
  });
}

Deno.test("dpmppMultistep() and uniPC() have at least order 2.9 when solverOrder is 3", async () => {
  const measured = async (sampler: SamplerName, options: SamplerOptions) =>
    Math.log2(await error(sampler, 24, options) / await error(sampler, 96, options)) / 2;
  const full = await measured("dpmpp_multistep", { solverOrder: 3, fullThirdOrder: true });
  assert(full > 2.9, `multistep: ${full}`);
  const unipc = await measured("unipc", { solverOrder: 3 });
  assert(unipc > 2.9, `unipc: ${unipc}`);
});

Deno.test("samplers of second order have smaller errors than ddim when the evaluations are equal", async () => {
  const first = await error("dpmpp_multistep", 40, { solverOrder: 1 });
  assert(await error("heun", 20, {}) < first / 2, "heun"); // 2 evaluations per step
  for (const sampler of ["dpmpp_multistep", "dpmpp_singlestep", "unipc"] as const) {
    assert(await error(sampler, 40, {}) < first / 2, sampler);
  }
});

/**
 * The exact mean and standard deviation of samples from N(0, 1). With a linear denoiser the sample is a
 * linear function of xT and of every step's noise, so one run on a batch of unit impulses gives all
 * coefficients.
 */
async function momentsOf(sampler: SamplerName, options: SamplerOptions, own = schedule) {
  const denoiser = exactX0(own);
  const length = options.timesteps!.length + 3; // [none, xT, noise of step 0, 1, ...]
  const impulse = (index: number) => {
    const x = new Float32Array(length);
    x[index] = 1;
    return x;
  };
  const noise = (_: number, step: number) => impulse(step + 2);
  const way = { clipSample: false, ...options, noise };
  const responses = await lastSample(samplerOf(sampler)(denoiser, impulse(1), own, way));
  const mean = responses[0]!;
  return [mean, Math.sqrt(responses.reduce((sum, value) => sum + (value - mean) ** 2, 0))] as const;
}

Deno.test("first-order samplers with noise have ddpm's mean and standard deviation", async () => {
  const own = noiseSchedule({ predictionType: "sample" });
  const timesteps = Array.from({ length: 1000 }, (_, i) => 999 - i);
  const runs: [SamplerName, SamplerOptions][] = [
    ["ddim", { eta: 1 }],
    ["euler_ancestral", {}],
    ["dpmpp_sde", { solverOrder: 1 }],
    ["dpmpp_singlestep", { solverOrder: 1, algorithmType: "sde-dpmsolver++" }],
  ];
  for (const [sampler, options] of runs) {
    const [mean, deviation] = await momentsOf(sampler, { ...options, timesteps }, own);
    assertAlmostEquals(mean, .19999798, 5e-6, sampler);
    assertAlmostEquals(deviation, .49611008, 5e-6, sampler);
  }
});

Deno.test("samplers with noise converge to the data's moments with their order", async () => {
  const [mean, deviation] = moments(alphasCumprod[0]!);
  const runs: [SamplerName, SamplerOptions, number][] = [
    ["euler_ancestral", {}, 1],
    ["dpmpp_sde", { solverOrder: 1 }, 1],
    ["dpmpp_sde", {}, 2],
    ["dpmpp_sde", { solverType: "heun" }, 2],
    ["dpmpp_sde", { solverOrder: 3 }, 2], // fresh noise: no more than 2
  ];
  for (const [sampler, options, order] of runs) {
    const off = async (S: number) => {
      const timesteps = timestepsFor(sampler, S);
      const [first, second] = await momentsOf(sampler, { ...whole, ...options, timesteps });
      // The initial N(0, 1) differs slightly from the noised data.
      assertAlmostEquals(first, mean, 2e-5, sampler);
      return Math.abs(second - deviation);
    };
    const measured = Math.log2(await off(96) / await off(192));
    assert(Math.abs(measured - order) < .2, `${sampler} ${JSON.stringify(options)}: ${measured}`);
  }
});

Deno.test("samplers without noise end near the data when the last step leads to a clean sample", async () => {
  const exact = m +
    .5 * (1.5 - moments(alphasCumprod[STEPS]!)[0]) / moments(alphasCumprod[STEPS]!)[1];
  for (
    const sampler of [
      "ddim",
      "dpmpp_multistep",
      "dpmpp_singlestep",
      "unipc",
      "heun",
      "euler",
    ] as const
  ) {
    const options = { clipSample: false, timesteps: evenTimesteps(160) };
    const sample = await lastSample(
      samplerOf(sampler)(denoise, Float32Array.of(1.5), schedule, options),
    );
    assertAlmostEquals(sample[0]!, exact, .02, sampler);
  }
});

Deno.test("samplers return the denoiser's estimate from the noisiest level when they take one step", async () => {
  const schedule = noiseSchedule({ predictionType: "sample" });
  const [estimate] = await exactX0(schedule)(Float32Array.of(1.5), 999);
  assertAlmostEquals(estimate!, .2024, 1e-4); // m + a^.5 s^2 (x - a^.5 m) / (a s^2 + 1 - a), a = 4.04e-5
  for (const sampler of samplerNames) {
    const options = { clipSample: false, numInferenceSteps: 1 };
    const sample = await lastSample(
      samplerOf(sampler)(exactX0(schedule), Float32Array.of(1.5), schedule, options),
    );
    // Without given noise, ddpm's and the ancestral samplers' last step has none.
    assertAlmostEquals(sample[0]!, estimate!, 1e-5, sampler);
  }
});
