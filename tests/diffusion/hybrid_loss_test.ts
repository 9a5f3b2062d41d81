import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { type HybridBatch, hybridBatch, hybridLosses } from "../../diffusion/hybrid_loss.ts";
import { type BatchTensors, diffusionBatch } from "../../diffusion/objective.ts";
import { noiseSchedule, type PredictionType } from "../../diffusion/schedules.ts";
import { openDevice } from "../../engine/device.ts";
import { UserError } from "../../base/errors.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";

const pixel = (value: number) => value / 127.5 - 1;

const X0 = float32([0, 64, 255, 200, 10, 127, 90, 128, 3, 0, 64, 250].map(pixel), [4, 3]);
const NOISE = Float32Array.of(.3, -.7, 1.1, -.2, .5, .9, 1.5, -.4, .1, -1.2, .6, .8);
const TIMESTEPS = Int32Array.of(0, 7, 19, 0);
/** The model's output: three predictions and three v per row. */
// deno-fmt-ignore
const OUTPUT = float32([
  .2, -.5, .9, -.4, .3, .8, -.1, .4, .6, -1, 0, 1,
  .7, -.3, .2, .5, -.5, .1, -1, .5, .7, .9, -.9, 0,
], [4, 6]);

/**
 * The losses of Nichol and Dhariwal 2021's equation 16 and their gradient with respect to the model's
 * output, from autograd of torch 2.15 in float64: the cosine schedule of 20 timesteps, the batch above,
 * example weights 1, 0.5, 2, 1, lambda T / 1000, the prediction detached in the bound.
 */
// deno-fmt-ignore
const EXPECTED: Record<PredictionType, Record<"simple" | "bound" | "loss" | "gradient", number[]>> =
  {
    epsilon: {
      simple: [.03, .03666666667, .22, .02],
      bound: [2.200949915, .01609529977, 158.7898064, 3.363836615],
      loss: [1.742845569],
      gradient: [
        -.01666666667, .03333333333, -.03333333333, -1.05370528e-5, 1.888852056e-4,
        3.184134168e-5, .008333333333, -.008333333333, -.025, -2.756260825e-7,
        7.252265782e-6, 1.221071825e-5, -.2666666667, .03333333333, .03333333333,
        -.004674451909, -7.324983976e-5, -7.310324317e-5, .03333333333, -.01666666667,
        -.01666666667, 3.163796538e-5, 1.951046848e-4, 1.955053088e-4,
      ],
    },
    sample: {
      simple: [.4833346149, .8527758554, .8215737537, .3546969114],
      bound: [15.82675095, .4116576226, .003600058518, 17.62010997],
      loss: [.8951911896],
      gradient: [
        .2, -.0003267973856, -.01666666667, 0, 1.977666286e-4, -3.454464209e-4,
        -.05571895425, .110130719, .05032679739, -2.263225935e-5, -7.1321849e-5,
        -4.907875613e-7, .331372549, -.1013071895, .3921568627, -1.057104409e-8,
        6.972540385e-9, -3.699415706e-8, 0, .1663398693, -.04346405229, 6.742927296e-6,
        0, -.001915847791,
      ],
    },
    v_prediction: {
      simple: [.02333499882, .1589317836, .2840406981, .01050329724],
      bound: [2.268821339, .03479819509, .001247783748, 3.395474666],
      loss: [.1987673494],
      gradient: [
        -.03136678455, .02544520383, -.01769886054, -2.898565657e-5, 1.926772915e-4,
        2.124592269e-5, .03321219493, -.04579151008, -.01054355429, -2.834673992e-6,
        2.694288779e-6, 1.395500661e-5, .1340635974, -.09836459648, -.2589045977,
        2.600978227e-8, 7.207317016e-9, -2.39447324e-9, .0176321209, -.0236871809,
        -.001816739716, 2.10452446e-5, 1.923569748e-4, 1.97838804e-4,
      ],
    },
  };

const scheduleOf = (predictionType: PredictionType) =>
  noiseSchedule({ numTrainTimesteps: 20, betaSchedule: "squaredcos_cap_v2", predictionType });

const batchOf = (predictionType: PredictionType) =>
  hybridBatch(scheduleOf(predictionType), {
    x0: X0,
    noise: NOISE,
    timesteps: TIMESTEPS,
    exampleWeights: [1, .5, 2, 1],
  });

for (const name of ["cpu", "onnx"] as const) {
  for (const predictionType of ["epsilon", "sample", "v_prediction"] as const) {
    Deno.test({
      name: `hybridLosses() has torch's values and gradient for ${predictionType} on ${name}`,
      ignore: !deviceWorks(name),
      fn: async () => {
        type Inputs = { output: HostArray; batch: HybridBatch };
        type Outputs = Record<"loss" | "gradient" | "simple" | "bound", HostArray>;
        const device = await openDevice(name, { threads: 1 });
        const run = device.compile<Inputs, Outputs>(({ output, batch }) => {
          let [simple, bound]: [tf.Tensor?, tf.Tensor?] = [];
          const { value, grad } = tf.valueAndGrad((given: tf.Tensor) => {
            const losses = hybridLosses(() => given, {}, batch as BatchTensors);
            [simple, bound] = [tf.keep(losses.plain), tf.keep(losses.bound)];
            return tf.mean(losses.weighted);
          })(output);
          const kept = { simple: tf.clone(simple!), bound: tf.clone(bound!) };
          simple!.dispose();
          bound!.dispose();
          return { loss: value, gradient: grad, ...kept };
        });
        const result = await run({ output: OUTPUT, batch: batchOf(predictionType) });
        await run.dispose();
        const { simple, bound, loss, gradient } = EXPECTED[predictionType];
        assertAllClose(result.simple.data as Float32Array, simple);
        assertAllClose(result.bound.data as Float32Array, bound, { atol: 1e-6, rtol: 3e-5 });
        assertAllClose(result.loss.data as Float32Array, loss, { rtol: 3e-5 });
        assertAllClose(result.gradient.data as Float32Array, gradient, { atol: 3e-9, rtol: 1e-3 });
      },
    });
  }
}

Deno.test("hybridBatch() adds the factors of the bound to diffusionBatch() and weights it by T / 1000", () => {
  const { variance, ...rest } = batchOf("v_prediction");
  assertEquals(
    rest,
    diffusionBatch(scheduleOf("v_prediction"), {
      x0: X0,
      noise: NOISE,
      timesteps: TIMESTEPS,
      exampleWeights: [1, .5, 2, 1],
    }),
  );
  assertEquals(variance.shape, [5, 4]);
  assertAllClose(variance.data.slice(16) as Float32Array, [.02, .01, .04, .02]);
  const given = { x0: X0, noise: NOISE, timesteps: TIMESTEPS, boundWeight: .5 };
  assertAlmostEquals(hybridBatch(scheduleOf("sample"), given).variance.data[16]!, .5, 1e-7);
});

Deno.test("hybridLosses() throws when the batch has no variances or the number of channels is wrong", () => {
  const batch = diffusionBatch(scheduleOf("sample"), {
    x0: X0,
    noise: NOISE,
    timesteps: TIMESTEPS,
  });
  const tensors = (given: object): BatchTensors =>
    Object.fromEntries(
      Object.entries(given).map(([key, value]) =>
        [key, key === "condition" ? {} : tf.tensor(value.data, value.shape, "float32")] as const
      ),
    ) as unknown as BatchTensors;
  tf.tidy(() => {
    assertThrows(
      () => hybridLosses((_, { x }) => x, {}, tensors(batch)),
      UserError,
      "make it with hybridBatch()",
    );
    assertThrows(
      () => hybridLosses((_, { x }) => x, {}, tensors(batchOf("sample"))),
      UserError,
      "returned 3 channels for 3; to learn variances it must return 6",
    );
  });
});
