import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { divisions } from "../../../../onnx/kernels/elementwise/division.ts";
import { float32, int32 } from "../../../../tree.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import {
  assertSameAsCpu,
  drawn,
  drawnIntegers,
  HAS_NON_FINITE,
  imageShapes,
  RUNS,
  seeds,
} from "../../against_cpu.ts";
import { runKernel } from "../../run_kernel.ts";
import { pairsOf, SPECIAL } from "../../special.ts";

const DIVISIONS = ["FloorDiv", "Mod"];

Deno.test("the tests below cover every division", () => {
  assertEquals(DIVISIONS, Object.keys(divisions).toSorted());
});

Deno.test({
  name: "divisions agree with the cpu device when operands broadcast",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    fc.assert(
      fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
        const inputs = {
          a: drawn(seed, shape),
          b: drawn(seed + 1, shape.slice(2)),
          i: drawnIntegers(seed, shape, -50, 50),
          j: drawnIntegers(seed + 1, shape.slice(1), -7, 8),
        };
        await assertSameAsCpu("blocked", ({ a, b, i, j }) =>
          Object.fromEntries(DIVISIONS.flatMap((name) => [
            [name, runKernel(name, { a: a!, b: b! })],
            [`${name} of integers`, runKernel(name, { a: i!, b: j! })],
          ])), inputs);
      }),
      RUNS,
    ),
});

Deno.test({
  name: "divisions agree with the cpu device for zero, NaN, infinity and the extremes of int32",
  ignore: !deviceWorks("onnx") || !HAS_NON_FINITE,
  fn: async () => {
    // Quotients of more than 63 bits become 0 here, and their lowest 32 bits on the cpu device.
    const [a, b] = pairsOf(SPECIAL.filter((value) => Math.abs(value) !== 1e30));
    const [i, j] = pairsOf([0, 1, -1, 5, -7, 100, -(2 ** 31), 2 ** 31 - 1]);
    const inputs = { a: float32(a), b: float32(b), i: int32(i), j: int32(j) };
    await assertSameAsCpu(
      "blocked",
      ({ a, b, i, j }) =>
        Object.fromEntries(DIVISIONS.flatMap((name) => [
          [name, runKernel(name, { a: a!, b: b! })],
          [`${name} of integers`, runKernel(name, { a: i!, b: j! })],
        ])),
      inputs,
    );
  },
});
