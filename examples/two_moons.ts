/**
 * Two half circles in the plane, learned by the same small network with DDPM and with flow matching.
 *
 *     deno run -A examples/two_moons.ts [STEPS]
 */
import { flowEuler } from "../diffusion/samplers/mod.ts";
import * as tf from "../engine/tf.ts";
import * as nd from "../mod.ts";

const [steps, BATCH, T, POINTS] = [Number(Deno.args[0] ?? 4000), 256, 100, 500];
const device = await nd.openDevice("onnx");
const schedule = nd.noiseSchedule({ numTrainTimesteps: T, betaSchedule: "squaredcos_cap_v2" });
const widths = [2 + 32, 128, 128, 128, 2];
const layers = ["0", "1", "2", "3"];
const specs = Object.assign(
  {},
  ...layers.map((name, i) => nd.linearSpecs(name, widths[i]!, widths[i + 1]!)),
);

/** Predicts the noise, or the velocity, of points x [B, 2] at timesteps t [B]. */
function network(p: nd.Parameters, x: tf.Tensor, t: tf.Tensor1D): tf.Tensor {
  const input = tf.concat([tf.mul(x, 4), nd.timestepEmbedding(t, 32, { maxPeriod: T })], 1);
  return layers.reduce((h, name, i) => nd.linear(p, name, i === 0 ? h : nd.silu(h)), input);
}

/** The point at u in [0, 1) of one of the half circles, whose radius is 1. */
function moon(u: number, side: number): [number, number] {
  const angle = Math.PI * (u + (1 - side) / 2);
  return [Math.cos(angle) - 0.5 * side, Math.sin(angle) - 0.25 * side];
}

for (const objective of ["DDPM", "flow matching"]) {
  const random = nd.randomStream(0);
  const loss = nd.denoiserLoss((p, { x, timesteps }) => network(p, x, timesteps));
  const trainStep = nd.compileTrainStep(device, { specs, optimizer: {}, loss });
  let state = trainStep.start(nd.initParameters(specs, random));
  for (let step = 1; step <= steps; step++) {
    const draw = random.at(step);
    const points = [...draw.uniform(BATCH)].flatMap((u, i) => moon(u, i % 2 === 0 ? 1 : -1));
    const examples = { x0: nd.float32(points, [BATCH, 2]), noise: draw.normal(2 * BATCH) };
    const batch = objective === "DDPM"
      ? nd.diffusionBatch(schedule, { ...examples, timesteps: nd.drawTimesteps(draw, BATCH, T) })
      : nd.flowBatch({ ...examples, times: draw.uniform(BATCH), numTrainTimesteps: T });
    ({ state } = await trainStep(state, batch, { step, learningRate: 2e-3, emaDecay: 0.99 }));
  }
  type Inputs = { p: nd.HostParameters; x: nd.HostArray; t: nd.HostArray };
  const compiled = device.compile<Inputs, nd.HostArray>(({ p, x, t }) =>
    network(p, x, t as tf.Tensor1D)
  );
  const p = nd.unravel(state.ema, specs);
  const denoise: nd.Denoiser = async (x, timestep) => {
    const t = nd.float32(Array(POINTS).fill(timestep));
    return (await compiled({ p, x: nd.float32(x, [POINTS, 2]), t })).data as Float32Array;
  };
  const samples = random.stream("samples");
  const sampler = objective === "DDPM" ? nd.ddpm : flowEuler;
  const noise = (length: number, step: number) => samples.at(step).normal(length);
  const options = { noise, clipSample: false };
  const x0 = await nd.lastSample(sampler(denoise, samples.normal(2 * POINTS), schedule, options));
  console.log(`${objective}\n${plot(x0)}`);
  await trainStep.dispose();
  await compiled.dispose();
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
