/** Whole loops against the reference values. */

import { assert, assertEquals } from "@std/assert";
import { type SamplerName, samplerNames, samplers } from "../../../diffusion/samplers/registry.ts";
import type { SamplerStep } from "../../../diffusion/samplers/types.ts";
import { fromSchedulerConfig } from "../../../diffusion/scheduler_config.ts";
import { noiseSchedule } from "../../../diffusion/schedules.ts";
import { assertAllClose } from "../../assert_close.ts";
import { fixtureJson } from "../../fixtures.ts";
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

/** Samplers that the file has and the project does not have yet. */
const LATER = ["dpm_multi", "unipc", "heun", "euler"];

const { cases } = await fixtureJson("samplers.json") as { cases: Case[] };
const family = ({ name }: Case) => name.split("/")[0]!;
const casesOf = (name: string) => cases.filter((one) => family(one) === name);

/** The reference is float32 throughout: it is off by up to 5e-6 of the largest magnitude. */
function assertReference(actual: Float32Array, expected: number[], message: string): void {
  const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 1);
  assertAllClose(actual, expected, { atol: 1.5e-5 * largest, rtol: 0, message });
}

async function assertCase(sampler: SamplerName, one: Case): Promise<void> {
  const { schedule, options } = fromSchedulerConfig(one.config);
  const { noise, name } = one;
  const steps: SamplerStep[] = [];
  const loop = samplers[sampler](standIn, Float32Array.from(one.x_T), noiseSchedule(schedule), {
    ...options,
    numInferenceSteps: one.steps,
    eta: one.step_args.eta ?? 0,
    ...(noise === null ? {} : { noise: (_, step) => Float32Array.from(noise[step]!) }),
  });
  for await (const step of loop) steps.push(step);
  assertEquals(steps.map((step) => step.timestep), one.timesteps, name);
  assertEquals(steps.map((step) => step.step), one.timesteps.map((_, i) => i), name);
  assertReference(steps[0]!.sample, one.first, `${name}, first step`);
  assertReference(steps.at(-1)!.sample, one.last, `${name}, last step`);
}

Deno.test("the reference file has cases of every sampler and of no unknown one", () => {
  const known: string[] = [...samplerNames, ...LATER];
  assertEquals(cases.filter((one) => !known.includes(family(one))).map((one) => one.name), []);
  for (const name of samplerNames) assert(casesOf(name).length > 0, `no case of ${name}`);
  // The bundled file, unless another was named: it must not lose cases unseen.
  const counts = samplerNames.map((name) => casesOf(name).length);
  if (cases.length === 69) assertEquals(counts, [18, 38]);
});

for (const sampler of samplerNames) {
  Deno.test(`${sampler}() agrees with the reference when given its settings and noise`, async (t) => {
    for (const one of casesOf(sampler)) await t.step(one.name, () => assertCase(sampler, one));
  });
}
