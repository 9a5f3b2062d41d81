import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { drawFlowTimes, flowBatch, flowX0Coefficients } from "../../diffusion/flow_matching.ts";
import { normalCdf } from "../../diffusion/likelihood.ts";
import { type BatchTensors, type DiffusionBatch, noiseBatch } from "../../diffusion/objective.ts";
import { openDevice } from "../../engine/device.ts";
import { UserError } from "../../base/errors.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import { randomStream } from "../../nn/random.ts";
import { assertAllClose } from "../assert_close.ts";

const X0 = float32([.5, -1, .25, .75], [2, 2]);
const NOISE = Float32Array.of(1, 2, -1, .5);

Deno.test("flowBatch() gives diffusers' x_t and the velocity as the target", async () => {
  const batch = flowBatch({ x0: X0, noise: NOISE, times: [.75, .25], exampleWeights: [1, 3] });
  assertEquals([...batch.timesteps.data], [750, 250]);
  const run = (await openDevice("cpu")).compile<
    { batch: DiffusionBatch },
    Record<"x" | "target" | "weight", HostArray>
  >(({ batch }) => {
    const { x, target, weight } = noiseBatch(batch as BatchTensors);
    return { x, target, weight };
  });
  const { x, target, weight } = await run({ batch });
  await run.dispose();
  // FlowMatchEulerDiscreteScheduler.scale_noise of diffusers 0.42 at its timesteps 750 and 250.
  assertAllClose(x.data as Float32Array, [.875, 1.25, -.0625, .6875]);
  // What its training examples compare with: noise - x0.
  assertAllClose(target.data as Float32Array, [.5, 3, -1.25, -.25]);
  assertEquals([...weight.data], [1, 3]);
});

Deno.test("flowX0Coefficients() recovers x0 from x_t and the velocity", () => {
  const time = .3;
  const [p, q] = flowX0Coefficients(1000)(1000 * time);
  const x0 = NOISE.map((z, i) => {
    const xt = (1 - time) * X0.data[i]! + time * z;
    return p * (z - X0.data[i]!) + q * xt;
  });
  assertAllClose(x0, X0.data as Float32Array);
});

/** The largest distance between the empirical and the expected distribution function. */
function kolmogorov(values: Float32Array, cdf: (x: number) => number): number {
  const sorted = values.toSorted();
  return sorted.reduce((worst, x, i) => {
    const expected = cdf(x);
    const distance = Math.max(
      Math.abs(i / sorted.length - expected),
      Math.abs((i + 1) / sorted.length - expected),
    );
    return Math.max(worst, distance);
  }, 0);
}

Deno.test("drawFlowTimes() samples from the requested density", () => {
  const count = 20_000;
  const allowed = 1.95 / Math.sqrt(count); // exceeded by chance once in a thousand
  const draw = (options: object) => drawFlowTimes(randomStream(1).stream("times"), count, options);
  assert(kolmogorov(draw({ density: "uniform" }), (t) => t) < allowed);
  const logit = (t: number) => Math.log(t / (1 - t));
  assert(kolmogorov(draw({}), (t) => normalCdf(logit(t))) < allowed);
  const shifted = draw({ logitMean: .5, logitStd: .8 });
  assert(kolmogorov(shifted, (t) => normalCdf((logit(t) - .5) / .8)) < allowed);
  // compute_density_for_timestep_sampling("logit_normal", logit_mean=0.5, logit_std=0.8) of diffusers
  // 0.42: the median of 200,000 draws.
  assertAlmostEquals(shifted.toSorted()[count / 2]!, .6217870712, .005);
});

Deno.test("drawFlowTimes() stays within [0, 1] when logitStd is large", () => {
  const times = drawFlowTimes(randomStream(2), 1000, { logitStd: 1000 });
  assert(times.every((t) => t >= 0 && t <= 1));
});

Deno.test("flowBatch() and drawFlowTimes() throw when options are out of range or lengths differ", () => {
  const batch = (changes: object) => () =>
    flowBatch({ x0: X0, noise: NOISE, times: [.5, .5], ...changes });
  assertThrows(batch({ times: [.5, 1.5] }), UserError, "time is 1.5; it must be from 0 to 1");
  assertThrows(batch({ times: [.5] }), UserError, "1 times");
  assertThrows(batch({ noise: NOISE.slice(1) }), UserError, "3 numbers of noise");
  assertThrows(batch({ exampleWeights: [1] }), UserError, "1 exampleWeights for 2 examples");
  const draw = (options: object) => () => drawFlowTimes(randomStream(0), 4, options);
  assertThrows(draw({ logitStd: 0 }), UserError, "logitStd is 0");
  assertThrows(draw({ logitMean: NaN }), UserError, "logitMean is NaN");
  assertThrows(draw({ density: "cosmap" }), UserError, 'density is "cosmap"');
});
