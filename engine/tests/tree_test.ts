import { assert, assertEquals, assertThrows } from "@std/assert";
import { UserError } from "@nanodiffusion/base/errors";
import * as tf from "../tf.ts";
import {
  checkHostArray,
  float32,
  type HostArray,
  int32,
  isHostArray,
  isTensor,
  leavesOf,
  mapTree,
  resultType,
  scalar,
  sizeOf,
} from "../tree.ts";

Deno.test("sizeOf() multiplies dimensions", () => {
  assertEquals([sizeOf([]), sizeOf([3]), sizeOf([2, 3, 4]), sizeOf([2, 0, 4])], [1, 3, 24, 0]);
});

Deno.test("float32(), int32() and scalar() wrap typed arrays and convert lists", () => {
  const data = Float32Array.of(1, 2);
  assert(float32(data).data === data);
  assertEquals(float32([0.5, 1], [2, 1]), {
    dtype: "float32",
    shape: [2, 1],
    data: Float32Array.of(0.5, 1),
  });
  assertEquals(int32([1, -2]), { dtype: "int32", shape: [2], data: Int32Array.of(1, -2) });
  assertEquals(scalar(3), { dtype: "float32", shape: [], data: Float32Array.of(3) });
});

Deno.test("isHostArray() and isTensor() distinguish leaves from branches", () => {
  const tensor = tf.scalar(1);
  assert(isHostArray(scalar(1)) && !isHostArray([scalar(1)]) && !isHostArray({ data: scalar(1) }));
  assert(isTensor(tensor) && !isTensor([tensor]) && !isTensor({ tensor }));
  tensor.dispose();
});

const TREE = { a: [scalar(1), { deep: scalar(2) }], b: {}, c: [], "d.e": scalar(3) };

Deno.test("leavesOf() returns leaves in order with their paths", () => {
  const leaves = leavesOf(TREE, isHostArray).map(({ leaf, path }) => [path, leaf.data[0]]);
  assertEquals(leaves, [["a.0", 1], ["a.1.deep", 2], ["d.e", 3]]);
  assertEquals(leavesOf(scalar(5), isHostArray).map(({ path }) => path), [""]);
});

Deno.test("mapTree() replaces leaves and keeps empty branches", () => {
  const mapped = mapTree<HostArray, HostArray>(
    TREE,
    isHostArray,
    ({ data }) => scalar(-data[0]!),
  );
  assertEquals(mapped, {
    a: [scalar(-1), { deep: scalar(-2) }],
    b: {},
    c: [],
    "d.e": scalar(-3),
  });
});

Deno.test("mapTree() throws an error with the path of a value that is not a tensor", () => {
  const refused = (tree: unknown, message: string) =>
    assertThrows(() => leavesOf(tree as HostArray, isHostArray), UserError, message);
  refused(null, 'Expected a tensor at "", found null.');
  refused({ a: [scalar(1), "x"] }, 'Expected a tensor at "a.1", found string.');
  refused({ a: { b: undefined } }, 'Expected a tensor at "a.b", found undefined.');
  refused({ a: new Map() }, 'Expected a tensor at "a", found a Map.');
  refused({ a: Float32Array.of(1) }, 'Expected a tensor at "a", found a Float32Array.');
  const bare: Record<string, HostArray> = Object.create(null);
  bare["x"] = scalar(1);
  assertEquals(leavesOf(bare, isHostArray).length, 1);
});

Deno.test("checkHostArray() throws an error with the input's path when the data does not fit", () => {
  checkHostArray(float32([1, 2], [2, 1]), "x");
  checkHostArray({ dtype: "bool", shape: [], data: Uint8Array.of(1) }, "x");
  const refused = (array: HostArray, message: string) =>
    assertThrows(() => checkHostArray(array, "x"), UserError, message);
  refused(float32([1, 2], [3]), 'The input "x" has 2 numbers, but its shape [3] needs 3.');
  refused(
    { dtype: "float32", shape: [1], data: Int32Array.of(1) },
    'The input "x" has the type float32, but its data is a Int32Array.',
  );
  refused(
    { dtype: "float16" as "float32", shape: [1], data: Float32Array.of(1) },
    'The input "x" has the type float16, which devices do not support: use float32, int32, bool.',
  );
});

Deno.test("resultType() throws when the host has no array for the type", () => {
  const [number, text] = [tf.scalar(1, "int32"), tf.scalar("a")];
  assertEquals(resultType(number, "y"), "int32");
  assertThrows(() => resultType(text, "y"), UserError, 'The result "y" has the type string');
  tf.dispose([number, text]);
});
