import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { openDevice } from "../../device.ts";
import { UserError } from "@nanodiffusion/base/errors";
import { initializeBackend, registerOnnxBackend } from "../../onnx/register.ts";
import * as tf from "../../tf.ts";
import { float32, type HostArray } from "../../tree.ts";
import { assertAllClose } from "../../../tests/assert_close.ts";
import { deviceWorks } from "../../../tests/devices.ts";
import { counted, on } from "./on_backend.ts";

const ignore = !deviceWorks("onnx");

Deno.test({
  name: "data() computes every tensor in use, and none twice",
  ignore,
  fn: async () => {
    const { runs } = await counted(async () => {
      const x = tf.tensor1d([1, 2, 3]);
      const doubled = tf.mul(x, 2);
      const squared = tf.square(doubled);
      const forgotten = tf.exp(squared);
      forgotten.dispose();
      assertEquals(await squared.data(), Float32Array.of(4, 16, 36));
      assertEquals(doubled.dataSync(), Float32Array.of(2, 4, 6));
      assertEquals(squared.arraySync(), [4, 16, 36]);
      assertEquals(await x.array(), [1, 2, 3]);
      tf.dispose([x, doubled, squared]);
    });
    assertEquals(runs, 1);
  },
});

Deno.test({
  name: "tensors keep their values when the arrays that they were written from or read into change",
  ignore,
  fn: () =>
    on("onnx", async () => {
      const numbers = Float32Array.of(1, 2);
      const x = tf.tensor1d(numbers);
      numbers.fill(9);
      (await x.data()).fill(7);
      x.dataSync().fill(8);
      const same = tf.clone(x);
      assertEquals([x.arraySync(), same.arraySync()], [[1, 2], [1, 2]]);
      tf.dispose([x, same]);
    }),
});

Deno.test({
  name: "data() returns the elements that were written, for all types and sizes",
  ignore,
  fn: () =>
    on("onnx", async () => {
      const { numTensors } = tf.memory();
      const tensors = [
        tf.tensor2d([[true, false], [false, true]], [2, 2], "bool"),
        tf.tensor1d([2 ** 31 - 1, -5], "int32"),
        tf.tensor1d([NaN, -0, Infinity, 1e-40]),
        tf.zeros([0, 3]),
        tf.scalar(3),
      ];
      for (const tensor of tensors) {
        const moved = tf.reshape(tensor, [tensor.size, 1]);
        assertEquals(await moved.data(), await tensor.data());
        assertEquals([moved.dtype, ...moved.shape], [tensor.dtype, tensor.size, 1]);
        moved.dispose();
      }
      tf.dispose(tensors);
      assertEquals(tf.memory().numTensors, numTensors);
    }),
});

Deno.test({
  name: "tensors move between backends when they are used",
  ignore,
  fn: async () => {
    await registerOnnxBackend({ threads: 1 });
    await tf.setBackend("cpu");
    const x = tf.tensor1d([1, 2, 3, 4]);
    const square = tf.reshape(x, [2, 2]); // shares its elements with x
    const y = await on("onnx", () => Promise.resolve(tf.matMul(square as tf.Tensor2D, square)));
    const z = tf.add(y, x.slice(0, 2));
    assertEquals(z.arraySync(), [[8, 12], [16, 24]]);
    tf.dispose([x, square, y, z]);
  },
});

Deno.test({
  name: "the host computes kernels that ONNX lacks",
  ignore,
  fn: () =>
    on("onnx", async () => {
      const boxes = tf.tensor2d([[0, 0, 1, 1], [0, 0, 1, 1.1], [0, 2, 1, 3]]);
      const scores = tf.tensor1d([0.5, 0.9, 0.7]);
      const kept = await tf.image.nonMaxSuppressionAsync(boxes, scores, 3, 0.5);
      const { values, indices } = tf.unique(tf.tensor1d([3, 1, 3]));
      assertEquals([...await kept.data()], [1, 2]);
      assertEquals([values.arraySync(), indices.arraySync()], [[3, 1], [0, 1, 0]]);
    }),
});

Deno.test({
  name: "the host computes with tensors of strings",
  ignore,
  fn: () =>
    on("onnx", async () => {
      const words = tf.tensor2d([["a", "bc"], ["d", "é"]]);
      const column = tf.tidy(() => tf.concat([words, words], 0).slice([1, 1], [2, 1]));
      assertEquals(await column.array(), [["é"], ["bc"]] as unknown as number[][]);
      tf.dispose([words, column]);
    }),
});

Deno.test({
  name: "a clone keeps its values when the original is disposed of",
  ignore,
  fn: () =>
    on("onnx", async () => {
      const backend = await initializeBackend();
      const ids = backend.numDataIds();
      const original = tf.tidy(() => tf.square(tf.tensor1d([1, 2])));
      const copy = original.clone();
      const variable = tf.variable(copy);
      tf.dispose([original, copy]);
      variable.assign(tf.tidy(() => tf.add(variable, 1)));
      assertEquals(await variable.array(), [2, 5]);
      const { numTensors } = tf.memory();
      variable.dispose();
      assertEquals(tf.memory().numTensors, numTensors - 1);
      assertEquals(backend.numDataIds(), ids + 1); // the sum, which the variable shares
    }),
});

Deno.test({
  name: "the pending operations of a loop that reads no values are run from time to time",
  ignore,
  fn: async () => {
    const { recorder } = await initializeBackend();
    const { runs } = await counted(async () => {
      let x: tf.Tensor = tf.scalar(0);
      for (let i = 0; i < 5000; i++) {
        const next = tf.tidy(() => tf.add(x, 1));
        x.dispose();
        x = next;
      }
      assert(recorder.statistics.pending < 4096);
      assertEquals(await x.data(), Float32Array.of(5000));
      x.dispose();
    });
    assertEquals(runs, 2);
  },
});

Deno.test({
  name: "compile() uses tensors of its own backend as constants",
  ignore,
  fn: () =>
    on("onnx", async () => {
      const { compile } = await openDevice("onnx", { threads: 1 });
      const weight = tf.tidy(() => tf.square(tf.tensor1d([1, 2]))); // pending when the trace begins
      const pending = tf.add(weight, 1);
      const run = compile<{ x: HostArray }, HostArray>(({ x }) => tf.mul(x, weight));
      assertEquals(await run({ x: float32([10, 10]) }), float32([10, 40]));
      const after = tf.add(pending, weight);
      assertEquals(await run({ x: float32([1, 1]) }), float32([1, 4]));
      assertEquals(await after.data(), Float32Array.of(3, 9));
      await run.dispose();
      tf.dispose([weight, pending, after]);
    }),
});

Deno.test({
  name: "compile() throws when a function calls data(), and tensors that leave it are unusable",
  ignore,
  fn: () =>
    on("onnx", async () => {
      const { compile } = await openDevice("onnx", { threads: 1 });
      const reads = compile<{ x: HostArray }, HostArray>(({ x }) => {
        tf.neg(x).data().then((values) => values[0]);
        return x;
      });
      await assertRejects(() => reads({ x: float32([1]) }), UserError, "must not read values");
      let escaped: tf.Tensor | undefined;
      const leaks = compile<{ x: HostArray }, HostArray>(({ x }) => {
        escaped = tf.keep(tf.neg(x));
        return x;
      });
      await leaks({ x: float32([1]) });
      assertThrows(() => tf.neg(escaped!), UserError, "A tensor of traced code was used after");
      escaped!.dispose();
      await leaks.dispose();
    }),
});

Deno.test({
  name: "registerOnnxBackend() throws for invalid numbers of threads",
  ignore,
  fn: async () => {
    for (const threads of [0, -1, 1.5, NaN]) {
      await assertRejects(
        () => registerOnnxBackend({ threads }),
        UserError,
        `threads is ${threads};`,
      );
    }
  },
});

Deno.test({
  name:
    "the host computes with complex numbers: a Fourier transform and its inverse, and arithmetic",
  ignore,
  fn: async () => {
    const backend = await initializeBackend();
    const ids = backend.numDataIds();
    await on("onnx", async () => {
      const { numTensors } = tf.memory();
      const x = tf.tensor1d([1, 2, 3, 4]);
      const spectrum = tf.tidy(() => tf.fft(tf.complex(x, tf.zerosLike(x))));
      assertAllClose(await spectrum.data(), [10, 0, -2, 2, -2, 0, -2, -2], { atol: 1e-5, rtol: 0 });
      const back = tf.tidy(() => tf.real(tf.ifft(tf.mul(spectrum, tf.complex([2], [0])))));
      assertAllClose(await back.data(), [2, 4, 6, 8], { atol: 1e-5, rtol: 0 });
      const lengths = tf.tidy(() => tf.abs(tf.complex([3, 0], [4, -2])));
      assertEquals(await lengths.data(), Float32Array.of(5, 2));
      tf.dispose([x, spectrum, back, lengths]);
      assertEquals(tf.memory().numTensors, numTensors);
    });
    assertEquals(backend.numDataIds(), ids);
  },
});
