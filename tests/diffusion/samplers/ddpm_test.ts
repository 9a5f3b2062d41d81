import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { ddpm } from "../../../diffusion/samplers/ddpm.ts";
import { lastSample, type SamplerOptions } from "../../../diffusion/samplers/types.ts";
import { noiseSchedule } from "../../../diffusion/schedules.ts";
import { UserError } from "../../../base/errors.ts";
import { magnitude, ramp, standIn } from "../stand_in.ts";

const schedule = noiseSchedule();
const noNoise = (length: number) => new Float32Array(length);

Deno.test("ddpm() has the published sum after 1000 steps when the noise is zero", async () => {
  const sample = await lastSample(ddpm(standIn, ramp, schedule, { noise: noNoise }));
  assertAlmostEquals(magnitude(sample), .6609352, 1e-5);
});

Deno.test("ddpm() requests noise for every step except the last", async () => {
  const requests: [number, number][] = [];
  const noise = (length: number, step: number) => {
    requests.push([length, step]);
    return new Float32Array(length);
  };
  await lastSample(ddpm(standIn, ramp, schedule, { timesteps: [800, 200, 100], noise }));
  assertEquals(requests, [[768, 0], [768, 1]]);
});

Deno.test("ddpm() ends in the predicted x0 when the last timestep is not 0", async () => {
  const options: SamplerOptions = {
    numInferenceSteps: 5,
    timestepSpacing: "trailing",
    varianceType: "fixed_large",
    noise: (length) => new Float32Array(length).fill(.5),
  };
  for await (const { step, sample, predictedX0 } of ddpm(standIn, ramp, schedule, options)) {
    if (step === 4) assertEquals(sample, predictedX0);
    else assert(sample.some((value, i) => value !== predictedX0[i]));
  }
});

Deno.test("ddpm() adds more noise when the variance is fixed_large", async () => {
  const spread = async (varianceType: "fixed_small" | "fixed_large", z: number) => {
    const noise = (length: number) => new Float32Array(length).fill(z);
    const steps = ddpm(standIn, ramp, schedule, { numInferenceSteps: 2, varianceType, noise });
    return (await steps.next()).value!.sample[0]!;
  };
  const { alphasCumprod: a } = schedule;
  const beta = 1 - a[500]! / a[0]!;
  const large = await spread("fixed_large", 1) - await spread("fixed_large", 0);
  const small = await spread("fixed_small", 1) - await spread("fixed_small", 0);
  assertAlmostEquals(large, Math.sqrt(beta), 1e-6);
  assertAlmostEquals(small, Math.sqrt(beta * (1 - a[0]!) / (1 - a[500]!)), 1e-6);
});

Deno.test("ddpm() throws when noise is missing or too short or the variance is unknown", async () => {
  const refuses = (options: SamplerOptions, message: string) =>
    assertRejects(() => lastSample(ddpm(standIn, ramp, schedule, options)), UserError, message);
  await refuses({ numInferenceSteps: 4 }, "needs noise at step 1 of 4 (timestep 750)");
  await refuses(
    { noise: () => new Float32Array(3) },
    "noise returned 3 numbers for 768 at step 1 of 1000",
  );
  await refuses({ varianceType: "learned" as "fixed_small" }, 'varianceType is "learned"');
});
