import { assert, assertEquals } from "@std/assert";
import { initializeBackend } from "../../onnx/register.ts";
import * as tf from "../../tf.ts";
import { assertAllClose } from "../../../tests/assert_close.ts";
import { deviceWorks } from "../../../tests/devices.ts";
import { counted, on } from "./on_backend.ts";

const ignore = !deviceWorks("onnx");

const waves = (length: number, frequency: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin(frequency * i));

/** Fits a line, and reads the loss once in `every` steps. */
async function fitLine(optimizer: () => tf.Optimizer, steps: number, every = 1): Promise<number[]> {
  const xs = tf.tensor1d(waves(32, 0.7));
  const ys = tf.tidy(() => tf.add(tf.mul(xs, 3), 0.5));
  const slope = tf.tidy(() => tf.variable(tf.zeros([])));
  const offset = tf.tidy(() => tf.variable(tf.scalar(0.1)));
  const train = optimizer();
  const losses: number[] = [];
  for (let step = 1; step <= steps; step++) {
    const loss = train.minimize(() => {
      const prediction = tf.add(tf.mul(xs, slope), offset);
      return tf.mean(tf.squaredDifference(prediction, ys)) as tf.Scalar;
    }, true)!;
    if (step % every === 0) losses.push((await loss.data())[0]!);
    loss.dispose();
  }
  losses.push(...await slope.data(), ...offset.dataSync());
  train.dispose();
  tf.dispose([xs, ys, slope, offset]);
  return losses;
}

const optimizers = {
  sgd: () => tf.train.sgd(0.3),
  momentum: () => tf.train.momentum(0.05, 0.9),
  adam: () => tf.train.adam(0.1),
  rmsprop: () => tf.train.rmsprop(0.05),
};

for (const [name, optimizer] of Object.entries(optimizers)) {
  Deno.test({
    name: `tf.train.${name} fits a line on the onnx backend as on cpu`,
    ignore,
    fn: async () => {
      const expected = await on("cpu", () => fitLine(optimizer, 30));
      const actual = await on("onnx", () => fitLine(optimizer, 30));
      assertAllClose(actual, expected, { atol: 1e-5, rtol: 1e-4, message: name });
    },
  });
}

Deno.test({
  name: "tf.layers trains a small convolutional network on the onnx backend as on cpu",
  ignore,
  fn: async () => {
    const fit = async () => {
      const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });
      const xs = tf.tensor4d(waves(32 * 8 * 8, 0.37), [32, 8, 8, 1]);
      const labels = Int32Array.from({ length: 32 }, (_, i) => i * 7 % 3);
      const ys = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(labels, "int32"), 3), "float32"));
      const model = tf.sequential({
        layers: [
          tf.layers.conv2d({
            inputShape: [8, 8, 1],
            filters: 8,
            kernelSize: 3,
            padding: "same",
            kernelInitializer: seeded(1),
          }),
          tf.layers.reLU(),
          tf.layers.averagePooling2d({ poolSize: 2 }),
          tf.layers.conv2d({ filters: 16, kernelSize: 3, kernelInitializer: seeded(2) }),
          tf.layers.reLU(),
          tf.layers.flatten(),
          tf.layers.dense({ units: 3, activation: "softmax", kernelInitializer: seeded(3) }),
        ],
      });
      const optimizer = tf.train.adam(0.01);
      model.compile({ optimizer, loss: "categoricalCrossentropy", metrics: ["accuracy"] });
      const options = { epochs: 3, batchSize: 8, shuffle: false, verbose: 0 } as const;
      const { history } = await model.fit(xs, ys, options);
      const predicted = model.predict(xs) as tf.Tensor;
      const result = {
        losses: history["loss"] as number[],
        accuracies: history["acc"] as number[],
        predictions: await predicted.data(),
      };
      model.dispose();
      optimizer.dispose();
      tf.dispose([xs, ys, predicted]);
      return result;
    };
    const expected = await on("cpu", fit);
    const actual = await on("onnx", fit);
    assertAllClose(actual.losses, expected.losses, { atol: 1e-4, rtol: 1e-4, message: "losses" });
    assertAllClose(actual.accuracies, expected.accuracies, { atol: 1e-6, rtol: 0, message: "acc" });
    assertAllClose(actual.predictions, expected.predictions, {
      atol: 1e-3,
      rtol: 1e-3,
      message: "predictions",
    });
  },
});

Deno.test({
  name: "Recorder reuses a session when the structure is the same and the numbers differ",
  ignore,
  fn: async () => {
    const results: number[] = [];
    const { runs, sessionsMade } = await counted(async () => {
      for (let i = 1; i <= 5; i++) {
        const x = tf.tensor1d([i, 2 * i, 3 * i, 4 * i, 5 * i]);
        const y = tf.tidy(() => tf.sum(tf.mul(tf.exp(tf.mul(x, 0)), tf.mul(x, i))));
        results.push((await y.data())[0]!);
        tf.dispose([x, y]);
      }
    });
    assertEquals(results, [15, 60, 135, 240, 375]);
    assertEquals({ runs, sessionsMade }, { runs: 5, sessionsMade: 1 });
  },
});

Deno.test({
  name: "Recorder runs one graph for each step in few sessions, however rarely losses are read",
  ignore,
  fn: async () => {
    for (const every of [1, 10, 60]) {
      const { runs, sessionsMade } = await counted(() => fitLine(optimizers.adam, 60, every));
      assert(runs >= 60 && runs <= 64, `${runs} runs`);
      assert(sessionsMade <= 5, `${sessionsMade} sessions`);
    }
  },
});

Deno.test({
  name: "Recorder leaks no tensors, operations or sessions in 200 steps",
  ignore,
  fn: async () => {
    const backend = await initializeBackend();
    await on("onnx", async () => {
      await fitLine(optimizers.adam, 3);
      const { numTensors, numDataBuffers, numBytes } = tf.memory();
      const ids = backend.numDataIds();
      const { sessions } = backend.recorder.statistics;
      await fitLine(optimizers.adam, 200);
      const after = tf.memory();
      assertEquals(
        [after.numTensors, after.numDataBuffers, after.numBytes],
        [numTensors, numDataBuffers, numBytes],
      );
      assertEquals(backend.numDataIds(), ids);
      const statistics = backend.recorder.statistics;
      assertEquals([statistics.sessions, statistics.pendingTensors], [sessions, 0]);
    });
  },
});

Deno.test({
  name: "Recorder releases the least recently used sessions when there are many",
  ignore,
  fn: async () => {
    const { recorder } = await initializeBackend();
    await on("onnx", async () => {
      for (let length = 1; length <= 40; length++) {
        const y = tf.tidy(() => tf.sum(tf.square(tf.ones([length, 3]))));
        assertEquals(await y.data(), Float32Array.of(3 * length));
        y.dispose();
      }
    });
    assertEquals(recorder.statistics.sessions, 32);
  },
});
