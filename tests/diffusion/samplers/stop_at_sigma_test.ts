import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { ddim } from "../../../diffusion/samplers/ddim.ts";
import { flowEuler } from "../../../diffusion/samplers/flow_euler.ts";
import { lastSample, type SamplerStep } from "../../../diffusion/samplers/types.ts";
import { samplerNames, samplerOf } from "../../../diffusion/samplers/registry.ts";
import {
  flowNoiseLeft,
  noiseLeft,
  stopAtSigma,
} from "../../../diffusion/samplers/stop_at_sigma.ts";
import { noiseSchedule } from "../../../diffusion/schedules.ts";
import { UserError } from "../../../base/errors.ts";
import { randomStream } from "../../../nn/random.ts";
import { exactX0, geometricSchedule, m, s } from "./gaussian.ts";

const schedule = geometricSchedule();
const { numTrainTimesteps: T } = schedule;
const options = { numInferenceSteps: T, clipSample: false };

async function collect(steps: AsyncIterable<SamplerStep>) {
  const all: SamplerStep[] = [];
  for await (const step of steps) all.push(step);
  return all;
}

Deno.test("stopAtSigma() leaves noise of finalSigma when data are Gaussian", async () => {
  for (const finalSigma of [.3, 1, 3]) {
    const x = Float32Array.of(-1, 0, 1.5);
    const steps = ddim(exactX0(schedule), x, schedule, options);
    const left = await lastSample(stopAtSigma(steps, noiseLeft(schedule), finalSigma));
    // The flow maps quantiles of N(m, s^2 + 80^2) to those of N(m, s^2 + sigma^2), both divided by the
    // signal.
    const begin = Math.sqrt(s ** 2 + 80 ** 2);
    const end = Math.sqrt(s ** 2 + finalSigma ** 2);
    x.forEach((value, i) => {
      const quantile = (value * Math.sqrt(1 + 80 ** 2) - m) / begin;
      // Sigma falls by 0.9 % per timestep, and DDIM's error has that size.
      assertAlmostEquals(left[i]!, m + end * quantile, .015 * end, `sigma ${finalSigma}`);
    });
  }
});

Deno.test("stopAtSigma() ends every sampler at the noise level of a visited timestep", async () => {
  for (const name of samplerNames) {
    const random = randomStream(0);
    const steps = () =>
      samplerOf(name)(exactX0OfAny, random.normal(4000), cosine, {
        numInferenceSteps: 100,
        timestepSpacing: "trailing",
        clipSample: false,
        eta: 0,
        noise: (length, step) => random.at(step).normal(length),
      });
    const left = await lastSample(stopAtSigma(steps(), noiseLeft(cosine), 1));
    const mean = left.reduce((sum, value) => sum + value, 0) / left.length;
    const power = left.reduce((sum, value) => sum + (value - mean) ** 2, 0) / left.length;
    // At most one of 100 steps below finalSigma: the noise has a standard deviation of 0.96 to 1.
    assertAlmostEquals(mean, m, .08, name);
    const expected = Math.sqrt(s ** 2 + 1);
    const deviation = Math.sqrt(power);
    assert(deviation > .9 * expected && deviation < 1.05 * expected, `${name}: ${deviation}`);
  }
});

/** A schedule as used in practice. */
const cosine = noiseSchedule({ betaSchedule: "squaredcos_cap_v2", predictionType: "sample" });
const exactX0OfAny = (x: Float32Array, timestep: number) => {
  const { signal, sigma } = noiseLeft(cosine)(timestep);
  const gain = s ** 2 / (s ** 2 + sigma ** 2);
  return Promise.resolve(x.map((value) => m + gain * (value / signal - m)));
};

Deno.test("stopAtSigma() ends a flow when t / (1 - t) is at most finalSigma", async () => {
  const [x, count] = [Float32Array.of(1), 1000];
  // E[noise - x0 | x_t] of data N(m, s^2).
  const velocity = (xt: Float32Array, timestep: number) => {
    const t = timestep / count;
    const gain = (t - (1 - t) * s ** 2) / ((1 - t) ** 2 * s ** 2 + t ** 2);
    return Promise.resolve(xt.map((value) => gain * (value - (1 - t) * m) - m));
  };
  const flat = noiseSchedule({ numTrainTimesteps: count });
  const steps = flowEuler(velocity, x, flat, { numInferenceSteps: count });
  const [left] = await lastSample(stopAtSigma(steps, flowNoiseLeft(count), 1));
  assertAlmostEquals(left!, m + Math.sqrt(s ** 2 + 1), .01);
});

Deno.test("stopAtSigma() yields the steps before the end, and all steps when finalSigma is 0", async () => {
  const steps = () => ddim(exactX0(schedule), Float32Array.of(1), schedule, options);
  const all = await collect(steps());
  assertEquals(await collect(stopAtSigma(steps(), noiseLeft(schedule), 0)), all);
  const some = await collect(stopAtSigma(steps(), noiseLeft(schedule), 1));
  assert(some.length > 10 && some.length < all.length - 10);
  assertEquals(some.slice(0, -1), all.slice(0, some.length - 1));
  assertEquals(some.at(-1)!.predictedX0, all[some.length - 1]!.predictedX0);
});

Deno.test("stopAtSigma() throws when sampling starts below finalSigma", async () => {
  const steps = ddim(exactX0(schedule), Float32Array.of(1), schedule, options);
  await assertRejects(
    () => collect(stopAtSigma(steps, noiseLeft(schedule), 80.1)),
    UserError,
    "sampling starts with noise of 80",
  );
});
