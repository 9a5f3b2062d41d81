/**
 * Two half circles in the plane, learned by the same small network with DDPM and with flow matching.
 *
 *     deno run -A examples/two_moons.ts [STEPS]
 */
import { flowEuler } from "../diffusion/samplers/mod.ts";
import * as nd from "../mod.ts";
import { moon } from "./moon.ts";
import { compilePlane, TIMESTEPS, trainPlane } from "./plane.ts";

const [steps, POINTS] = [Number(Deno.args[0] ?? 4000), 500];
const device = await nd.openDevice("onnx");
const schedule = nd.noiseSchedule({
  numTrainTimesteps: TIMESTEPS,
  betaSchedule: "squaredcos_cap_v2",
});
const points = (uniform: Float32Array) =>
  [...uniform].flatMap((u, i) => moon(u, i % 2 === 0 ? 1 : -1));

for (const objective of ["DDPM", "flow matching"]) {
  const isFlow = objective === "flow matching";
  const random = nd.randomStream(0);
  const training = trainPlane(device, {
    schedule: isFlow ? undefined : schedule,
    points,
    steps,
    learningRate: 2e-3,
    random,
  });
  let result = await training.next();
  while (!result.done) result = await training.next();
  const { denoise, dispose } = compilePlane(device, result.value);
  const samples = random.stream("samples");
  const sampler = isFlow ? flowEuler : nd.ddpm;
  const noise = (length: number, step: number) => samples.at(step).normal(length);
  const options = { noise, clipSample: false };
  const x0 = await nd.lastSample(sampler(denoise, samples.normal(2 * POINTS), schedule, options));
  console.log(`${objective}\n${plot(x0)}`);
  await dispose();
}

/** Points in [-2, 2] x [-1.5, 1.5] as lines of characters. */
function plot(points: Float32Array): string {
  const rows = Array.from({ length: 18 }, () => Array(60).fill(" "));
  for (let i = 0; i < points.length; i += 2) {
    const row = rows[Math.floor((1.5 - points[i + 1]!) * 6)];
    if (row !== undefined) row[Math.floor((points[i]! + 2) * 15)] = "*";
  }
  return rows.map((row) => row.slice(0, 60).join("").trimEnd()).join("\n");
}
