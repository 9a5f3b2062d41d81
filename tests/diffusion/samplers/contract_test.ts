/** What every sampler of the registry promises. */

import { assertEquals, assertRejects } from "@std/assert";
import { qSample } from "../../../diffusion/forward.ts";
import {
  type Denoiser,
  lastSample,
  type SamplerOptions,
  type SamplerStep,
} from "../../../diffusion/samplers/types.ts";
import { samplerNames, samplerOf } from "../../../diffusion/samplers/registry.ts";
import { noiseSchedule, predictionTypes } from "../../../diffusion/schedules.ts";
import { timestepSpacings } from "../../../diffusion/timesteps.ts";
import { UserError } from "../../../base/errors.ts";
import { randomStream } from "../../../nn/random.ts";
import { assertAllClose } from "../../assert_close.ts";
import { standIn } from "../stand_in.ts";

const schedule = noiseSchedule({ numTrainTimesteps: 40 });
const xT = randomStream(1).normal(12);
const noise = (length: number, step: number) => randomStream(2).at(step).normal(length);
const timesteps = [32, 24, 16, 8, 0];
const options = { timesteps, noise };

for (const name of samplerNames) {
  const sample = (denoise: Denoiser, x = xT) => samplerOf(name)(denoise, x, schedule, options);
  // heun asks twice about all timesteps but the first.
  const asked = timesteps.flatMap((t, i) => name === "heun" && i > 0 ? [t, t] : [t]);

  Deno.test(`${name}() yields every step, and lastSample() the last one's sample`, async () => {
    const steps: SamplerStep[] = [];
    for await (const step of sample(standIn)) steps.push(step);
    assertEquals(steps.map((step) => [step.step, step.timestep]), [...asked.entries()]);
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
      const steps = samplerOf(name)(far, xT, schedule, { ...options, ...extra });
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
    const where = `at step ${asked.indexOf(16) + 1} of ${asked.length} (timestep 16)`;
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
      `returned 11 numbers for 12 at step 1 of ${asked.length}`,
    );
  });

  Deno.test(`${name}() gives the same again when its noise is the same`, async () => {
    assertEquals(await lastSample(sample(standIn)), await lastSample(sample(standIn)));
  });

  Deno.test(`${name}() ends in x0 when a constraint says what x0 is`, async () => {
    const image = randomStream(3).normal(12);
    const constrainX0 = () => image.slice();
    const steps = samplerOf(name)(standIn, xT, schedule, { ...options, constrainX0 });
    assertAllClose(await lastSample(steps), image, { atol: 1e-6, rtol: 0 });
  });

  Deno.test(`${name}() starts from the noised sample when told to start late`, async () => {
    const image = randomStream(3).normal(12);
    const start = { ...options, startStep: 2, initialSample: image };
    const seen: [Float32Array, number][] = [];
    const watch: Denoiser = (x, t) => (seen.push([x.slice(), t]), standIn(x, t));
    const steps: SamplerStep[] = [];
    for await (const step of samplerOf(name)(watch, xT, schedule, start)) steps.push(step);
    assertEquals(
      seen.map(([, t]) => t),
      asked.slice(asked.indexOf(16)).slice(name === "heun" ? 1 : 0),
    );
    assertEquals(steps.map(({ step }) => step), steps.map((_, i) => i));
    assertAllClose(seen[0]![0], qSample(schedule, image, xT, 16), { atol: 1e-6, rtol: 0 });
    const xs = qSample(schedule, image, xT, 16);
    const same = samplerOf(name)(standIn, xs, schedule, { ...options, startStep: 2 });
    assertAllClose(await lastSample(same), steps.at(-1)!.sample, { atol: 1e-5, rtol: 0 });
  });

  Deno.test(`${name}() refuses settings that no plan can follow`, async () => {
    const refuses = (extra: SamplerOptions, message: string) =>
      assertRejects(
        () => lastSample(samplerOf(name)(standIn, xT, schedule, { noise, ...extra })),
        UserError,
        message,
      );
    await refuses({ numInferenceSteps: 41 }, "numInferenceSteps is 41, more than the 40 timesteps");
    await refuses({ numInferenceSteps: 0 }, "numInferenceSteps is 0");
    await refuses({ timestepSpacing: "even" as "leading" }, "one of leading, trailing, linspace");
    await refuses({ timesteps: [1, 2] }, "timesteps must fall");
    await refuses(
      { numInferenceSteps: 5, startStep: 5 },
      "startStep is 5; it must be an integer from 0",
    );
    await refuses(
      { ...options, initialSample: new Float32Array(3) },
      "initialSample has 3 numbers",
    );
    await refuses(
      { ...options, constrainX0: () => new Float32Array(3) },
      "constrainX0 returned 3 numbers",
    );
  });

  Deno.test(`${name}() stays finite whatever the schedule, prediction, spacing and steps`, async () => {
    for (const betaSchedule of ["linear", "squaredcos_cap_v2"] as const) {
      for (const predictionType of predictionTypes) {
        const own = noiseSchedule({ numTrainTimesteps: 40, betaSchedule, predictionType });
        for (const timestepSpacing of timestepSpacings) {
          for (const numInferenceSteps of [1, 2, 7, 39, 40]) {
            const way = { numInferenceSteps, timestepSpacing, noise };
            const last = await lastSample(samplerOf(name)(standIn, xT, own, way));
            const message =
              `${betaSchedule} ${predictionType} ${timestepSpacing} ${numInferenceSteps}`;
            assertEquals(last.findIndex((value) => !Number.isFinite(value)), -1, message);
          }
        }
      }
    }
  });

  Deno.test(`${name}() takes a terminal SNR of zero but not with epsilon`, async () => {
    const run = (predictionType: "epsilon" | "v_prediction") => {
      const own = noiseSchedule({
        numTrainTimesteps: 40,
        rescaleBetasZeroSnr: true,
        predictionType,
      });
      const way = { numInferenceSteps: 4, timestepSpacing: "trailing", noise } as const;
      return lastSample(samplerOf(name)(standIn, xT, own, way));
    };
    await assertRejects(
      () => run("epsilon"),
      UserError,
      "use predictionType v_prediction or sample",
    );
    assertEquals((await run("v_prediction")).findIndex((value) => !Number.isFinite(value)), -1);
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
