import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { latentLosses, rolloutCondition } from "../../../text/denoiser/losses.ts";
import { latentNoiseSchedule } from "../../../text/denoiser/schedules.ts";
import {
  type BatchTensors,
  diffusionBatch,
  type TrainableDenoiser,
} from "../../../diffusion/objective.ts";
import { SELF_CONDITIONING } from "../../../diffusion/self_conditioning.ts";
import {
  conditionEncoderSpecs,
  denoiseLatents,
  latentDenoiserSpecs,
  readCondition,
  textDenoiserConfig,
  trainableDenoiser,
} from "../../../text/denoiser/network.ts";
import { type DeviceName, openDevice } from "../../../engine/device.ts";
import { UserError } from "../../../base/errors.ts";
import * as tf from "../../../engine/tf.ts";
import { float32, type HostArray, int32, sizeOf } from "../../../engine/tree.ts";
import {
  checkParameters,
  type HostParameters,
  type Parameters,
  type ParameterSpecs,
} from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import { decodeSafetensors } from "../../../nn/safetensors.ts";
import type { BertConfig } from "../../../vae/bert.ts";
import { partOf } from "../../../vae/text_vae.ts";
import { assertAllClose } from "../../assert_close.ts";
import { deviceWorks } from "../../devices.ts";
import { fixtureBytes, hasFixture } from "../../fixtures.ts";
import { compute, type Named } from "../../nn/on_device.ts";

const DEVICES: readonly DeviceName[] = ["cpu", "onnx", "onnx-webgpu"];

const BERT: BertConfig = {
  vocabSize: 11,
  hiddenSize: 8,
  numHiddenLayers: 1,
  numAttentionHeads: 2,
  intermediateSize: 16,
  maxPositionEmbeddings: 7,
  typeVocabSize: 1,
  layerNormEps: 1e-12,
  initializerRange: 0.5,
};

const SIZES = { latents: 4, latentWidth: 3, layers: 2, width: 8, heads: 2 } as const;

for (const device of DEVICES) {
  Deno.test({
    name: `latentLosses() of a text denoiser gives PyTorch's output, loss, gradients on ${device}`,
    ignore: !hasFixture("text_denoiser") || !deviceWorks(device),
    fn: async () => {
      const file = "text_denoiser/case.safetensors";
      const { tensors } = decodeSafetensors(await fixtureBytes(file), file);
      const all: HostParameters = Object.fromEntries(
        [...tensors].map(([name, { data, shape }]) =>
          [name, float32(data as Float32Array, shape)] as const
        ),
      );
      const config = textDenoiserConfig({ ...SIZES, encoder: BERT });
      const specs = { ...latentDenoiserSpecs(config), ...conditionEncoderSpecs(config) };
      const parameters = partOf(all, "parameters.");
      checkParameters(parameters, specs, file);
      const { ids, mask, t, ...inputs } = partOf(all, "inputs.");
      const integers = {
        ids: int32([...ids!.data], ids!.shape),
        mask: int32([...mask!.data], [3, 5]),
      };

      const { compile } = await openDevice(device, { threads: 1 });
      type Given = { parameters: HostParameters; inputs: Named; target: HostArray };
      type Found = { output: HostArray; losses: HostArray; gradients: Named };
      const run = compile<Given, Found>(({ parameters, inputs, target }) => {
        const { x, ids, mask, given, drop, estimate, t } = inputs;
        const denoise: TrainableDenoiser = (weights, { x, timesteps }) =>
          denoiseLatents(weights, {
            x: x as tf.Tensor3D,
            timesteps,
            given,
            states: readCondition(weights, ids as tf.Tensor2D, mask as tf.Tensor2D, config),
            dropCondition: drop as tf.Tensor1D,
            x0Estimate: estimate,
          }, config);
        // x_t is x0 and the target is the noise: noising is not tested here.
        const factors = tf.tile(tf.tensor2d([[1], [0], [0], [1], [1]]), [1, 3]);
        const batch = {
          x0: x!,
          noise: target,
          timesteps: t!,
          factors,
          condition: { given: given! },
        };
        const losses = (weights: Parameters) => latentLosses(denoise, weights, batch);
        const names = Object.keys(parameters);
        const { grads } = tf.valueAndGrads((...weights: tf.Tensor[]) => {
          const named = Object.fromEntries(names.map((key, i) => [key, weights[i]!]));
          return tf.mean(losses(named).weighted) as tf.Scalar;
        })(Object.values(parameters));
        return {
          output: denoise(parameters, { x: x!, timesteps: t as tf.Tensor1D, condition: {} }),
          losses: losses(parameters).plain,
          gradients: Object.fromEntries(names.map((key, i) => [key, grads[i]!])),
        };
      });
      const found = await run({
        parameters,
        inputs: { ...inputs, ...integers, t: t! },
        target: all["target"]!,
      });
      await run.dispose();
      assertAllClose(found.output.data, all["output"]!.data, { atol: 1e-4, rtol: 1e-4 });
      assertAllClose(found.losses.data, all["losses"]!.data, { atol: 1e-5, rtol: 1e-4 });
      for (const [key, { data }] of Object.entries(partOf(all, "gradients."))) {
        const largest = Math.max(...data.map(Math.abs));
        assertAllClose(found.gradients[key]!.data, data, {
          atol: 1e-4 * largest + 1e-7,
          rtol: 1e-4,
          message: `gradient of ${key}`,
        });
      }
    },
  });
}

/** Random weights, without zeros. */
function randomWeights(specs: ParameterSpecs): HostParameters {
  return Object.fromEntries(
    Object.entries(specs).map(([name, { shape }]) => {
      const values = randomStream(7).stream(name).normal(sizeOf(shape));
      return [name, float32(values.map((value) => 0.3 * value), shape)] as const;
    }),
  );
}

Deno.test("trainableDenoiser() self-conditions the model with an estimate made without one", async () => {
  const config = textDenoiserConfig({ ...SIZES, classes: 2 });
  const weights = randomWeights(latentDenoiserSpecs(config));
  const x = float32(randomStream(1).normal(24), [2, 4, 3]);
  const { found, expected } = await compute("cpu", {
    ...weights,
    x,
    labels: int32([0, 2]),
  }, (given) => {
    const named = Object.fromEntries(Object.keys(weights).map((name) => [name, given[name]!]));
    const x = given["x"] as tf.Tensor3D;
    const timesteps = tf.tensor1d([10, 500]);
    const classLabels = given["labels"] as tf.Tensor1D;
    // The second example's factors are zero: it is shown none.
    const factors = tf.tensor2d([[.5, 0], [.25, 0]]);
    const first = denoiseLatents(named, { x, timesteps, classLabels }, config);
    const shown = tf.mul(tf.tensor3d([1, 0], [2, 1, 1]), tf.add(tf.mul(first, .5), tf.mul(x, .25)));
    return {
      found: trainableDenoiser(config)(named, {
        x,
        timesteps,
        condition: { classLabels, [SELF_CONDITIONING]: factors },
      }),
      expected: denoiseLatents(named, { x, timesteps, classLabels, x0Estimate: shown }, config),
    };
  });
  assertAllClose(found!.data, expected!.data, { atol: 1e-6, rtol: 1e-6 });
});

Deno.test("latentLosses() noises the model's own prediction, without a gradient through it", async () => {
  const schedule = latentNoiseSchedule("cosine", { numTrainTimesteps: 100 });
  const shape = [2, 2, 1];
  const x0 = [.5, -1, 2, 1.5];
  const noise = Float32Array.of(1, -.5, .25, 2);
  const timesteps = Int32Array.of(20, 70);
  const rollout = rolloutCondition(schedule, timesteps, shape, randomStream(3));
  const noisier = rollout["rolloutTimesteps"]!.data;
  assert(noisier[0]! >= 20 && noisier[1]! >= 70 && noisier.every((t) => t < 100));
  const given = [0, 0, 1, 0]; // the second example's first vector
  const batch = diffusionBatch(schedule, {
    x0: float32(x0, shape),
    noise,
    timesteps,
    condition: { ...rollout, given: float32(given, [2, 2, 1]) },
  });
  const { condition, ...own } = batch;
  const a = .8;
  const named: Named = { ...own, ...condition, a: float32([a], []) };
  const { losses, gradient } = await compute("cpu", named, (tensors) => {
    // A denoiser that multiplies by a.
    const denoise: TrainableDenoiser = ({ a }, { x }) => tf.mul(x, a!);
    const { x0, noise, timesteps, factors, a, ...condition } = tensors;
    const batch = { x0, noise, timesteps, factors, condition } as BatchTensors;
    const loss = (a: tf.Tensor) => latentLosses(denoise, { a }, batch).plain;
    const total = tf.grad((a: tf.Tensor) => tf.sum(loss(a)));
    return { losses: loss(a!), gradient: total(a!) };
  });

  // By hand, in float64.
  const rolloutNoise = rollout["rolloutNoise"]!.data;
  let expectedGradient = 0;
  const expected = [0, 1].map((example) => {
    const at = (t: number) => {
      const signal = schedule.alphasCumprod[t]!;
      return [Math.sqrt(signal), Math.sqrt(1 - signal)] as const;
    };
    const counted = [0, 1].map((j) => 2 * example + j).filter((i) => given[i] === 0);
    return counted.reduce((sum, i) => {
      const [signalThen, sigmaThen] = at(noisier[example]!);
      const [signal, sigma] = at(timesteps[example]!);
      const answer = a * (signalThen * x0[i]! + sigmaThen * rolloutNoise[i]!);
      const x = signal * answer + sigma * noise[i]!;
      expectedGradient += 2 * (a * x - x0[i]!) * x / counted.length;
      return sum + (a * x - x0[i]!) ** 2 / counted.length;
    }, 0);
  });
  assertAllClose(losses!.data, expected, { atol: 1e-5, rtol: 1e-5 });
  assertAlmostEquals(gradient!.data[0]!, expectedGradient, 1e-4);
});

Deno.test("rolloutCondition() samples time steps from the batch's own to the last", () => {
  const schedule = latentNoiseSchedule("linear", { numTrainTimesteps: 10 });
  const timesteps = new Int32Array(400).fill(7);
  const rollout = rolloutCondition(schedule, timesteps, [400, 1, 1], randomStream(0));
  const counts = [7, 8, 9].map((t) =>
    rollout["rolloutTimesteps"]!.data.filter((other) => other === t).length
  );
  assertEquals(counts.reduce((sum, count) => sum + count, 0), 400);
  // 400 draws of probability 1/3: four standard deviations are 38.
  for (const count of counts) assert(Math.abs(count - 400 / 3) < 38, String(counts));
});

Deno.test("textDenoiserConfig(), readCondition() and rolloutCondition() refuse unsound inputs", () => {
  const velocity = latentNoiseSchedule("cosine", { predictionType: "v_prediction" });
  const steps = Int32Array.of(1);
  assertThrows(
    () => rolloutCondition(velocity, steps, [1, 1, 1], randomStream(0)),
    UserError,
    '"sample"',
  );
  assertThrows(() => textDenoiserConfig({ ...SIZES, heads: 3 }), UserError, "attentionHeadDim");
  const ids = tf.zeros([1, 2], "int32") as tf.Tensor2D;
  const config = textDenoiserConfig({ ...SIZES, conditionBlocks: 1 });
  assertThrows(() => readCondition({}, ids, ids, config), UserError, "encoder");
  ids.dispose();
});
