import { assert, assertEquals } from "@std/assert";
import { openDevice } from "../device.ts";
import { overlap, updatesInPlace } from "../memory.ts";
import * as tf from "../tf.ts";
import { float32, type HostArray } from "../tree.ts";
import { deviceWorks } from "../../tests/devices.ts";

type Trees = Record<"a" | "b" | "out", HostArray>;
type Result = Record<"out", HostArray>;

Deno.test("overlap() is true for arrays that share bytes, and false for arrays that only share a buffer", () => {
  const memory = new Float32Array(8);
  const part = (from: number, to: number) => float32(memory.subarray(from, to));
  assert(overlap(part(0, 4), part(3, 5)) && overlap(part(3, 5), part(0, 4)));
  assert(overlap(part(0, 8), part(2, 3)));
  assert(!overlap(part(0, 4), part(4, 8)) && !overlap(part(4, 8), part(0, 4)));
  assert(!overlap(float32([1]), float32([1])));
});

const ignore = !deviceWorks("onnx");

/** Runs `fn` with results at "out" in place. Returns the result, and whether it is in place. */
async function inPlace(
  fn: (inputs: Record<keyof Trees, tf.Tensor>) => { out: tf.Tensor },
  inputs: Trees,
): Promise<{ values: number[]; there: boolean }> {
  const { compile } = await openDevice("onnx", { threads: 1 });
  const run = compile<Trees, Result>(updatesInPlace(fn, ["out"]));
  const { out } = await run(inputs);
  await run.dispose();
  return { values: [...out.data], there: out.data === inputs.out.data };
}

/** A product that needs more than one pass over the input that would be overwritten. */
const product = ({ a, b }: Record<string, tf.Tensor>) => ({
  out: tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D),
});

Deno.test({
  name: "updatesInPlace() writes a result over an input that the function does not read",
  ignore,
  fn: async () => {
    const memory = new Float32Array(12);
    const matrix = (at: number, numbers: number[]) => {
      memory.set(numbers, at);
      return float32(memory.subarray(at, at + 4), [2, 2]);
    };
    const inputs = {
      a: matrix(0, [1, 2, 3, 4]),
      b: matrix(4, [0, 1, 1, 0]),
      out: matrix(8, [9, 9, 9, 9]),
    };
    const { values, there } = await inPlace(product, inputs);
    assertEquals({ values, there }, { values: [2, 1, 4, 3], there: true });
    assertEquals([...memory], [1, 2, 3, 4, 0, 1, 1, 0, 2, 1, 4, 3]);
  },
});

Deno.test({
  name:
    "updatesInPlace() leaves the array of an empty result unchanged, and preserves results between calls",
  ignore,
  fn: async () => {
    const { compile } = await openDevice("onnx", { threads: 1 });
    const run = compile<Trees, Result>(
      updatesInPlace(({ a }: Record<keyof Trees, tf.Tensor>) => ({ out: tf.neg(a) }), ["out"]),
    );
    const empty = () => float32([], [0, 2]);
    const nothing = await run({ a: empty(), b: empty(), out: empty() });
    assertEquals(nothing.out, empty());
    const out = float32([0, 0]);
    for (const numbers of [[1, 2], [3, 4]]) {
      const result = await run({ a: float32(numbers), b: empty(), out });
      assertEquals([...result.out.data], numbers.map((x) => -x));
      assertEquals(result.out.data, out.data);
    }
    await run.dispose();
  },
});

Deno.test({
  name: "updatesInPlace() does not overwrite an input that the function reads",
  ignore,
  fn: async () => {
    const inputs = {
      a: float32([1, 2, 3, 4], [2, 2]),
      b: float32([0, 1, 1, 0], [2, 2]),
      out: float32([1, 2, 3, 4], [2, 2]),
    };
    // Overwriting it row by row would destroy the second factor.
    const square = ({ out }: Record<string, tf.Tensor>) => ({
      out: tf.add(tf.matMul(out as tf.Tensor2D, out as tf.Tensor2D), tf.transpose(out!)),
    });
    const { values, there } = await inPlace(square, inputs);
    assertEquals({ values, there }, { values: [8, 13, 17, 26], there: false });
    assertEquals([...inputs.out.data], [1, 2, 3, 4]);
  },
});

Deno.test({
  name:
    "updatesInPlace() does not overwrite an input that overlaps another, or has another shape or type",
  ignore,
  fn: async () => {
    const memory = Float32Array.of(1, 2, 3, 4, 9, 9);
    const a = float32(memory.subarray(0, 4), [2, 2]);
    const b = float32([0, 1, 1, 0], [2, 2]);
    const others = [
      float32(memory.subarray(2, 6), [2, 2]),
      float32([9, 9, 9, 9]),
      { ...b, dtype: "int32" as const, data: new Int32Array(4) },
    ];
    for (const out of others) {
      const { values, there } = await inPlace(product, { a, b, out });
      assertEquals({ values, there }, { values: [2, 1, 4, 3], there: false });
    }
    assertEquals([...memory], [1, 2, 3, 4, 9, 9]);
  },
});
