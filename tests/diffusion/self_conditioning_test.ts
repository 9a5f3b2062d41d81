import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type BatchTensors,
  type DiffusionBatch,
  diffusionBatch,
  diffusionLosses,
} from "../../diffusion/objective.ts";
import { x0Coefficients } from "../../diffusion/parameterisation.ts";
import { ddim } from "../../diffusion/samplers/ddim.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import {
  SELF_CONDITIONING,
  selfConditioned,
  selfConditioningDenoiser,
  selfConditioningFactors,
  X0_ESTIMATE,
} from "../../diffusion/self_conditioning.ts";
import { openDevice } from "../../engine/device.ts";
import { UserError } from "../../base/errors.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import { randomStream } from "../../nn/random.ts";
import { assertAllClose } from "../assert_close.ts";

const schedule = noiseSchedule({
  numTrainTimesteps: 100,
  betaSchedule: "squaredcos_cap_v2",
  predictionType: "v_prediction",
});

Deno.test("selfConditioningFactors() gives x0's coefficients to the requested share of examples", () => {
  const timesteps = new Int32Array(2000).fill(40);
  const factors = selfConditioningFactors(schedule, timesteps, randomStream(0), .3);
  assertEquals(factors.shape, [2, 2000]);
  const shown = factors.data.slice(0, 2000).filter((p) => p !== 0).length;
  assertAlmostEquals(shown / 2000, .3, .04); // four standard deviations
  const all = selfConditioningFactors(schedule, Int32Array.of(40, 7), randomStream(0), 1);
  const a = schedule.alphasCumprod;
  assertAllClose(all.data as Float32Array, [
    -Math.sqrt(1 - a[40]!),
    -Math.sqrt(1 - a[7]!),
    Math.sqrt(a[40]!),
    Math.sqrt(a[7]!),
  ]);
  const none = selfConditioningFactors(schedule, timesteps, randomStream(0), 0);
  assertEquals(new Set(none.data), new Set([0]));
  assertThrows(
    () => selfConditioningFactors(schedule, timesteps, randomStream(0), 1.5),
    UserError,
    "probability is 1.5",
  );
});

/** The model is W x + U estimate: its output depends on the estimate, and both passes on W. */
const W = .6;
const U = .25;

Deno.test("selfConditioned() passes the estimate as a constant", async () => {
  const timesteps = Int32Array.of(40, 7);
  const x0 = float32([.5, -1, .25, .75], [2, 2, 1]);
  const noise = Float32Array.of(1, 2, -1, .5);
  const factors = selfConditioningFactors(schedule, timesteps, randomStream(0), 1).data.slice();
  [factors[1], factors[3]] = [0, 0]; // the second example receives no estimate
  const batch = diffusionBatch(schedule, {
    x0,
    noise,
    timesteps,
    condition: { [SELF_CONDITIONING]: float32(factors as Float32Array, [2, 2]) },
  });
  const clipRange = .4;
  const run = (await openDevice("cpu")).compile<
    { w: HostArray; batch: DiffusionBatch },
    Record<"loss" | "gradient" | "plain", HostArray>
  >(({ w, batch }) => {
    let plain: tf.Tensor | undefined;
    const { value, grad } = tf.valueAndGrad((w: tf.Tensor) => {
      const denoise = selfConditioned((_, { x, condition }) => {
        return tf.add(tf.mul(x, w), tf.mul(condition[X0_ESTIMATE]!, U));
      }, clipRange);
      const losses = diffusionLosses(denoise, {}, batch as BatchTensors);
      plain = tf.keep(losses.plain);
      return tf.mean(losses.weighted);
    })(w as tf.Tensor);
    const kept = tf.clone(plain!);
    plain!.dispose();
    return { loss: value, gradient: grad, plain: kept };
  });
  const { gradient, plain } = await run({ w: float32([W], []), batch });
  await run.dispose();

  // By hand, example by example.
  let slope = 0;
  const losses = [0, 1].map((b) => {
    const a = schedule.alphasCumprod[timesteps[b]!]!;
    const [s, n] = [Math.sqrt(a), Math.sqrt(1 - a)];
    let sum = 0;
    for (const i of [2 * b, 2 * b + 1]) {
      const x = s * x0.data[i]! + n * noise[i]!;
      const first = s * x - n * (W * x); // x0 of the first pass, which receives zeros
      const estimate = b === 1 ? 0 : Math.max(-clipRange, Math.min(clipRange, first));
      const error = W * x + U * estimate - (s * noise[i]! - n * x0.data[i]!);
      sum += error ** 2 / 2;
      slope += 2 * error * x / 4; // no gradient through the estimate
    }
    return sum;
  });
  assertAllClose(plain.data as Float32Array, losses);
  assertAllClose(gradient.data as Float32Array, [slope]);
});

Deno.test("selfConditioned() calls the model once when the batch has no factors", () => {
  let calls = 0;
  const denoise = selfConditioned((_, { x, condition }) => {
    calls++;
    assertEquals(condition[X0_ESTIMATE]!.shape, [1, 1]);
    return x;
  });
  tf.tidy(() => {
    denoise({}, { x: tf.ones([1, 1]), timesteps: tf.ones([1]) as tf.Tensor1D, condition: {} });
  });
  assertEquals(calls, 1);
});

Deno.test("selfConditioningDenoiser() passes the last step's estimate, and zeros when sampling restarts", async () => {
  const shown: number[][] = [];
  const output = Float32Array.of(.3, -2);
  const denoise = selfConditioningDenoiser(
    (_x, _t, estimate) => {
      shown.push([...estimate]);
      return Promise.resolve(output);
    },
    schedule,
    { clipRange: 1 },
  );
  const x = Float32Array.of(.1, .2);
  const estimate = (timestep: number) => {
    const [p, q] = x0Coefficients("v_prediction", schedule.alphasCumprod[timestep]!);
    return output.map((v, i) => Math.max(-1, Math.min(1, p * v + q * x[i]!)));
  };
  await denoise(x, 80);
  await denoise(x, 60);
  assertEquals(shown[0], [0, 0]);
  assertAllClose(shown[1]!, estimate(80));
  await denoise(x, 60); // a second evaluation at the same timestep, as heun's, is no restart
  assertAllClose(shown[2]!, estimate(60));
  await denoise(x, 80);
  assertEquals(shown[3], [0, 0]);
  await denoise(Float32Array.of(1, 2, 3).map((v) => v), 10).catch(() => {});
  assertEquals(shown[4], [0, 0, 0], "another number of samples");
});

Deno.test("selfConditioningDenoiser() interpolates sigma when a timestep is no integer", async () => {
  let last: Float32Array | undefined;
  const denoise = selfConditioningDenoiser((x, _t, estimate) => {
    last = estimate;
    return Promise.resolve(x.map(() => 0)); // v = 0: x0 is sqrt(a) x
  }, schedule);
  await denoise(Float32Array.of(1), 40.5);
  await denoise(Float32Array.of(1), 30);
  const sigma = (t: number) => Math.sqrt(1 / schedule.alphasCumprod[t]! - 1);
  const between = (sigma(40) + sigma(41)) / 2;
  assertAlmostEquals(last![0]!, 1 / Math.sqrt(1 + between ** 2), 1e-6);
  await assertRejects(() => denoise(Float32Array.of(1), 99.5), UserError, "timestep is 99.5");
});

Deno.test("selfConditioningDenoiser() passes the x0 that ddim() predicts", async () => {
  const shown: number[] = [];
  const denoise = selfConditioningDenoiser(
    (x, _t, estimate) => {
      shown.push(estimate[0]!);
      return Promise.resolve(x.map((value) => .5 * value));
    },
    schedule,
    { clipRange: 1 },
  );
  const predicted: number[] = [];
  const options = { numInferenceSteps: 6 };
  for await (const step of ddim(denoise, Float32Array.of(1.5), schedule, options)) {
    predicted.push(step.predictedX0[0]!);
  }
  assertEquals(shown[0], 0);
  assertAllClose(shown.slice(1), predicted.slice(0, -1));
});
