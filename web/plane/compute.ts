/** Trains a denoiser of points in the plane, and samples from it. */
import { compilePlane, TIMESTEPS, trainPlane } from "../../examples/plane.ts";
import { UserError } from "../../base/errors.ts";
import { flowX0Coefficients } from "../../diffusion/flow_matching.ts";
import { x0Coefficients } from "../../diffusion/parameterisation.ts";
import { samplerOf } from "../../diffusion/samplers/registry.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { evaluationsOf } from "../../image/sampling/samples.ts";
import type { HostParameters } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import type { Context, Emit } from "../protocol.ts";
import { type PlaneEvent, type PlaneRequest, pointOf, RANGE } from "./data.ts";

/** The points that are sampled. */
const POINTS = 300;
/** The field is shown at the points of a square grid. */
const GRID = 21;
let trained: { readonly key: string; readonly parameters: HostParameters } | undefined;

/** Trains unless the last call was of the same network; emits what the network does in each step. */
export async function drawPlane(
  { device }: Context,
  { sampler: name, steps, ...training }: PlaneRequest,
  emit: Emit<PlaneEvent>,
): Promise<{ readonly trainingSeconds: number | undefined }> {
  const { data, betaSchedule, prediction, trainingSteps, seed } = training;
  if (data.kind === "drawn" && data.points.length === 0) {
    throw new UserError("there are no points: draw some in the picture");
  }
  const isFlow = prediction === "flow";
  const schedule = noiseSchedule({
    numTrainTimesteps: TIMESTEPS,
    betaSchedule,
    predictionType: isFlow ? "epsilon" : prediction,
  });
  const random = randomStream(seed);
  const key = JSON.stringify(training);
  const started = performance.now();
  const isNew = trained?.key !== key;
  if (isNew) {
    const losses = trainPlane(device, {
      schedule: isFlow ? undefined : schedule,
      points: (uniform) => [...uniform].flatMap((u, i) => pointOf(data, u, i)),
      steps: trainingSteps,
      learningRate: 4e-3, // high, because the training is short
      random,
    });
    let [sum, count] = [0, 0];
    for (let step = 1;; step++) {
      const next = await losses.next();
      if (next.done) {
        trained = { key, parameters: next.value };
        break;
      }
      [sum, count] = [sum + next.value, count + 1];
      if (step % 20 === 0) {
        emit({ kind: "training", step, loss: sum / count });
        [sum, count] = [0, 0];
      }
    }
  }
  const trainingSeconds = isNew ? (performance.now() - started) / 1000 : undefined;
  const { denoise, dispose } = compilePlane(device, trained!.parameters);
  const flow = flowX0Coefficients(TIMESTEPS);
  const grid = Float32Array.from({ length: 2 * GRID ** 2 }, (_, i) => {
    const at = i % 2 === 0 ? (i / 2) % GRID : Math.floor(i / 2 / GRID);
    return RANGE * (2 * at / (GRID - 1) - 1);
  });
  const fieldAt = async (timestep: number) => {
    const [p, q] = isFlow
      ? flow(timestep)
      : x0Coefficients(prediction, schedule.alphasCumprod[Math.round(timestep)]!);
    const output = await denoise(grid, timestep);
    return Float32Array.from({ length: 2 * grid.length }, (_, i) => {
      const at = 2 * Math.floor(i / 4) + i % 2;
      return i % 4 < 2 ? grid[at]! : p * output[at]! + q * grid[at]!;
    });
  };
  const sampler = isFlow ? "flow_euler" : name;
  const samples = random.stream("samples");
  const noise = samples.normal(2 * POINTS);
  const trajectory = samplerOf(sampler)(denoise, noise, schedule, {
    numInferenceSteps: steps,
    timestepSpacing: "trailing",
    previousTimestep: "next",
    clipSampleRange: RANGE,
    useClippedModelOutput: true,
    slopeVariable: "angle",
    noise: (length, step) => samples.at(step).normal(length),
  });
  const total = evaluationsOf(sampler, steps);
  emit({ kind: "step", step: 0, steps: total, points: noise, field: await fieldAt(TIMESTEPS - 1) });
  for await (const { step, timestep, sample } of trajectory) {
    const field = await fieldAt(timestep);
    emit({ kind: "step", step: step + 1, steps: total, points: sample.slice(), field });
  }
  await dispose();
  return { trainingSeconds };
}
