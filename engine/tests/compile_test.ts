import { assert, assertEquals, assertRejects } from "@std/assert";
import { DEVICE_NAMES, openDevice } from "../device.ts";
import { UserError } from "@nanodiffusion/base/errors";
import * as tf from "../tf.ts";
import { float32, type HostArray, int32, scalar } from "../tree.ts";
import { deviceWorks } from "../../tests/devices.ts";

type Named = Record<string, HostArray>;

/** A convolution and a softmax with their gradient: enough work for several threads. */
function gradient({ x, filter }: Record<string, tf.Tensor>): { loss: tf.Tensor; of: tf.Tensor } {
  const loss = (filter: tf.Tensor) => {
    const y = tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, "same");
    return tf.mean(tf.square(tf.softmax(y))) as tf.Scalar;
  };
  const { value, grad } = tf.valueAndGrad(loss)(filter!);
  return { loss: value, of: grad };
}

const waves = (length: number, frequency: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin(frequency * i));

for (const name of DEVICE_NAMES) {
  const ignore = !deviceWorks(name);
  const open = () => openDevice(name, { threads: 2 });

  Deno.test({
    name: `compile() returns the function's trees on ${name}`,
    ignore,
    fn: async () => {
      type Inputs = { values: HostArray[]; factor: HostArray; none: HostArray[] };
      type Outputs = { sums: { name: HostArray }[]; same: HostArray; twice: HostArray[]; none: [] };
      const { compile } = await open();
      const run = compile<Inputs, Outputs>(({ values, factor }) => ({
        sums: values.map((value) => ({ name: tf.sum(tf.mul(value, factor)) })),
        same: values[0]!,
        twice: [values[0]!, values[0]!],
        none: [],
      }));
      const first = float32([1, 2, 3, 4], [2, 2]);
      const result = await run({ values: [first, float32([5])], factor: scalar(2), none: [] });
      await run.dispose();
      assertEquals(result, {
        sums: [{ name: scalar(20) }, { name: scalar(10) }],
        same: first,
        twice: [first, first],
        none: [],
      });
    },
  });

  Deno.test({
    name: `compile() preserves every element type and size on ${name}`,
    ignore,
    fn: async () => {
      const inputs: Named = {
        float32: float32([1.5, -0, NaN, Infinity, -Infinity, 1e-40]),
        int32: int32([2 ** 31 - 1, -(2 ** 31), 0]),
        bool: { dtype: "bool", shape: [1, 2], data: Uint8Array.of(1, 0) },
        scalar: scalar(-7),
        "no numbers": float32([], [0, 3]),
        "no integers": int32([], [2, 0]),
      };
      const { compile } = await open();
      const run = compile<Named, Named>((tensors) => tensors);
      assertEquals(await run(inputs), inputs);
      await run.dispose();
    },
  });

  Deno.test({
    name: `compile() supports changing shapes, types and structures on ${name}`,
    ignore,
    fn: async () => {
      const { compile } = await open();
      const run = compile<{ x: HostArray; more?: HostArray[] }, HostArray>((inputs) => {
        const total = tf.sum(tf.cast(inputs.x, "float32"));
        return "more" in inputs ? tf.neg(total) : tf.div(total, inputs.x.size);
      });
      const mean = async (...[x, more]: [HostArray, HostArray[]?]) =>
        (await run(more === undefined ? { x } : { x, more })).data[0];
      assertEquals(await mean(float32([1, 3])), 2);
      assertEquals(await mean(float32([1, 2, 3, 6])), 3);
      assertEquals(await mean(float32([1, 2, 3, 6], [2, 2])), 3);
      assertEquals(await mean(int32([4, 6])), 5);
      assertEquals(await mean(float32([1, 3]), []), -4);
      assertEquals(await mean(float32([2, 4])), 3);
      await run.dispose();
      assertEquals(await mean(float32([5, 7])), 6);
      await run.dispose();
    },
  });

  Deno.test({
    name: `compile() returns results that stay valid after the next call on ${name}`,
    ignore,
    fn: async () => {
      const { compile } = await open();
      const table = Float32Array.of(1, 2, 3);
      const run = compile<Named, Named>(({ x }) => ({
        x: x!,
        constant: tf.tensor1d(table),
        product: tf.mul(x!, tf.tensor1d(table)),
      }));
      const x = float32([1, 1, 1]);
      const first = await run({ x });
      x.data.fill(9);
      const second = await run({ x: float32([2, 2, 2]) });
      second["x"]!.data.fill(7);
      second["constant"]!.data.fill(7);
      const third = await run({ x: float32([3, 3, 3]) });
      await run.dispose();
      const expected = (k: number) => ({
        x: float32([k, k, k]),
        constant: float32([1, 2, 3]),
        product: float32([k, 2 * k, 3 * k]),
      });
      assertEquals(first, expected(1));
      assertEquals(second["product"], expected(2).product);
      assertEquals(third, expected(3));
      assertEquals([...table], [1, 2, 3]);
    },
  });

  Deno.test({
    name: `compile() supports overlapping calls on ${name}`,
    ignore,
    fn: async () => {
      const { compile } = await open();
      const run = compile<Named, HostArray>(({ x }) => tf.square(x!));
      const results = await Promise.all([2, 3, 4].map((x) => run({ x: scalar(x) })));
      assertEquals(results.map(({ data }) => data[0]), [4, 9, 16]);
      await run.dispose();
    },
  });

  Deno.test({
    name: `compile() throws when an input's data does not fit its shape or type on ${name}`,
    ignore,
    fn: async () => {
      const { compile } = await open();
      const run = compile<Named, Named>((inputs) => inputs);
      const refused = (inputs: unknown, message: string) =>
        assertRejects(() => run(inputs as Named), UserError, message);
      const short = { dtype: "float32", shape: [2, 2], data: new Float32Array(3) };
      await refused(
        { a: { b: short } },
        'The input "a.b" has 3 numbers, but its shape [2,2] needs 4.',
      );
      const mistyped = { dtype: "int32", shape: [1], data: new Float32Array(1) };
      await refused(
        { x: mistyped },
        'The input "x" has the type int32, but its data is a Float32Array.',
      );
      const exotic = { dtype: "int64", shape: [1], data: new BigInt64Array(1) };
      await refused(
        { x: exotic },
        'The input "x" has the type int64, which devices do not support: use float32,',
      );
      await refused({ x: 3 }, 'Expected a tensor at "x", found number.');
      await refused({ x: undefined }, 'Expected a tensor at "x", found undefined.');
      await refused({ x: [null] }, 'Expected a tensor at "x.0", found null.');
      await refused({ x: new Float32Array(2) }, 'Expected a tensor at "x", found a Float32Array.');
    },
  });

  Deno.test({
    name: `compile() throws when a result is not a tensor on ${name}`,
    ignore,
    fn: async () => {
      const { compile } = await open();
      const refused = async (result: unknown, message: string) => {
        const run = compile<Named, Named>(() => result as Record<string, tf.Tensor>);
        await assertRejects(() => run({ x: scalar(1) }), UserError, message);
      };
      await refused({ y: 3 }, 'Expected a tensor at "y", found number.');
      await refused({ y: undefined }, 'Expected a tensor at "y", found undefined.');
      await refused(Promise.resolve({}), "found a Promise");
    },
  });

  Deno.test({
    name: `compile() leaks no tensors when it succeeds and when it throws on ${name}`,
    ignore,
    fn: async () => {
      const { compile } = await open();
      const inputs = {
        x: float32(waves(32, 0.3), [1, 4, 4, 2]),
        filter: float32([1, 2, 3, 4, 5, 6, 7, 8], [1, 1, 2, 4]),
      };
      const run = compile<Named, Named>(gradient);
      const fail = compile<Named, HostArray>(({ x }) => {
        tf.square(x!);
        throw new RangeError("no");
      });
      const refuse = compile<Named, Named>(({ x }) => ({ x: x!, text: tf.tensor1d(["a"]) }));
      await run(inputs);
      const { numTensors } = tf.memory();
      for (let i = 0; i < 3; i++) await run(inputs);
      await assertRejects(() => fail(inputs), RangeError, "no");
      await assertRejects(() => refuse(inputs), UserError, "string");
      assertEquals(tf.memory().numTensors, numTensors);
      await run.dispose();
    },
  });

  Deno.test({
    name: `compile() returns the same bits in every call on ${name}`,
    ignore,
    fn: async () => {
      const inputs = {
        x: float32(waves(16 * 6 * 6 * 16, 0.37), [16, 6, 6, 16]),
        filter: float32(waves(9 * 16 * 16, 0.73), [3, 3, 16, 16]),
      };
      const results: Named[] = [];
      for (let i = 0; i < 2; i++) {
        const { compile } = await open();
        const run = compile<Named, Named>(gradient);
        results.push(await run(inputs), await run(inputs));
        await run.dispose();
      }
      for (const result of results.slice(1)) assertEquals(result, results[0]);
    },
  });
}

Deno.test({
  name: "compile() returns the same results on all devices that work here",
  ignore: DEVICE_NAMES.filter(deviceWorks).length < 2,
  fn: async () => {
    const inputs = {
      x: float32(waves(2 * 5 * 5 * 3, 0.37), [2, 5, 5, 3]),
      filter: float32(waves(9 * 3 * 4, 0.73), [3, 3, 3, 4]),
    };
    const results: Named[] = [];
    for (const name of DEVICE_NAMES.filter(deviceWorks)) {
      const { compile } = await openDevice(name, { threads: 1 });
      const run = compile<Named, Named>(gradient);
      results.push(await run(inputs));
      await run.dispose();
    }
    const [first, ...others] = results.map(({ loss, of }) => [...loss!.data, ...of!.data]);
    for (const other of others) {
      assert(other.every((value, i) => Math.abs(value - first![i]!) < 1e-6));
    }
  },
});

Deno.test("compile() lets timers run in a loop of calls", async () => {
  const { compile } = await openDevice("cpu");
  const run = compile<Named, HostArray>(({ x }) => tf.square(x!));
  let fired = false;
  const timer = setTimeout(() => fired = true, 1);
  for (const end = performance.now() + 10_000; !fired && performance.now() < end;) {
    await run({ x: scalar(1) });
  }
  clearTimeout(timer);
  assert(fired);
  await run.dispose();
});
