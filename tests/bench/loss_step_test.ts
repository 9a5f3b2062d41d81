import { assert, assertEquals } from "@std/assert";
import { compileLossStep, initLossState, rowsOf } from "../../bench/loss_step.ts";
import { type DeviceName, openDevice } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray, scalar, sizeOf } from "../../engine/tree.ts";
import { adamW, applyUpdates } from "../../nn/optimizers.ts";
import { initParameters, type ParameterSpecs } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";

/** One parameter that is updated row by row, and one that is not. */
const SPECS: ParameterSpecs = {
  "large.weight": { shape: [700, 600], initializer: { deviation: 0.1 } },
  "small.weight": { shape: [3], initializer: { deviation: 1 } },
};

Deno.test("rowsOf() leaves small shapes alone and divides large ones evenly", () => {
  assertEquals(rowsOf([768]), [768]);
  for (const shape of [[50257, 768], [768, 3072], [1, 400_009]]) {
    const [rows, columns] = rowsOf(shape) as [number, number];
    assertEquals(rows * columns, sizeOf(shape));
    assert(columns <= 200_000 || rows === 1, `${shape}: ${rows} rows of ${columns}`);
  }
});

for (const device of ["cpu", "onnx"] satisfies DeviceName[]) {
  Deno.test({
    name: `compileLossStep() takes the steps of adamW(), clipped, over its own state on ${device}`,
    ignore: !deviceWorks(device),
    fn: async () => {
      const opened = await openDevice(device, { threads: 1 });
      const loss = (parameters: Readonly<Record<string, tf.Tensor>>, target: tf.Tensor) =>
        tf.add(
          tf.sum(tf.square(tf.sub(parameters["large.weight"]!, target))),
          tf.sum(tf.square(parameters["small.weight"]!)),
        ) as tf.Scalar;
      const target = float32(randomStream(1).normal(600));
      const step = compileLossStep(
        opened,
        SPECS,
        (parameters, { target }) => loss(parameters, target!),
        { maxGradNorm: 1, weightDecay: 0.1 },
      );

      // The same with the optimizer of nn/, tensor by tensor.
      const optimizer = adamW({ maxGradNorm: 1, weightDecay: 0.1 });
      const names = Object.keys(SPECS);
      type Record_ = Record<string, HostArray>;
      type State = { parameters: Record_; slots: Record<string, Record_> };
      const reference = (await openDevice("cpu")).compile<
        State & { target: HostArray; step: HostArray; learningRate: HostArray },
        State
      >(({ parameters, slots, target, step, learningRate }) => {
        const gradients = tf.grads((...weights: tf.Tensor[]) =>
          loss(Object.fromEntries(names.map((name, i) => [name, weights[i]!])), target)
        )(names.map((name) => parameters[name]!));
        const named = Object.fromEntries(names.map((name, i) => [name, gradients[i]!]));
        const { updates, state } = optimizer.update(named, slots, {
          parameters,
          step: step as tf.Scalar,
          learningRate: learningRate as tf.Scalar,
        });
        return { parameters: applyUpdates(parameters, updates), slots: state };
      });

      const initial = initParameters(SPECS, randomStream(0));
      const zeros = () =>
        Object.fromEntries(
          Object.entries(initial).map(([name, { data, shape }]) =>
            [name, float32(new Float32Array(data.length), shape)] as const
          ),
        );
      let expected: State = {
        parameters: Object.fromEntries(
          Object.entries(initial).map(([name, { data, shape }]) =>
            [name, float32(data.slice() as Float32Array, shape)] as const
          ),
        ),
        slots: Object.fromEntries(optimizer.slots.map((slot) => [slot, zeros()])),
      };
      let state = initLossState(initial);
      for (let count = 1; count <= 3; count++) {
        ({ state } = await step(state, { target }, { step: count, learningRate: 0.01 }));
        expected = await reference({
          ...expected,
          target,
          step: scalar(count),
          learningRate: scalar(0.01),
        });
      }
      await step.dispose();
      await reference.dispose();
      for (const name of names) {
        assertAllClose(state.parameters[name]!.data, expected.parameters[name]!.data, {
          atol: 1e-6,
          rtol: 1e-4,
          message: name,
        });
      }
    },
  });
}
