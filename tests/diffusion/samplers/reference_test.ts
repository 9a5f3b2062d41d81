/** Complete sampling loops against the reference values. */

import { assert, assertEquals } from "@std/assert";
import { type SamplerName, samplerOf } from "../../../diffusion/samplers/registry.ts";
import { planSigmas } from "../../../diffusion/samplers/sigmas.ts";
import type { SamplerOptions, SamplerStep } from "../../../diffusion/samplers/types.ts";
import { fromSchedulerConfig } from "../../../diffusion/scheduler_config.ts";
import { type NoiseSchedule, noiseSchedule } from "../../../diffusion/schedules.ts";
import { assertAllClose } from "../../assert_close.ts";
import { fixtureJson, hasFixture } from "../../fixtures.ts";
import { standIn } from "../stand_in.ts";

interface Case {
  name: string;
  config: Record<string, unknown>;
  steps: number;
  timesteps: number[];
  x_T: number[];
  noise: number[][] | null;
  step_args: { eta?: number };
  first: number[];
  last: number[];
}

/** The sampler of each family of cases; samplers without cases are tested against closed forms. */
const FAMILIES: Record<string, SamplerName> = {
  ddpm: "ddpm",
  ddim: "ddim",
  dpm_multi: "dpmpp_multistep",
  dpm_single: "dpmpp_singlestep",
  unipc: "unipc",
  heun: "heun",
  euler: "euler",
  euler_ancestral: "euler_ancestral",
};

const ignore = !hasFixture("samplers.json");
const { cases } = await fixtureJson("samplers.json") as { cases: Case[] };
const family = ({ name }: Case) => name.split("/")[0]!;
const casesOf = (name: string) => cases.filter((one) => family(one) === name);

/** The reference is float32; its errors are up to 5e-6 of the largest magnitude. */
function assertReference(actual: Float32Array, expected: number[], message: string): void {
  const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 1);
  assertAllClose(actual, expected, { atol: 1.5e-5 * largest, rtol: 0, message });
}

/** The options for diffusers' settings; missing ones have the default of their class. */
function optionsOf(sampler: SamplerName, { config, steps, step_args, noise }: Case) {
  const named: SamplerOptions = Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
  const clips = sampler === "ddpm" || sampler === "ddim";
  return {
    clipSample: clips,
    ...named,
    numInferenceSteps: steps,
    eta: step_args.eta ?? 0,
    ...(noise && { noise: (_: number, step: number) => Float32Array.from(noise[step]!) }),
  };
}

/**
 * The reference's Euler and Heun keep samples of variance 1 + sigma^2. These factors scale ours before
 * the first step, after it, and after the last.
 */
function scales(sampler: SamplerName, schedule: NoiseSchedule, options: SamplerOptions) {
  if (!["euler", "heun", "euler_ancestral"].includes(sampler)) return [1, 1, 1] as const;
  const plan = planSigmas(schedule, options, "continuous");
  const scale = (sigma: number) => Math.sqrt(1 + sigma ** 2);
  return [plan[0]!.sigma, plan[0]!.sigmaNext, plan.at(-1)!.sigmaNext].map(scale) as [
    number,
    number,
    number,
  ];
}

async function assertCase(sampler: SamplerName, one: Case): Promise<void> {
  const { name } = one;
  const schedule = noiseSchedule(fromSchedulerConfig(one.config).schedule);
  const options = optionsOf(sampler, one);
  const [before, first, last] = scales(sampler, schedule, options);
  const steps: SamplerStep[] = [];
  const start = Float32Array.from(one.x_T, (value) => value / before);
  for await (const step of samplerOf(sampler)(standIn, start, schedule, options)) steps.push(step);
  assertEquals(steps.map((step) => step.step), one.timesteps.map((_, i) => i), name);
  // The reference computes fractional timesteps from float32 logarithms.
  const whole = one.timesteps.every(Number.isInteger);
  const timesteps = steps.map((step) => step.timestep);
  if (whole) assertEquals(timesteps, one.timesteps, name);
  else assertAllClose(timesteps, one.timesteps, { atol: 1e-3, rtol: 0, message: name });
  assertReference(steps[0]!.sample.map((v) => v * first), one.first, `${name}, first step`);
  assertReference(steps.at(-1)!.sample.map((v) => v * last), one.last, `${name}, last step`);
}

Deno.test("the reference file has cases for six samplers and no unknown family", { ignore }, () => {
  assertEquals(cases.filter((one) => !(family(one) in FAMILIES)).map((one) => one.name), []);
  const counts = ["ddpm", "ddim", "dpm_multi", "unipc", "heun", "euler"].map((name) =>
    casesOf(name).length
  );
  assert(counts.every((count) => count > 0), `cases: ${counts}`);
  // The bundled file must not lose cases unnoticed; another file may be named.
  if (cases.length === 69) assertEquals(counts, [18, 38, 10, 1, 1, 1]);
});

for (const [name, sampler] of Object.entries(FAMILIES)) {
  if (casesOf(name).length === 0) continue;
  Deno.test(
    `${sampler}() agrees with the reference when given its settings and noise`,
    { ignore },
    async (t) => {
      for (const one of casesOf(name)) await t.step(one.name, () => assertCase(sampler, one));
    },
  );
}
