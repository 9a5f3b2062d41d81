import { assert, assertEquals, assertRejects } from "@std/assert";
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

async function stepsOf(model: Denoiser, start: Float32Array, options: SamplerOptions) {
  const steps: SamplerStep[] = [];
  for await (const step of flowEuler(model, start, schedule, options)) steps.push(step);
  return steps;
}

Deno.test("flowEuler() takes the steps of diffusers' FlowMatchEulerDiscreteScheduler", async () => {
  // diffusers 0.42: timesteps and samples from 1.5 and -0.7, the model's velocity 0.3 x + t / 1000 - 0.2.
  const published: [timesteps: number[], first: number[], second: number[]][] = [
    [[1000], [.25], [-1.29]],
    [
      [1000, 667, 334, 1],
      [1.08375, .819972, .693435, .693426],
      [-.89647, -.962424, -.9109, -.910427],
    ],
    [
      [1000, 833.5, 667, 500.5, 334, 167.5, 1],
      [1.291875, 1.121868, .988075, .888688, .821987, .78634, .786303],
      [-.798235, -.863841, -.898448, -.903603, -.880779, -.831373, -.830925],
    ],
  ];
  const velocity: Denoiser = (x, t) => Promise.resolve(x.map((value) => .3 * value + t / T - .2));
  for (const [timesteps, ...samples] of published) {
    const options = { numInferenceSteps: timesteps.length, clipSample: false };
    const steps = await stepsOf(velocity, Float32Array.of(1.5, -.7), options);
    assertAllClose(steps.map(({ timestep }) => timestep), timesteps, { atol: 1e-3, rtol: 0 });
    samples.forEach((expected, i) => {
      assertAllClose(steps.map(({ sample }) => sample[i]!), expected, { atol: 2e-6, rtol: 0 });
    });
  }
});

Deno.test("flowEuler() shifts each level once, which diffusers does twice", async () => {
  const visited = async (options: SamplerOptions) =>
    (await stepsOf(exact, xT, options)).map(({ timestep }) => timestep);
  const plain = await visited({ numInferenceSteps: 4 });
  const shifted = plain.map((t) => T * 3 * (t / T) / (1 + 2 * t / T)); // Esser et al. 2024, equation 23
  assertAllClose(await visited({ numInferenceSteps: 4, flowShift: 3 }), shifted, {
    atol: 1e-9,
    rtol: 0,
  });
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
