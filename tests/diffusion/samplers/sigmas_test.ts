import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { exponentialSigmas, karrasSigmas, planSigmas } from "../../../diffusion/samplers/sigmas.ts";
import type { SamplerOptions } from "../../../diffusion/samplers/types.ts";
import { noiseSchedule } from "../../../diffusion/schedules.ts";
import { UserError } from "../../../base/errors.ts";
import { assertAllClose } from "../../assert_close.ts";

const schedule = noiseSchedule();

Deno.test("karrasSigmas() has the published values", () => {
  // deno-fmt-ignore
  assertAllClose(karrasSigmas(10, .1, 10), [
    10, 6.80216458, 4.52420405, 2.93412001, 1.84930212, 1.128182, .662885855, .372822246,
    .199141042, .1], { atol: 0, rtol: 1e-8 });
  const five = [80, 17.527832, 2.51521898, .169752756, .002];
  assertAllClose(karrasSigmas(80, .002, 5), five, { atol: 0, rtol: 1e-8 });
  assertEquals(karrasSigmas(80, .002, 1), [80]);
});

Deno.test("exponentialSigmas() has a constant ratio between sigmas", () => {
  assertAllClose(exponentialSigmas(100, .01, 5), [100, 10, 1, .1, .01], { atol: 0, rtol: 1e-12 });
});

Deno.test("planSigmas() has diffusers' sigmas of the cosine schedule", () => {
  const own = noiseSchedule({ betaSchedule: "squaredcos_cap_v2" });
  const plan = planSigmas(own, { numInferenceSteps: 10 }, "continuous");
  // EulerDiscreteScheduler(beta_schedule="squaredcos_cap_v2"), except for the last, which is 3e-4 too large
  // in float32: it is sqrt((1 - a) / a) of the published a = .999958716
  // deno-fmt-ignore
  const sigmas = [20291, 5.7230, 2.7741, 1.7507, 1.2068, .85231, .58971, .37614, .18878, .0064254];
  assertAllClose(plan.map((at) => at.sigma), sigmas, { atol: 0, rtol: 5e-5 });
  assertEquals(plan.map((at) => at.timestep), [999, 888, 777, 666, 555, 444, 333, 222, 111, 0]);
  assertEquals(plan.map((at) => at.sigmaNext), [...plan.slice(1).map((at) => at.sigma), 0]);
});

Deno.test("planSigmas() has the sigma and the alphaCumprod of each timestep", () => {
  for (const family of ["solver", "continuous"] as const) {
    for (const at of planSigmas(schedule, { timesteps: [999, 500, 3] }, family)) {
      const a = schedule.alphasCumprod[at.timestep]!;
      assertAlmostEquals(at.sigma, Math.sqrt((1 - a) / a), 1e-9);
      assertAlmostEquals(at.alphaCumprod, a, 1e-14);
    }
  }
});

Deno.test("planSigmas() inverts the timesteps' sigmas when the spacing is Karras' or exponential", () => {
  for (const useKarrasSigmas of [true, false]) {
    const options = {
      numInferenceSteps: 12,
      useKarrasSigmas,
      useExponentialSigmas: !useKarrasSigmas,
    };
    const plan = planSigmas(schedule, options, "continuous");
    for (const { sigma, timestep } of plan) {
      const low = Math.min(Math.floor(timestep), 998);
      const logs = [low, low + 1].map((t) => {
        const a = schedule.alphasCumprod[t]!;
        return Math.log((1 - a) / a) / 2;
      });
      const log = logs[0]! + (timestep - low) * (logs[1]! - logs[0]!);
      assertAlmostEquals(Math.log(sigma), log, 3e-4); // float32 of the smallest, see planSigmas
    }
    assertEquals([plan[0]!.timestep, plan.at(-1)!.timestep], [999, 0]);
  }
});

Deno.test("planSigmas() ends at timestep 0's sigma when finalSigmasType is sigma_min", () => {
  const plan = planSigmas(
    schedule,
    { numInferenceSteps: 4, finalSigmasType: "sigma_min" },
    "solver",
  );
  assertAlmostEquals(plan.at(-1)!.sigmaNext, Math.sqrt(1e-4 / .9999), 1e-12);
  assertEquals(planSigmas(schedule, { numInferenceSteps: 4 }, "solver").at(-1)!.sigmaNext, 0);
  // Karras and exponential sigmas end there already: the last step has no length.
  for (const spacing of [{ useKarrasSigmas: true }, { useExponentialSigmas: true }]) {
    const options = { numInferenceSteps: 4, finalSigmasType: "sigma_min", ...spacing } as const;
    for (const family of ["solver", "continuous"] as const) {
      const { sigma, sigmaNext } = planSigmas(schedule, options, family).at(-1)!;
      assertEquals(sigmaNext, sigma);
    }
  }
});

Deno.test("planSigmas() throws when options contradict each other or are out of range", () => {
  const refuses = (options: SamplerOptions, message: string) =>
    assertThrows(() => planSigmas(schedule, options, "solver"), UserError, message);
  const both = { useKarrasSigmas: true, useExponentialSigmas: true };
  refuses(both, "useKarrasSigmas and useExponentialSigmas were both set");
  refuses(
    { useKarrasSigmas: true, timesteps: [9, 1] },
    "timesteps and useKarrasSigmas were both given",
  );
  refuses({ finalSigmasType: "none" as "zero" }, "one of zero, sigma_min");
  refuses({ startStep: 1000 }, "startStep is 1000; it must be an integer from 0 to 999");
});
