import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { flowEuler } from "../../../diffusion/samplers/flow_euler.ts";
import {
  type Denoiser,
  lastSample,
  type SamplerOptions,
  type SamplerStep,
} from "../../../diffusion/samplers/types.ts";
import { noiseSchedule } from "../../../diffusion/schedules.ts";
import { UserError } from "../../../base/errors.ts";
import { randomStream } from "../../../nn/random.ts";
import { assertAllClose } from "../../assert_close.ts";

const T = 1000;
const schedule = noiseSchedule();
const xT = randomStream(1).normal(16);
const [m, deviation] = [.2, .5];

/** E[noise - x0 | x] for numbers from N(m, deviation^2), on straight paths. */
const exact: Denoiser = (x, timestep) => {
  const s = timestep / T;
  const variance = (1 - s) ** 2 * deviation ** 2 + s ** 2;
  const gain = (s - (1 - s) * deviation ** 2) / variance;
  return Promise.resolve(x.map((value) => gain * (value - (1 - s) * m) - m));
};

Deno.test("flowEuler() is exact when the paths are straight", async () => {
  const image = randomStream(2).normal(16);
  const velocity = () => Promise.resolve(xT.map((value, i) => value - image[i]!));
  for (const flowShift of [1, 3]) {
    const options = { numInferenceSteps: 4, clipSample: false, flowShift };
    const last = await lastSample(flowEuler(velocity, xT, schedule, options));
    assertAllClose(last, image, { atol: 2e-6, rtol: 0 });
  }
});

Deno.test("flowEuler() converges to the flow with order 1", async () => {
  // The flow maps each quantile of the noise to the same quantile of the data.
  const error = async (numInferenceSteps: number) => {
    const options = { numInferenceSteps, clipSample: false };
    const last = await lastSample(flowEuler(exact, Float32Array.of(1.5), schedule, options));
    return Math.abs(last[0]! - (m + deviation * 1.5));
  };
  const ratio = await error(50) / await error(100);
  assert(ratio > 1.85 && ratio < 2.15, `the error fell by ${ratio}`);
});

Deno.test("flowEuler() visits the levels of diffusers' scheduler", async () => {
  const visited = async (options: SamplerOptions) => {
    const steps: SamplerStep[] = [];
    for await (const step of flowEuler(exact, xT, schedule, options)) steps.push(step);
    return steps.map((step) => step.timestep);
  };
  // FlowMatchEulerDiscreteScheduler().set_timesteps(4).timesteps
  assertAllClose(await visited({ numInferenceSteps: 4 }), [1000, 667, 334, 1], {
    atol: 1e-9,
    rtol: 0,
  });
  const shifted = await visited({ numInferenceSteps: 4, flowShift: 3 });
  assertAlmostEquals(shifted[1]!, 1000 * 3 * .667 / (1 + 2 * .667), 1e-9);
  assertEquals((await visited({ numInferenceSteps: 4, startStep: 3 })).length, 1);
});

Deno.test("flowEuler() applies initialSample, startStep and constrainX0", async () => {
  const image = randomStream(3).normal(16);
  let input: Float32Array | undefined;
  const watch: Denoiser = (x, t) => (input ??= x.slice(), exact(x, t));
  const options = { numInferenceSteps: 4, startStep: 2, initialSample: image, clipSample: false };
  const constrainX0 = () => image.slice();
  const last = await lastSample(flowEuler(watch, xT, schedule, { ...options, constrainX0 }));
  assertAllClose(input!, image.map((v, i) => .666 * v + .334 * xT[i]!), { atol: 1e-6, rtol: 0 });
  assertAllClose(last, image, { atol: 1e-6, rtol: 0 });
});

Deno.test("flowEuler() throws when an option is out of range or the model's output is invalid", async () => {
  const refuses = (options: SamplerOptions, message: string, model = exact) =>
    assertRejects(() => lastSample(flowEuler(model, xT, schedule, options)), UserError, message);
  await refuses({ flowShift: 0 }, "flowShift is 0");
  await refuses({ numInferenceSteps: 1001 }, "numInferenceSteps is 1001");
  await refuses({ numInferenceSteps: 0 }, "numInferenceSteps is 0");
  const broken: Denoiser = (x) => Promise.resolve(x.map(() => NaN));
  await refuses({ numInferenceSteps: 2 }, "returned NaN at step 1 of 2 (timestep 1000)", broken);
});
