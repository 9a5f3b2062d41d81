import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { DEVICE_NAMES, openDevice } from "../../engine/device.ts";
import { UserError } from "../../base/errors.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import { conv2dSpecs, embeddingSpecs, linearSpecs, normSpecs } from "../../nn/layers.ts";
import {
  checkParameters,
  constants,
  countParameters,
  initParameters,
  parameter,
  type ParameterSpecs,
  ravel,
  unravel,
  unravelTensor,
} from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { deviceWorks } from "../devices.ts";

const SPECS: ParameterSpecs = {
  ...linearSpecs("first", 3, 2),
  ...normSpecs("norm", 2),
  ...embeddingSpecs("table", 2, 2),
};

const init = (specs: ParameterSpecs, seed = 1) => initParameters(specs, randomStream(seed));

Deno.test("initParameters() fills every shape and depends on the seed", () => {
  const parameters = init(SPECS);
  assertEquals(Object.keys(parameters), Object.keys(SPECS));
  checkParameters(parameters, SPECS, "here");
  assertEquals(init(SPECS), parameters);
  assertEquals([...parameters["norm.weight"]!.data], [1, 1]);
  assertEquals([...parameters["norm.bias"]!.data], [0, 0]);
  const other = init(SPECS, 2);
  for (const name of ["first.weight", "first.bias", "table.weight"]) {
    assert(other[name]!.data.every((value, i) => value !== parameters[name]!.data[i]), name);
  }
});

Deno.test("initParameters() samples from PyTorch's distributions", () => {
  const parameters = init({
    ...conv2dSpecs("conv", 16, 64, 3),
    ...embeddingSpecs("table", 100, 100),
    ...linearSpecs("zero", 4, 4, { zero: true }),
  });
  const data = Array.from(parameters["conv.weight"]!.data);
  const bound = 1 / 12; // of 16 * 9 inputs
  const variance = data.reduce((sum, value) => sum + value ** 2, 0) / data.length;
  assertAlmostEquals(variance, bound ** 2 / 3, 0.03 * bound ** 2);
  const extremes = [Math.min(...data), Math.max(...data)];
  assertAlmostEquals(extremes[0]!, -bound, 1e-3);
  assertAlmostEquals(extremes[1]!, bound, 1e-3);
  assert(data.every((value) => Math.abs(value) <= bound));
  const table = Array.from(parameters["table.weight"]!.data);
  assertAlmostEquals(table.reduce((a, b) => a + b) / table.length, 0, 0.05);
  assertAlmostEquals(table.reduce((a, b) => a + b * b, 0) / table.length, 1, 0.07);
  assert(parameters["zero.weight"]!.data.every((value) => value === 0));
});

Deno.test("initParameters() keeps other layers' values when a layer is added or moved", () => {
  const before = init(SPECS);
  const after = init({ ...linearSpecs("new", 5, 5), ...normSpecs("norm", 2), ...SPECS });
  for (const name of Object.keys(SPECS)) assertEquals(after[name], before[name], name);
});

Deno.test("initParameters() gives different values to layers of the same shape", () => {
  const parameters = init({ ...linearSpecs("a", 4, 4), ...linearSpecs("b", 4, 4) });
  const [a, b] = [parameters["a.weight"]!.data, parameters["b.weight"]!.data];
  assert(a.every((value, i) => value !== b[i]));
});

Deno.test("countParameters() counts elements", () => {
  assertEquals(countParameters(SPECS), 6 + 2 + 2 + 2 + 4);
  assertEquals(countParameters({}), 0);
  assertEquals(countParameters({ s: { shape: [], initializer: { constant: 1 } } }), 1);
});

Deno.test("parameter() names the parameter when it is missing", () => {
  const weight = tf.scalar(1);
  assert(parameter({ "a.weight": weight }, "a.weight") === weight);
  assertThrows(
    () => parameter({ "a.weight": weight }, "a.bias"),
    UserError,
    'The model has no parameter "a.bias".',
  );
  weight.dispose();
});

Deno.test("checkParameters() names the file and the tensor when they do not match", () => {
  const parameters = init(SPECS);
  checkParameters(parameters, SPECS, "model.safetensors");
  const refused = (found: Record<string, HostArray>, message: string) => {
    const error = assertThrows(() => checkParameters(found, SPECS, "model.safetensors"), UserError);
    assertEquals(error.message, `model.safetensors${message}`);
  };
  const { "norm.bias": _, ...missing } = parameters;
  refused(missing, ' is of another model: the tensor "norm.bias" is missing');
  refused(
    { ...parameters, "first.weight": float32(new Float32Array(6), [3, 2]) },
    ' is of another model: the tensor "first.weight" has the shape [3, 2], expected [2, 3]',
  );
  refused(
    { ...parameters, "norm.bias": float32([1, NaN]) },
    ': element 1 of the tensor "norm.bias" is NaN: the file is damaged, or its training had failed. Use ' +
      "another checkpoint",
  );
  for (const name of ["constructor", "second.weight"]) {
    refused(
      { ...parameters, [name]: float32([1]) },
      ` is of another model: it has a tensor "${name}", which this model does not have`,
    );
  }
});

Deno.test("unravel() inverts ravel(), in the order of the specs", () => {
  const parameters = init(SPECS);
  const shuffled = Object.fromEntries(Object.entries(parameters).reverse());
  const flat = ravel(shuffled, SPECS);
  assertEquals(flat.shape, [countParameters(SPECS)]);
  assertEquals([...flat.data.subarray(0, 6)], [...parameters["first.weight"]!.data]);
  assertEquals([...flat.data.subarray(8, 12)], [1, 1, 0, 0]);
  const back = unravel(flat, SPECS);
  assertEquals(back, parameters);
  flat.data[8] = 7;
  assertEquals(back["norm.weight"]!.data[0], 7);
});

for (const device of DEVICE_NAMES) {
  Deno.test({
    name: `unravelTensor() and its gradient agree with unravel() on ${device}`,
    ignore: !deviceWorks(device),
    fn: async () => {
      const parameters = init(SPECS);
      type Inputs = { flat: HostArray; factors: HostArray };
      type Outputs = { parts: Record<string, HostArray>; gradient: HostArray; fixed: HostArray };
      const { compile } = await openDevice(device, { threads: 1 });
      const run = compile<Inputs, Outputs>(({ flat, factors }) => ({
        parts: { ...unravelTensor(flat, SPECS) },
        // Every parameter is multiplied by its own factors, so the gradient is the factors in order.
        gradient: tf.grad((flat) => {
          const parts = unravelTensor(flat, SPECS);
          const scales = unravelTensor(factors, SPECS);
          return tf.addN(
            Object.keys(SPECS).map((name) => tf.sum(tf.mul(parts[name]!, scales[name]!))),
          );
        })(flat),
        fixed: tf.neg(constants(parameters)["first.weight"]!),
      }));
      const factors = float32(Float32Array.from({ length: 16 }, (_, i) => i - 5));
      const { parts, gradient, fixed } = await run({ flat: ravel(parameters, SPECS), factors });
      await run.dispose();
      assertEquals(parts, parameters);
      assertEquals(gradient, factors);
      const { shape, data } = parameters["first.weight"]!;
      assertEquals(fixed, float32(Float32Array.from(data, (value) => -value), shape));
    },
  });
}

Deno.test("unravelTensor() has a gradient when there is only one parameter", async () => {
  await tf.setBackend("cpu");
  const specs = { only: { shape: [2, 1], initializer: { constant: 0 } } };
  tf.tidy(() => {
    const loss = (flat: tf.Tensor) => tf.sum(tf.square(unravelTensor(flat, specs)["only"]!));
    assertEquals([...tf.grad(loss)(tf.tensor1d([1, -2])).dataSync()], [2, -4]); // 2x
  });
});
