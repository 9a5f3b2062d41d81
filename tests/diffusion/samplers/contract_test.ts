/** What every sampler of the registry promises. */

import { assertEquals, assertRejects } from "@std/assert";
import { lastSample } from "../../../diffusion/samplers/last_sample.ts";
import { samplerNames, samplers } from "../../../diffusion/samplers/registry.ts";
import type { Denoiser, SamplerStep } from "../../../diffusion/samplers/types.ts";
import { noiseSchedule } from "../../../diffusion/schedules.ts";
import { UserError } from "../../../engine/errors.ts";
import { randomStream } from "../../../nn/random.ts";
import { standIn } from "../stand_in.ts";

const schedule = noiseSchedule({ numTrainTimesteps: 40 });
const xT = randomStream(1).normal(12);
const noise = (length: number, step: number) => randomStream(2).at(step).normal(length);
const options = { numInferenceSteps: 5, noise };

for (const name of samplerNames) {
  const sample = (denoise: Denoiser, x = xT) => samplers[name](denoise, x, schedule, options);

  Deno.test(`${name}() yields every step, and lastSample() the last one's sample`, async () => {
    const steps: SamplerStep[] = [];
    for await (const step of sample(standIn)) steps.push(step);
    assertEquals(steps.map((step) => [step.step, step.timestep]), [
      [0, 32],
      [1, 24],
      [2, 16],
      [3, 8],
      [4, 0],
    ]);
    assertEquals(await lastSample(sample(standIn)), steps.at(-1)!.sample);
  });

  Deno.test(`${name}() leaves xT as it was and owns its state`, async () => {
    const start = xT.slice();
    const expected = await lastSample(sample(standIn, start));
    assertEquals(start, xT);
    let last = new Float32Array();
    for await (const step of sample(standIn)) {
      last = step.sample.slice();
      step.sample.fill(9); // a receiver may do as it likes with what it got
      step.predictedX0.fill(9);
    }
    assertEquals(last, expected);
  });

  Deno.test(`${name}() clips x0 to the range that was set`, async () => {
    const far: Denoiser = (x) => Promise.resolve(x.map((value) => -9 * value));
    const largest = async (extra: { clipSample?: boolean; clipSampleRange?: number }) => {
      const steps = samplers[name](far, xT, schedule, { ...options, ...extra });
      const { predictedX0 } = (await steps.next()).value!;
      return predictedX0.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    };
    assertEquals(await largest({}), 1);
    assertEquals(await largest({ clipSampleRange: .5 }), .5);
    assertEquals(await largest({ clipSample: false }) > 1, true);
  });

  Deno.test(`${name}() names the step when the denoiser's output is broken`, async () => {
    const broken = (bad: number): Denoiser => (x, t) =>
      Promise.resolve(x.map((value, i) => t === 16 && i === 3 ? bad : value));
    const where = "at step 3 of 5 (timestep 16)";
    await assertRejects(
      () => lastSample(sample(broken(NaN))),
      UserError,
      `the denoiser returned NaN ${where}`,
    );
    await assertRejects(
      () => lastSample(sample(broken(Infinity))),
      UserError,
      `the denoiser returned Infinity ${where}`,
    );
    await assertRejects(
      () => lastSample(sample((x) => Promise.resolve(x.subarray(1)))),
      UserError,
      "returned 11 numbers for 12 at step 1 of 5",
    );
  });

  Deno.test(`${name}() lets a denoiser's own error through`, async () => {
    const failing: Denoiser = () => Promise.reject(new TypeError("out of memory"));
    await assertRejects(() => lastSample(sample(failing)), TypeError, "out of memory");
  });
}

Deno.test("lastSample() refuses a sampler without steps", async () => {
  async function* none(): AsyncGenerator<SamplerStep> {}
  await assertRejects(() => lastSample(none()), UserError, "no step");
});
