import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { openDevice } from "../../../../device.ts";
import { elementwise } from "../../../../onnx/kernels/elementwise/elementwise.ts";
import type * as tf from "../../../../tf.ts";
import { float32, type HostArray } from "../../../../tree.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import {
  assertSameAsCpu,
  drawn,
  drawnBooleans,
  drawnIntegers,
  HAS_NON_FINITE,
  imageShapes,
  LAYOUTS,
  RUNS,
  seeds,
} from "../../against_cpu.ts";
import { pairsOf, SPECIAL } from "../../special.ts";
import { runKernel, throughConvolution } from "../../run_kernel.ts";

/** Kernels of one float32 tensor, and functions that map any number to their domains. */
const UNARY: Record<string, "any" | "positive" | "moderate"> = {
  Abs: "any",
  Ceil: "any",
  Erf: "any",
  Exp: "moderate",
  Expm1: "moderate",
  Floor: "any",
  IsFinite: "any",
  IsInf: "any",
  IsNan: "any",
  Log: "positive",
  Log1p: "positive",
  Neg: "any",
  Reciprocal: "positive",
  Round: "any",
  Rsqrt: "positive",
  Sigmoid: "any",
  Sign: "any",
  Softplus: "any",
  Sqrt: "positive",
  Square: "any",
};

const ARITHMETIC = ["Add", "Sub", "Multiply", "RealDiv"];
const COMPARISONS = ["Equal", "Greater", "GreaterEqual", "Less", "LessEqual", "NotEqual"];
const BINARY = [...ARITHMETIC, "Maximum", "Minimum", "SquaredDifference", ...COMPARISONS];
const LOGICAL = ["LogicalAnd", "LogicalOr"];
const OTHERS = ["AddN", "Cast", "ClipByValue", "Identity", "LogicalNot", "Pow", "Select"];

/** Shapes that broadcast to [N, H, W, C]. */
function smallerShapes([n, h, w, c]: readonly number[]): number[][] {
  return [
    [],
    [1],
    [1, 1, 1, 1],
    [c!],
    [1, 1, 1, c!],
    [n!, 1, 1, c!],
    [n!, 1, 1, 1],
    [h!, w!, c!],
    [w!, 1],
    [1, h!, 1, c!],
    [n!, h!, w!, 1],
  ];
}

Deno.test("the tests below cover every element-wise kernel", () => {
  const named = [...Object.keys(UNARY), ...BINARY, ...LOGICAL, ...OTHERS];
  assertEquals(named.toSorted(), Object.keys(elementwise).toSorted());
});

for (const layout of LAYOUTS) {
  const ignore = !deviceWorks("onnx");

  Deno.test({
    name: `unary kernels agree with the cpu device for ${layout} tensors`,
    ignore,
    fn: () =>
      fc.assert(
        fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
          const x = drawn(seed, shape);
          const inputs = {
            any: x,
            moderate: { ...x, data: x.data.map((v) => v / 2) },
            positive: { ...x, data: x.data.map((v) => Math.abs(v) + 0.25) },
          };
          await assertSameAsCpu(layout, (given) => {
            const results: Record<string, tf.Tensor> = {};
            for (const [name, domain] of Object.entries(UNARY)) {
              results[name] = runKernel(name, { x: given[domain]! });
              results[`${name} blocked`] = runKernel(name, {
                x: throughConvolution(given[domain]!),
              });
            }
            return results;
          }, inputs);
        }),
        RUNS,
      ),
  });

  Deno.test({
    name: `binary kernels agree with the cpu device for ${layout} tensors of equal shapes`,
    ignore,
    fn: () =>
      fc.assert(
        fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
          const inputs = { a: drawn(seed, shape), b: drawn(seed + 1, shape) };
          await assertSameAsCpu(layout, ({ a, b }) => {
            const [blockedA, blockedB] = [throughConvolution(a!), throughConvolution(b!)];
            const results: Record<string, tf.Tensor> = {};
            for (const name of BINARY) {
              results[name] = runKernel(name, { a: a!, b: b! });
              results[`${name} blocked`] = runKernel(name, { a: blockedA, b: blockedB });
              results[`${name} blocked, plain`] = runKernel(name, { a: blockedA, b: b! });
              results[`${name} plain, blocked`] = runKernel(name, { a: a!, b: blockedB });
            }
            return results;
          }, inputs);
        }),
        RUNS,
      ),
  });

  Deno.test({
    name: `binary kernels agree with the cpu device when operands broadcast to ${layout} tensors`,
    ignore,
    fn: () =>
      fc.assert(
        fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
          const vectors = smallerShapes(shape).map((smaller, i) =>
            [`[${smaller}]`, drawn(seed + i, smaller)] as const
          );
          const inputs = { x: drawn(seed, shape), ...Object.fromEntries(vectors) };
          await assertSameAsCpu(layout, ({ x, ...others }) => {
            const blocked = throughConvolution(x!);
            const results: Record<string, tf.Tensor> = {};
            for (const [key, v] of Object.entries(others)) {
              for (const name of BINARY) {
                results[`${name} image, ${key}`] = runKernel(name, { a: blocked, b: v });
                results[`${name} ${key}, image`] = runKernel(name, { a: v, b: blocked });
              }
              results[`Add plain, ${key}`] = runKernel("Add", { a: x!, b: v });
            }
            return results;
          }, inputs);
        }),
        RUNS,
      ),
  });

  Deno.test({
    name: `kernels of three or more tensors agree with the cpu device for ${layout} tensors`,
    ignore,
    fn: () =>
      fc.assert(
        fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
          const inputs = {
            a: drawn(seed, shape),
            b: drawn(seed + 1, shape),
            u: drawnBooleans(seed, shape),
          };
          await assertSameAsCpu(layout, ({ a, b, u }) => {
            const x = throughConvolution(a!);
            return {
              sum: runKernel("AddN", [x, b!, x]),
              plainSum: runKernel("AddN", [a!, b!]),
              select: runKernel("Select", { condition: u!, t: x, e: b! }),
              clip: runKernel("ClipByValue", { x }, { clipValueMin: -1, clipValueMax: 0.5 }),
              identity: runKernel("Identity", { x }),
              pow: runKernel("Pow", { a: runKernel("Abs", { x }), b: b! }),
              powOfScalar: runKernel("Pow", {
                a: runKernel("Abs", { x: b! }),
                b: runKernel("Fill", {}, { shape: [], value: 2, dtype: "float32" }),
              }),
              integers: runKernel("Cast", { x }, { dtype: "int32" }),
              booleans: runKernel("Cast", { x }, { dtype: "bool" }),
              floats: runKernel("Cast", { x }, { dtype: "float32" }),
            };
          }, inputs);
        }),
        RUNS,
      ),
  });
}

Deno.test({
  name: "element-wise kernels agree with the cpu device for integers and booleans",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    fc.assert(
      fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
        const inputs = {
          i: drawnIntegers(seed, shape, -9, 10),
          j: drawnIntegers(seed + 1, shape.slice(2), -9, 10),
          u: drawnBooleans(seed, shape),
          v: drawnBooleans(seed + 1, shape.slice(2)),
        };
        await assertSameAsCpu("blocked", ({ i, j, u, v }) => {
          const results: Record<string, tf.Tensor> = {
            select: runKernel("Select", { condition: u!, t: i!, e: runKernel("Neg", { x: i! }) }),
            clip: runKernel("ClipByValue", { x: i! }, { clipValueMin: -3, clipValueMax: 4 }),
            sum: runKernel("AddN", [i!, i!, i!]),
            not: runKernel("LogicalNot", { x: u! }),
            sameAs: runKernel("Equal", { a: u!, b: v! }),
            otherThan: runKernel("NotEqual", { a: u!, b: v! }),
          };
          for (
            const name of ["Add", "Sub", "Multiply", "Maximum", "Minimum", "SquaredDifference"]
          ) {
            results[name] = runKernel(name, { a: i!, b: j! });
          }
          for (const name of COMPARISONS) results[name] = runKernel(name, { a: j!, b: i! });
          for (const name of LOGICAL) results[name] = runKernel(name, { a: u!, b: v! });
          for (const name of ["Abs", "Neg", "Sign", "Square", "Identity"]) {
            results[name] = runKernel(name, { x: i! });
          }
          for (const dtype of ["float32", "int32", "bool"]) {
            results[`integers to ${dtype}`] = runKernel("Cast", { x: i! }, { dtype });
            results[`booleans to ${dtype}`] = runKernel("Cast", { x: u! }, { dtype });
          }
          return results;
        }, inputs);
      }),
      RUNS,
    ),
});

Deno.test({
  name: "Select selects whole rows when its condition is a vector",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    // Not compared with the cpu device: tfjs 4.22 repeats single elements there.
    const { compile } = await openDevice("onnx", { threads: 1 });
    const select = compile<Record<string, HostArray>, HostArray>(({ condition, t, e }) =>
      runKernel("Select", { condition: condition!, t: t!, e: e! })
    );
    const { data } = await select({
      condition: { dtype: "bool", shape: [2], data: Uint8Array.of(1, 0) },
      t: float32([1, 2, 3, 4], [2, 2]),
      e: float32([5, 6, 7, 8], [2, 2]),
    });
    await select.dispose();
    assertEquals([...data], [1, 2, 7, 8]);
  },
});

Deno.test({
  name: "element-wise kernels agree with the cpu device for NaN, infinity and halves",
  ignore: !deviceWorks("onnx") || !HAS_NON_FINITE,
  fn: async () => {
    const [a, b] = pairsOf(SPECIAL);
    await assertSameAsCpu("blocked", ({ x, a, b }) => {
      const results: Record<string, tf.Tensor> = {
        clip: runKernel("ClipByValue", { x: x! }, { clipValueMin: -1, clipValueMax: 2 }),
        pow: runKernel("Pow", { a: a!, b: b! }),
      };
      for (const name of Object.keys(UNARY)) results[name] = runKernel(name, { x: x! });
      for (const name of BINARY) results[name] = runKernel(name, { a: a!, b: b! });
      for (const dtype of ["int32", "bool"]) {
        results[`to ${dtype}`] = runKernel("Cast", { x: x! }, { dtype });
      }
      return results;
    }, { x: float32(SPECIAL), a: float32(a), b: float32(b) });
  },
});

Deno.test({
  name: "element-wise kernels of integers and booleans round as on the cpu device",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    const first = HAS_NON_FINITE ? 0 : 1; // the logarithm of 0 is not finite
    const inputs = {
      i: { dtype: "int32", shape: [6], data: Int32Array.of(first, 1, 2, 3, 2, 1) },
      u: { dtype: "bool", shape: [4], data: Uint8Array.of(0, 0, 1, 1) },
      v: { dtype: "bool", shape: [4], data: Uint8Array.of(0, 1, 0, 1) },
    } as const;
    await assertSameAsCpu("blocked", ({ i, u, v }) => {
      const results: Record<string, tf.Tensor> = {};
      for (const name of Object.keys(UNARY)) results[name] = runKernel(name, { x: i! });
      for (const name of [...COMPARISONS, "Multiply", "Maximum", "Minimum"]) {
        results[name] = runKernel(name, { a: u!, b: v! });
      }
      results["select"] = runKernel("Select", { condition: u!, t: v!, e: u! });
      return results;
    }, inputs);
  },
});
