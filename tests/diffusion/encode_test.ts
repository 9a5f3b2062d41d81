import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { decode, encode } from "../../diffusion/encode.ts";
import type { Denoiser } from "../../diffusion/samplers/types.ts";
import { noiseSchedule, predictionTypes, type ScheduleConfig } from "../../diffusion/schedules.ts";
import { UserError } from "../../base/errors.ts";
import { randomStream } from "../../nn/random.ts";
import { assertAllClose } from "../assert_close.ts";
import { evenTimesteps, exactX0, flow, geometricSchedule, STEPS } from "./samplers/gaussian.ts";
import { magnitude, ramp, standIn } from "./stand_in.ts";

const schedule = geometricSchedule();
const denoise = exactX0(schedule);
const timesteps = evenTimesteps(240);

function distance(a: Float32Array, b: Float32Array): number {
  return a.reduce((max, value, i) => Math.max(max, Math.abs(value - b[i]!)), 0);
}

Deno.test("encode() has diffusers' sums after ten steps", async () => {
  const sum = async (config: ScheduleConfig = {}) =>
    magnitude(await encode(standIn, ramp, noiseSchedule(config), { numInferenceSteps: 10 }));
  assertAlmostEquals(await sum(), 671.6816, 1e-2);
  // Computed with DDIMInverseScheduler(clip_sample=False); the published 1394.2185 is with clipping.
  assertAlmostEquals(await sum({ predictionType: "v_prediction" }), 1305.66565, 1e-2);
});

Deno.test("encode() converges to the flow from data to noise when the number of steps grows", async () => {
  const exact = flow(.9, 1, schedule.alphasCumprod[STEPS]!);
  const error = async (S: number) => {
    const options = { timesteps: evenTimesteps(S) };
    return Math.abs((await encode(denoise, Float32Array.of(.9), schedule, options))[0]! - exact);
  };
  const ratio = await error(120) / await error(240);
  assert(ratio > 1.8 && ratio < 2.2, `the error fell by ${ratio}`);
});

Deno.test("decode() inverts encode()", async () => {
  const x0 = randomStream(1).normal(30);
  const trip = async (S: number, iterations = 1) => {
    const options = { timesteps: evenTimesteps(S), iterations };
    return distance(
      x0,
      await decode(denoise, await encode(denoise, x0, schedule, options), schedule, options),
    );
  };
  const [coarse, fine] = [await trip(120), await trip(240)];
  assert(coarse / fine > 1.8, `the error fell by ${coarse / fine}`); // both are of first order
  assert(await trip(120, 6) < 1e-4, "further iterations make the inverse exact");
});

Deno.test("encode() and decode() return the clean sample for every prediction type", async () => {
  for (const predictionType of predictionTypes) {
    const own = noiseSchedule({ numTrainTimesteps: 50, betaEnd: .1, predictionType });
    const slight: Denoiser = (x) => Promise.resolve(x.map((value) => value / 2));
    const options = { numInferenceSteps: 25, iterations: 30 };
    const x0 = randomStream(2).normal(10);
    const back = await decode(slight, await encode(slight, x0, own, options), own, options);
    assertAllClose(back, x0, { atol: 2e-4, rtol: 0, message: predictionType });
  }
});

Deno.test("encode() visits every timestep from clean to noisy and does not change x0", async () => {
  const x0 = randomStream(3).normal(5);
  const copy = x0.slice();
  const visited: number[] = [];
  await encode(
    (x, timestep) => {
      visited.push(timestep);
      return denoise(x, timestep);
    },
    x0,
    schedule,
    { timesteps },
  );
  assertEquals(x0, copy);
  assertEquals(visited, timesteps.toReversed());
});

Deno.test("encode() throws when the denoiser's output is not finite or an option is out of range", async () => {
  const broken: Denoiser = (x) => Promise.resolve(x.map(() => NaN));
  await assertRejects(
    () => encode(broken, ramp, schedule, { timesteps }),
    UserError,
    "returned NaN",
  );
  const refuses = (options: { iterations?: number; numInferenceSteps?: number }, message: string) =>
    assertRejects(() => encode(denoise, ramp, schedule, options), UserError, message);
  await refuses({ iterations: 0 }, "iterations is 0");
  await refuses({ numInferenceSteps: 2000 }, "numInferenceSteps is 2000");
});
