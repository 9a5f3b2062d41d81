import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { DEVICE_NAMES, openDevice } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray, scalar } from "../../engine/tree.ts";
import { updateEma } from "../../nn/ema.ts";
import {
  adamW,
  addDecayedWeights,
  applyUpdates,
  chain,
  clipByGlobalNorm,
  globalNorm,
  type GradientTransform,
  scaleByAdam,
  scaleByAdamax,
  scaleByLearningRate,
  trace,
} from "../../nn/optimizers.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";
import { fixtureJson } from "../fixtures.ts";
import { compute, type Named } from "./on_device.ts";

/** PyTorch's arguments of an optimizer. */
interface TorchArgs {
  lr: number;
  weight_decay: number;
  betas?: [number, number];
  eps?: number;
  momentum?: number;
  [option: string]: unknown;
}

/** One optimizer's problem and what PyTorch made of it. */
interface Case {
  args: TorchArgs;
  x: number[];
  y: number[];
  w0: number[];
  b0: number[];
  w: number[];
  b: number[];
  ema_w: number[];
  ema_b: number[];
  loss_and_grad_norm: [number, number][];
}

/** The transform that does what a PyTorch optimizer does. */
function likeTorch(name: string, args: TorchArgs, maxNorm: number): GradientTransform {
  for (const option of ["amsgrad", "maximize", "nesterov"]) {
    assert(!args[option], `no transform does ${option} of ${name}`);
  }
  assert(!args["dampening"], `no transform does dampening of ${name}`);
  const [beta1 = 0.9, beta2 = 0.999] = args.betas ?? [];
  const adam = { beta1, beta2, epsilon: args.eps ?? 1e-8 };
  const clip = clipByGlobalNorm(maxNorm);
  if (name === "adamw") {
    return adamW({ ...adam, weightDecay: args.weight_decay, maxGradNorm: maxNorm });
  }
  // In all but AdamW, PyTorch's weight decay is a part of the gradient: L2 regularization.
  const regularized = [clip, addDecayedWeights(args.weight_decay)];
  const rescale: Record<string, GradientTransform> = {
    adam: scaleByAdam(adam),
    adamax: scaleByAdamax(adam),
    sgd: trace(args.momentum ?? 0),
  };
  assert(rescale[name] !== undefined, `nothing does what ${name} does`);
  return chain(...regularized, rescale[name], scaleByLearningRate());
}

/** A number out of the sentence that states the problem. */
function stated(problem: string, pattern: RegExp): number {
  const [, found] = pattern.exec(problem) ?? [];
  assert(found !== undefined, `"${problem}" does not say ${pattern}`);
  return Number(found);
}

const fixture = await fixtureJson("optimizers.json");

for (const device of DEVICE_NAMES) {
  for (const [name, given] of Object.entries<Case>(fixture.cases)) {
    Deno.test({
      name: `${name} with clipping and EMA gives PyTorch's parameters on ${device}`,
      ignore: !deviceWorks(device),
      fn: async () => {
        const { problem, shapes } = fixture;
        const factor = stated(problem, /loss = ([\d.]+) \* mean/);
        const maxNorm = stated(problem, /global norm of ([\d.]+)/);
        const decay = stated(problem, /ema = ([\d.]+) ema/);
        const transform = likeTorch(name, given.args, maxNorm);
        const w = float32(given.w0, shapes.w);
        const b = float32(given.b0, shapes.b);
        const zeros = () => ({
          w: float32(new Float32Array(w.data.length), shapes.w),
          b: float32(new Float32Array(b.data.length), shapes.b),
        });
        let kept: Record<"parameters" | "average", Named> & { state: Record<string, Named> } = {
          parameters: { w, b },
          average: { w, b },
          state: Object.fromEntries(transform.slots.map((slot) => [slot, zeros()])),
        };
        type Inputs =
          & typeof kept
          & Record<"x" | "y" | "step" | "learningRate" | "decay", HostArray>;
        type Outputs = typeof kept & Record<"loss" | "norm", HostArray>;
        const { compile } = await openDevice(device, { threads: 1 });
        const advance = compile<Inputs, Outputs>((inputs) => {
          const { parameters, average, state, x, y } = inputs;
          const loss = (w: tf.Tensor, b: tf.Tensor) => {
            const found = tf.tanh(tf.add(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D), b));
            return tf.mul(factor, tf.mean(tf.square(tf.sub(found, y)))) as tf.Scalar;
          };
          const { value, grads: [w, b] } = tf.valueAndGrads(loss)([parameters.w!, parameters.b!]);
          const gradients = { w: w!, b: b! };
          const { updates, state: next } = transform.update(gradients, state, {
            parameters,
            step: inputs.step as tf.Scalar,
            learningRate: inputs.learningRate as tf.Scalar,
          });
          const moved = applyUpdates(parameters, updates);
          return {
            parameters: moved,
            average: updateEma(average, moved, inputs.decay as tf.Scalar),
            state: next,
            loss: value,
            norm: globalNorm(gradients),
          };
        });
        for (const [i, [loss, norm]] of given.loss_and_grad_norm.entries()) {
          const result = await advance({
            ...kept,
            x: float32(given.x, shapes.x),
            y: float32(given.y, shapes.y),
            step: scalar(i + 1),
            learningRate: scalar(given.args.lr),
            decay: scalar(decay),
          });
          assertAlmostEquals(result.loss.data[0]!, loss, 1e-5 * loss, `loss of step ${i + 1}`);
          assertAlmostEquals(result.norm.data[0]!, norm, 1e-4 * norm, `norm of step ${i + 1}`);
          kept = result;
        }
        await advance.dispose();
        // WebGPU's powers, which Adam corrects its bias with, are less exact than others'.
        const tolerances = device === "webgpu" ? { atol: 1e-5 } : {};
        for (const name of ["w", "b"] as const) {
          const message = `${name} and its average`;
          const { parameters, average } = kept;
          assertAllClose(parameters[name]!.data, given[name], { ...tolerances, message });
          assertAllClose(average[name]!.data, given[`ema_${name}` as const], {
            ...tolerances,
            message,
          });
        }
      },
    });
  }

  Deno.test({
    name: `clipByGlobalNorm() scales all gradients by one factor, and only down, on ${device}`,
    ignore: !deviceWorks(device),
    fn: async () => {
      const gradients = { a: float32([3, 0]), b: float32([4], [1, 1]) };
      const clipped = async (maxNorm: number) => {
        const { a, b } = await compute(device, gradients, (gradients) => {
          const step = { parameters: {}, step: tf.scalar(1), learningRate: tf.scalar(1) };
          return { ...clipByGlobalNorm(maxNorm).update(gradients, {}, step).updates };
        });
        return [...a!.data, ...b!.data];
      };
      assertAllClose(await clipped(1), [0.6, 0, 0.8]);
      assertAllClose(await clipped(2.5), [1.5, 0, 2]);
      assertAllClose(await clipped(5.1), [3, 0, 4]);
      assertAllClose(await clipped(1e6), [3, 0, 4]);
    },
  });
}

Deno.test("chain() puts transforms in a row and their states side by side", async () => {
  const transform = chain(trace(0.5), addDecayedWeights(0.1), scaleByAdam(), scaleByLearningRate());
  assertEquals(transform.slots, ["velocity", "mean", "variance"]);
  const inputs = { gradient: float32([2]), parameter: float32([10]), velocity: float32([4]) };
  const { update, velocity, mean } = await compute("cpu", inputs, (given) => {
    const zero = { p: tf.zeros([1]) };
    const { updates, state } = transform.update(
      { p: given["gradient"]! },
      { velocity: { p: given["velocity"]! }, mean: zero, variance: zero },
      { parameters: { p: given["parameter"]! }, step: tf.scalar(1), learningRate: tf.scalar(0.25) },
    );
    return {
      update: updates["p"]!,
      velocity: state["velocity"]!["p"]!,
      mean: state["mean"]!["p"]!,
    };
  });
  // Velocity 0.5 * 4 + 2; with the weights 4 + 0.1 * 10; Adam's first step is the sign.
  assertAllClose(velocity!.data, [4]);
  assertAllClose(mean!.data, [0.5]);
  assertAllClose(update!.data, [-0.25]);
});

Deno.test("adamW() decays weights apart from the gradient", async () => {
  const inputs = { gradient: float32([0, 0]), parameter: float32([10, -4]) };
  const { moved } = await compute("cpu", inputs, ({ gradient, parameter }) => {
    const { updates } = adamW({ weightDecay: 0.1 }).update(
      { p: gradient! },
      { mean: { p: tf.zeros([2]) }, variance: { p: tf.zeros([2]) } },
      { parameters: { p: parameter! }, step: tf.scalar(1), learningRate: tf.scalar(0.5) },
    );
    return { moved: applyUpdates({ p: parameter! }, updates)["p"]! };
  });
  assertAllClose(moved!.data, [9.5, -3.8]);
});

Deno.test("globalNorm() is the norm of all tensors as one vector", async () => {
  const inputs = { a: float32([1, 2, 3, 4], [2, 2]), b: float32([-5]), c: float32([6]) };
  const { norm, one } = await compute("cpu", inputs, (tensors) => ({
    norm: globalNorm(tensors),
    one: globalNorm({ b: tensors["b"]! }),
  }));
  assertAllClose(norm!.data, [Math.sqrt(91)]);
  assertEquals(norm!.shape, []);
  assertAllClose(one!.data, [5]);
});
