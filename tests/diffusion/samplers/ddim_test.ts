import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { qSample } from "../../../diffusion/forward.ts";
import { ddim } from "../../../diffusion/samplers/ddim.ts";
import { ddpm } from "../../../diffusion/samplers/ddpm.ts";
import { lastSample, type SamplerOptions } from "../../../diffusion/samplers/types.ts";
import {
  noiseSchedule,
  predictionTypes,
  type ScheduleConfig,
} from "../../../diffusion/schedules.ts";
import { timestepSpacings } from "../../../diffusion/timesteps.ts";
import { UserError } from "../../../base/errors.ts";
import { randomStream } from "../../../nn/random.ts";
import { assertAllClose } from "../../assert_close.ts";
import { fallingRamp, magnitude, ramp, standIn } from "../stand_in.ts";

const schedule = noiseSchedule();

Deno.test("ddim() has the published sums after ten steps", async () => {
  const sum = async (config: ScheduleConfig, options: SamplerOptions = {}) =>
    magnitude(
      await lastSample(
        ddim(standIn, ramp, noiseSchedule(config), { numInferenceSteps: 10, ...options }),
      ),
    );
  assertAlmostEquals(await sum({}), 172.00652, 2e-4);
  assertAlmostEquals(await sum({}, { clipSample: false }), 172.00652, 2e-4);
  assertAlmostEquals(await sum({ predictionType: "v_prediction" }), 52.5302, 1e-3);
  assertAlmostEquals(await sum({ betaStart: .01 }), 149.8295, 1e-3);
  assertAlmostEquals(await sum({ betaStart: .01 }, { setAlphaToOne: false }), 149.0784, 1e-3);
});

Deno.test("ddim() has the published sum when it starts from a noised sample", async () => {
  const start = qSample(schedule, ramp, fallingRamp, 100);
  const sample = await lastSample(ddim(standIn, start, schedule, { timesteps: [100, 0] }));
  assertAlmostEquals(magnitude(sample), 354.5418, 2e-3);
});

/** The first step from x = .3 at timestep 500 to 480 when the model predicts .1, with noise z. */
async function step500(eta: number, z: number): Promise<number> {
  const predicts = () => Promise.resolve(Float32Array.of(.1));
  const noise = () => Float32Array.of(z);
  const options = { timesteps: [500, 480], eta, noise };
  return (await ddim(predicts, Float32Array.of(.3), schedule, options).next()).value!.sample[0]!;
}

Deno.test("ddim() has the published values for one step from 500 to 480", async () => {
  assertAlmostEquals(await step500(0, 1), .3203777418, 1e-7);
  assertAlmostEquals(await step500(.5, 0), .3180281208, 1e-7);
  assertAlmostEquals(await step500(.5, 1), .3180281208 + .2101327166, 1e-7);
});

Deno.test("ddim() equals ddpm() when eta is 1 and all timesteps are visited", async () => {
  for (const predictionType of predictionTypes) {
    const own = noiseSchedule({ numTrainTimesteps: 60, betaEnd: .2, predictionType });
    const options: SamplerOptions = {
      clipSample: false,
      noise: (length, step) => randomStream(1).at(step).normal(length),
    };
    const xT = randomStream(2).normal(50);
    const implicit = await lastSample(ddim(standIn, xT, own, { ...options, eta: 1 }));
    const ancestral = await lastSample(ddpm(standIn, xT, own, options));
    assertAllClose(implicit, ancestral, { atol: 1e-5, rtol: 1e-4, message: predictionType });
  }
});

Deno.test("ddim() ends in the predicted x0 for every eta", async () => {
  const noise = (length: number) => new Float32Array(length).fill(1);
  for (const eta of [0, .5, 1]) {
    const options = { numInferenceSteps: 3, eta, noise };
    for await (const { step, sample, predictedX0 } of ddim(standIn, ramp, schedule, options)) {
      if (step === 2) assertEquals(sample, predictedX0);
    }
  }
});

Deno.test("ddim() gives the same result when custom timesteps equal the default ones", async () => {
  const usual = ddim(standIn, ramp, schedule, { numInferenceSteps: 4 });
  const custom = ddim(standIn, ramp, schedule, { timesteps: [750, 500, 250, 0] });
  assertEquals(await lastSample(custom), await lastSample(usual));
});

Deno.test("ddim() steps to the next timestep of the list when previousTimestep is next", async () => {
  const spread = { numInferenceSteps: 3, timestepSpacing: "linspace" } as const; // 999, 500, 0
  const custom = ddim(standIn, ramp, schedule, { timesteps: [999, 500, 0] });
  const next = ddim(standIn, ramp, schedule, { ...spread, previousTimestep: "next" });
  assertEquals(await lastSample(next), await lastSample(custom));
  const stride = await ddim(standIn, ramp, schedule, spread).next();
  // 333 less than 999 is 666: the first step leads there, not to 500.
  const to666 = await ddim(standIn, ramp, schedule, { timesteps: [999, 666] }).next();
  assertEquals(stride.value!.sample, to666.value!.sample);
});

Deno.test("ddim() and ddpm() are finite for every spacing, prediction type and eta", async () => {
  const noise = (length: number, step: number) => randomStream(3).at(step).normal(length);
  for (const betaSchedule of ["linear", "squaredcos_cap_v2"] as const) {
    for (const predictionType of predictionTypes) {
      for (const timestepSpacing of timestepSpacings) {
        const own = noiseSchedule({ betaSchedule, predictionType });
        for (const eta of [0, 1]) {
          const options = { numInferenceSteps: 7, timestepSpacing, eta, noise };
          for (const sampler of [ddim, ddpm]) {
            const sample = await lastSample(sampler(standIn, ramp, own, options));
            assertEquals(sample.length, ramp.length);
            assertEquals(sample.findIndex((value) => !Number.isFinite(value)), -1);
          }
        }
      }
    }
  }
});

Deno.test("ddim() throws when eta or another option is out of range", async () => {
  const refuses = (options: SamplerOptions, message: string) =>
    assertRejects(() => lastSample(ddim(standIn, ramp, schedule, options)), UserError, message);
  await refuses({ eta: 1.1 }, "eta is 1.1; it must be from 0 to 1");
  await refuses({ eta: -.1 }, "eta is -0.1");
  await refuses({ eta: NaN }, "eta is NaN");
  await refuses({ eta: .5, numInferenceSteps: 2 }, "needs noise at step 1 of 2 (timestep 500)");
  await refuses({ numInferenceSteps: 1001 }, "numInferenceSteps is 1001");
  await refuses({ clipSampleRange: 0 }, "clipSampleRange is 0");
  await refuses({ previousTimestep: "last" as "next" }, "one of next, stride");
});

Deno.test("ddim() throws for epsilon, not for v_prediction, when the terminal SNR is zero", async () => {
  const run = (predictionType: "epsilon" | "v_prediction") => {
    const own = noiseSchedule({ rescaleBetasZeroSnr: true, predictionType });
    const options = { numInferenceSteps: 2, timestepSpacing: "trailing" } as const;
    return lastSample(ddim(standIn, ramp, own, options));
  };
  await assertRejects(() => run("epsilon"), UserError, "use predictionType v_prediction or sample");
  assertEquals((await run("v_prediction")).findIndex((value) => !Number.isFinite(value)), -1);
});
