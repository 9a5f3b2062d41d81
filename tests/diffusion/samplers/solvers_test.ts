/** Published values of solvers and the effects of their options. */

import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { ancestralStep, eulerAncestral } from "../../../diffusion/samplers/euler_ancestral.ts";
import { combine } from "../../../diffusion/samplers/terms.ts";
import { lastSample, type SamplerOptions } from "../../../diffusion/samplers/types.ts";
import { type SamplerName, samplerOf } from "../../../diffusion/samplers/registry.ts";
import { solveLinear } from "../../../diffusion/samplers/unipc.ts";
import { solverWeights } from "../../../diffusion/samplers/solver_weights.ts";
import { noiseSchedule, type ScheduleConfig } from "../../../diffusion/schedules.ts";
import { UserError } from "../../../base/errors.ts";
import { randomStream } from "../../../nn/random.ts";
import { assertAllClose } from "../../assert_close.ts";
import { magnitude, ramp, standIn } from "../stand_in.ts";

const noise = (length: number, step: number) => randomStream(5).at(step).normal(length);

async function mean(sampler: SamplerName, options: SamplerOptions, config: ScheduleConfig = {}) {
  const way = { numInferenceSteps: 10, clipSample: false, ...options };
  return magnitude(
    await lastSample(samplerOf(sampler)(standIn, ramp, noiseSchedule(config), way)),
  ) /
    768;
}

Deno.test("solvers have the published means after ten steps", async () => {
  const velocity = { predictionType: "v_prediction" } as const;
  const karras = { useKarrasSigmas: true };
  const multistep = { lowerOrderFinal: false, finalSigmasType: "sigma_min" } as const;
  assertAlmostEquals(await mean("dpmpp_multistep", multistep), .330147, 1e-5);
  assertAlmostEquals(await mean("dpmpp_multistep", multistep, velocity), .2251, 1e-4);
  const single = { finalSigmasType: "sigma_min", lowerOrderFinal: false } as const;
  assertAlmostEquals(await mean("dpmpp_singlestep", single), .2791, 1e-3);
  assertAlmostEquals(await mean("dpmpp_singlestep", { ...single, ...karras }), .2248, 1e-3);
  assertAlmostEquals(await mean("dpmpp_singlestep", single, velocity), .1453, 1e-3);
  const unipc = { finalSigmasType: "sigma_min" } as const;
  assertAlmostEquals(await mean("unipc", unipc), .2464, 1e-3);
  assertAlmostEquals(await mean("unipc", { ...unipc, ...karras }), .2925, 1e-3);
  assertAlmostEquals(await mean("unipc", unipc, velocity), .1014, 1e-3);
});

Deno.test("euler() and heun() have the published means of 1100 timesteps", async () => {
  // The published start is the ramp times sigma, a sample of variance 1 + sigma^2.
  const schedule = noiseSchedule({ numTrainTimesteps: 1100 });
  const a = schedule.alphasCumprod.at(-1)!;
  assertAlmostEquals(Math.sqrt((1 - a) / a), 261.0556, 1e-3);
  const start = ramp.map((value) => value * Math.sqrt(1 - a));
  const options = { numInferenceSteps: 10, clipSample: false };
  const of = async (name: "euler" | "heun") =>
    magnitude(await lastSample(samplerOf(name)(standIn, start, schedule, options)));
  assertAlmostEquals(await of("euler"), 168.0514, 2e-2);
  assertAlmostEquals(await of("heun"), 244.6024, 2e-2);
});

Deno.test("ancestralStep() has the published values", () => {
  assertAlmostEquals(ancestralStep(2, 1).sigmaDown, .5, 1e-12);
  assertAlmostEquals(ancestralStep(2, 1).sigmaUp, .8660254, 1e-7);
  assertEquals(ancestralStep(3, 0), { sigmaDown: 0, sigmaUp: 0 });
});

Deno.test("first-order solvers equal ddim() or ddpm() on the same timesteps", async () => {
  const schedule = noiseSchedule();
  const xT = randomStream(1).normal(20);
  const timesteps = [990, 700, 400, 150, 20];
  const sample = (name: SamplerName, options: SamplerOptions = {}) =>
    lastSample(
      samplerOf(name)(standIn, xT, schedule, { timesteps, clipSample: false, noise, ...options }),
    );
  const flow = await sample("ddim");
  const close = { atol: 2e-5, rtol: 2e-5 };
  assertAllClose(await sample("euler"), flow, close);
  assertAllClose(await sample("dpmpp_multistep", { solverOrder: 1 }), flow, close);
  assertAllClose(await sample("dpmpp_singlestep", { solverOrder: 1 }), flow, close);
  const noisy = await sample("ddpm");
  assertAllClose(await sample("euler_ancestral"), noisy, close);
  assertAllClose(await sample("dpmpp_sde", { solverOrder: 1 }), noisy, close);
  const single = { solverOrder: 1, algorithmType: "sde-dpmsolver++" } as const;
  assertAllClose(await sample("dpmpp_singlestep", single), noisy, close);
});

Deno.test("solverWeights() equals the numerical integrals", () => {
  const [sigma, sigmaNext] = [3, .7];
  const h = Math.log(sigma / sigmaNext);
  const alpha = 1 / Math.sqrt(1 + sigmaNext ** 2);
  for (const [stochastic, span] of [[false, h], [true, 2 * h]] as const) {
    const integral = (power: number) => { // span int_0^1 e^(span (u - 1)) u^power du, by midpoints
      let sum = 0;
      for (let i = 0; i < 20000; i++) {
        const u = (i + .5) / 20000;
        sum += span * Math.exp(span * (u - 1)) * u ** power / 20000;
      }
      return alpha * sum;
    };
    const w = solverWeights(sigma, sigmaNext, stochastic);
    assertAlmostEquals(w.h, h, 1e-14);
    assertAlmostEquals(w.d0, integral(0), 1e-7);
    assertAlmostEquals(w.d1, integral(1), 1e-7);
    assertAlmostEquals(w.d2, integral(2) / 2, 1e-7);
    // With a known x0, x = alpha (x0 + sigma z) keeps its variance.
    const alphaFrom = 1 / Math.sqrt(1 + sigma ** 2);
    assertAlmostEquals(w.x * alphaFrom + w.d0, alpha, 1e-14);
    const variance = (w.x * alphaFrom * sigma) ** 2 + w.noise ** 2;
    assertAlmostEquals(variance, (alpha * sigmaNext) ** 2, 1e-14);
  }
  const clean = solverWeights(.1, 0, false);
  assertEquals([clean.x, clean.d0, clean.noise], [0, 1, 0]);
});

Deno.test("solveLinear() solves the equations when the first pivot is zero", () => {
  // Rows must be exchanged. x = [2, -1, 3] by hand.
  const matrix = [[0, 1, 2], [1, 1, 1], [2, -1, 0]];
  assertAllClose(solveLinear(matrix, [5, 4, 5]), [2, -1, 3], { atol: 1e-12 });
});

Deno.test("combine() rounds the sum once", () => {
  const [big, small] = [Float32Array.of(2 ** 24), Float32Array.of(1)];
  // In float32, 2^24 + 1 would lose the 1.
  assertEquals(combine([1, big], [1, small], [-1, big]), Float32Array.of(1));
});

Deno.test("samplers with noise request it for every step except the last", async () => {
  for (const name of ["euler_ancestral", "dpmpp_sde"] as const) {
    const requests: number[] = [];
    const watch = (length: number, step: number) => (requests.push(step), noise(length, step));
    const options = { timesteps: [900, 500, 100], noise: watch };
    await lastSample(samplerOf(name)(standIn, ramp, noiseSchedule(), options));
    assertEquals(requests, [0, 1], name);
  }
  await assertRejects(
    () => lastSample(eulerAncestral(standIn, ramp, noiseSchedule(), { numInferenceSteps: 3 })),
    UserError,
    "needs noise at step 1 of 3",
  );
});

Deno.test("samplers without noise never request any", async () => {
  const never = () => {
    throw new Error("noise was requested");
  };
  for (const name of ["dpmpp_multistep", "dpmpp_singlestep", "unipc", "heun", "euler"] as const) {
    const options = { numInferenceSteps: 4, noise: never };
    const last = await lastSample(samplerOf(name)(standIn, ramp, noiseSchedule(), options));
    assertEquals(last.length, 768, name);
  }
});

Deno.test("dpmppMultistep() lowers the order at the end when the options are set", async () => {
  const level = async (S: number, options: SamplerOptions) => {
    const way = { numInferenceSteps: S, finalSigmasType: "sigma_min", ...options } as const;
    return await mean("dpmpp_multistep", way);
  };
  const full = { lowerOrderFinal: false };
  assert(await level(10, {}) !== await level(10, full));
  assertEquals(await level(20, {}), await level(20, full)); // not below 15 steps
  assert(await level(20, { eulerAtFinal: true }) !== await level(20, {}));
  const third = { solverOrder: 3 };
  assert(await level(20, third) !== await level(20, { ...third, fullThirdOrder: true }));
});

Deno.test("solvers throw when an option is out of range", async () => {
  const refuses = (name: SamplerName, options: SamplerOptions, message: string) =>
    assertRejects(
      () => lastSample(samplerOf(name)(standIn, ramp, noiseSchedule(), options)),
      UserError,
      message,
    );
  for (const name of ["dpmpp_multistep", "dpmpp_singlestep", "unipc"] as const) {
    await refuses(name, { solverOrder: 4 }, "solverOrder is 4; it must be an integer from 1 to 3");
    await refuses(name, { solverOrder: 1.5 }, "solverOrder is 1.5");
    await refuses(name, { solverType: "bh3" as "bh2" }, "one of midpoint, heun, bh1, bh2");
  }
  for (const name of ["dpmpp_multistep", "dpmpp_singlestep"] as const) {
    const algorithmType = "dpmsolver" as "dpmsolver++";
    await refuses(name, { algorithmType }, "one of dpmsolver++, sde-dpmsolver++");
  }
});
