/** Properties that every sampler of the registry has. */

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
  // heun evaluates all timesteps except the first twice.
  const evaluated = timesteps.flatMap((t, i) => name === "heun" && i > 0 ? [t, t] : [t]);

  Deno.test(`${name}() yields every step, and lastSample() returns the last sample`, async () => {
    const steps: SamplerStep[] = [];
    for await (const step of sample(standIn)) steps.push(step);
    assertEquals(steps.map((step) => [step.step, step.timestep]), [...evaluated.entries()]);
    assertEquals(await lastSample(sample(standIn)), steps.at(-1)!.sample);
  });

  Deno.test(`${name}() does not change xT and keeps its own state`, async () => {
    const start = xT.slice();
    const expected = await lastSample(sample(standIn, start));
    assertEquals(start, xT);
    let last = new Float32Array();
    for await (const step of sample(standIn)) {
      last = step.sample.slice();
      step.sample.fill(9); // a receiver may change the arrays of a step
      step.predictedX0.fill(9);
    }
    assertEquals(last, expected);
  });

  Deno.test(`${name}() clips x0 to clipSampleRange`, async () => {
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
    const where = `at step ${evaluated.indexOf(16) + 1} of ${evaluated.length} (timestep 16)`;
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
      `returned 11 numbers for 12 at step 1 of ${evaluated.length}`,
    );
  });

  Deno.test(`${name}() is deterministic when its noise is the same`, async () => {
    assertEquals(await lastSample(sample(standIn)), await lastSample(sample(standIn)));
  });

  Deno.test(`${name}() ends in the constrained x0 when constrainX0 is set`, async () => {
    const image = randomStream(3).normal(12);
    const constrainX0 = () => image.slice();
    const steps = samplerOf(name)(standIn, xT, schedule, { ...options, constrainX0 });
    assertAllClose(await lastSample(steps), image, { atol: 1e-6, rtol: 0 });
  });

  Deno.test(`${name}() starts from the noised sample when startStep and initialSample are set`, async () => {
    const image = randomStream(3).normal(12);
    const start = { ...options, startStep: 2, initialSample: image };
    const inputs: [Float32Array, number][] = [];
    const watch: Denoiser = (x, t) => (inputs.push([x.slice(), t]), standIn(x, t));
    const steps: SamplerStep[] = [];
    for await (const step of samplerOf(name)(watch, xT, schedule, start)) steps.push(step);
    assertEquals(
      inputs.map(([, t]) => t),
      evaluated.slice(evaluated.indexOf(16)).slice(name === "heun" ? 1 : 0),
    );
    assertEquals(steps.map(({ step }) => step), steps.map((_, i) => i));
    assertAllClose(inputs[0]![0], qSample(schedule, image, xT, 16), { atol: 1e-6, rtol: 0 });
    const xs = qSample(schedule, image, xT, 16);
    const same = samplerOf(name)(standIn, xs, schedule, { ...options, startStep: 2 });
    assertAllClose(await lastSample(same), steps.at(-1)!.sample, { atol: 1e-5, rtol: 0 });
  });

  Deno.test(`${name}() throws when an option is out of range`, async () => {
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

  Deno.test(`${name}() is finite for every schedule, prediction type, spacing and number of steps`, async () => {
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

  Deno.test(`${name}() throws for epsilon alone when the terminal SNR is zero`, async () => {
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

  Deno.test(`${name}() passes the denoiser's errors on`, async () => {
    const failing: Denoiser = () => Promise.reject(new TypeError("out of memory"));
    await assertRejects(() => lastSample(sample(failing)), TypeError, "out of memory");
  });
}

Deno.test("lastSample() throws when there is no step", async () => {
  async function* none(): AsyncGenerator<SamplerStep> {}
  await assertRejects(() => lastSample(none()), UserError, "no step");
});
