import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { openDevice } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import { compileTrainStep, type TrainState } from "../../training/step.ts";
import { deviceWorks } from "../devices.ts";
import { copyState } from "./states.ts";
import { batchAt, initialState, settingsAt, tinyTrainStep } from "./tiny_training.ts";

const ignore = !deviceWorks("onnx-webgpu");

Deno.test({
  name: "200 steps on onnx-webgpu leave no tensors and no memory behind",
  ignore,
  fn: async () => {
    await using device = await openDevice("onnx-webgpu", { threads: 1 });
    const width = 512; // 1 MB of weights: a copy that stays at each step is 100 MB in 100 steps
    const step = compileTrainStep<{ x: HostArray }, never>(device, {
      specs: { w: { shape: [width, width], initializer: { constant: 0 } } },
      optimizer: {},
      loss: ({ w }, { x }) => ({
        loss: tf.mean(tf.square(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D))) as tf.Scalar,
      }),
    });
    let state = step.start({ w: float32(new Float32Array(width ** 2).fill(0.01), [width, width]) });
    const batch = { x: float32(new Float32Array(width).fill(1), [1, width]) };
    const steps = async (from: number, to: number) => {
      for (let at = from; at <= to; at++) {
        ({ state } = await step(state, batch, { step: at, learningRate: 1e-3, emaDecay: 0 }));
      }
      return { tensors: tf.memory().numTensors, bytes: Deno.memoryUsage().rss };
    };
    const before = await steps(1, 100);
    const after = await steps(101, 200);
    assertEquals(after.tensors, before.tensors);
    assert(after.bytes - before.bytes < 50e6, `${before.bytes} bytes, then ${after.bytes}`);
  },
});

/** The states and losses of the tiny UNet from one step to another, by a step of its own. */
async function train(from: TrainState, first: number, last: number) {
  const step = await tinyTrainStep("onnx-webgpu");
  let state = step.restore(from);
  const losses: number[] = [];
  for (let i = first; i <= last; i++) {
    const result = await step(state, batchAt(i).batch, { step: i + 1, ...settingsAt(i) });
    state = result.state;
    losses.push(result.loss);
  }
  const end = copyState(state);
  await step.dispose();
  return { end, losses };
}

Deno.test({
  name: "training that stops and goes on has the same bits on onnx-webgpu as without a stop",
  ignore,
  fn: async () => {
    const whole = await train(initialState(), 0, 5);
    const half = await train(initialState(), 0, 2);
    const rest = await train(half.end, 3, 5);
    assertEquals([...half.losses, ...rest.losses], whole.losses);
    assertEquals(rest.end, whole.end);
  },
});

Deno.test({
  name: "nodes that WebGPU cannot compute run on the processor on onnx-webgpu",
  ignore,
  fn: async () => {
    await using device = await openDevice("onnx-webgpu", { threads: 1 });
    const waves = device.compile<{ x: HostArray }, HostArray>(({ x }) => tf.sin(x));
    const { data } = await waves({ x: float32([1, 100, 1000]) });
    [1, 100, 1000].forEach((x, i) => assertAlmostEquals(data[i]!, Math.sin(x), 1e-6));
    const empty = device.compile<{ x: HostArray }, HostArray>(({ x }) => tf.add(x, 1));
    assertEquals((await empty({ x: float32([], [0, 3]) })).shape, [0, 3]);
  },
});
