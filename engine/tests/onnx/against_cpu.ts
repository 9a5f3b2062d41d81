/** Compares functions on the onnx device, or on onnx-webgpu if that is tested, with tfjs's cpu backend. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { type DeviceName, openDevice } from "../../device.ts";
import { initializeBackend } from "../../onnx/compile.ts";
import type * as tf from "../../tf.ts";
import { type DType, float32, type HostArray, int32, sizeOf } from "../../tree.ts";
import { randomStream } from "../../../nn/random.ts";
import { assertAllClose } from "../../../tests/assert_close.ts";
import { deviceWorks } from "../../../tests/devices.ts";

/** The device that is compared with cpu. */
const TESTED = deviceWorks("onnx-webgpu") ? "onnx-webgpu" : "onnx";

/** Whether NaN and infinity are to be tested: WebGPU's language leaves them undefined. */
export const HAS_NON_FINITE: boolean = TESTED === "onnx";

/** The layouts of tests: blocked as on this processor, and plain only, as always on GPUs. */
export const LAYOUTS: readonly ("blocked" | "plain")[] = TESTED === "onnx"
  ? ["blocked", "plain"]
  : ["plain"];

/** A layout's name. */
export type Layout = typeof LAYOUTS[number];

/** The options of property-based tests: the same cases each time, few enough to take seconds. */
export const RUNS = { seed: 20_250_701, numRuns: 5, endOnFailure: true } as const;

/** A function from named tensors to named tensors. */
export type NamedFunction = (
  inputs: Record<string, tf.Tensor>,
) => Record<string, tf.Tensor>;

/** Runs a function with the onnx backend's block size set for a layout. */
export async function inLayout<Result>(layout: Layout, fn: () => Promise<Result>): Promise<Result> {
  const backend = await initializeBackend();
  const probed = backend.blockSize;
  if (layout === "plain") backend.blockSize = 0;
  try {
    return await fn();
  } finally {
    backend.blockSize = probed;
  }
}

/**
 * Asserts that a function has equal results on the onnx device and on the cpu device: names, element
 * types, shapes and values; int32 and bool to the last bit.
 */
export async function assertSameAsCpu(
  layout: Layout,
  fn: NamedFunction,
  inputs: Record<string, HostArray>,
  { atol = 1e-5, rtol = 1e-4 }: { atol?: number; rtol?: number } = {},
): Promise<void> {
  const run = async (name: DeviceName) => {
    const device = await openDevice(name, { threads: 1 });
    const compiled = device.compile<typeof inputs, Record<string, HostArray>>(fn);
    const results = await compiled(inputs);
    await compiled.dispose();
    return results;
  };
  const expected = await run("cpu");
  const actual = await inLayout(layout, () => run(TESTED));
  assertEquals(Object.keys(actual), Object.keys(expected));
  for (const [name, { dtype, shape, data }] of Object.entries(expected)) {
    const found = actual[name]!;
    assertEquals([found.dtype, ...found.shape], [dtype, ...shape], `${name}: type and shape`);
    assertEquals(found.data.constructor, data.constructor, `${name}: class of the data`);
    const exact = dtype !== "float32";
    const defined = (value: number, i: number) =>
      HAS_NON_FINITE || Number.isFinite(data[i]) ? value : data[i]!;
    assertAllClose(found.data.map(defined), data, {
      atol: exact ? 0 : atol,
      rtol: exact ? 0 : rtol,
      message: `${name} [${shape}]`,
    });
  }
}

/**
 * Random numbers of a shape: half of them normal, half multiples of 1/2, so that zeros, ties and
 * equal elements occur.
 */
export function drawn(seed: number, shape: readonly number[]): HostArray {
  const random = randomStream(seed);
  const smooth = random.stream("smooth").normal(sizeOf(shape));
  const halves = random.stream("halves").integers(smooth.length, -6, 7);
  return float32(smooth.map((value, i) => i % 2 === 0 ? value : halves[i]! / 2), shape);
}

/** Distinct random numbers of a shape. */
export function drawnApart(seed: number, shape: readonly number[]): HostArray {
  return float32(randomStream(seed).normal(sizeOf(shape)).map((v, i) => v + i * 1e-6), shape);
}

/** Random integers in [low, high). */
export function drawnIntegers(
  seed: number,
  shape: readonly number[],
  low: number,
  high: number,
): HostArray {
  return int32(randomStream(seed).integers(sizeOf(shape), low, high), shape);
}

/** Random booleans. */
export function drawnBooleans(seed: number, shape: readonly number[]): HostArray {
  return { dtype: "bool", shape, data: Uint8Array.from(drawnIntegers(seed, shape, 0, 2).data) };
}

/** Random elements of a type. */
export function drawnAs(dtype: DType, seed: number, shape: readonly number[]): HostArray {
  if (dtype === "bool") return drawnBooleans(seed, shape);
  return dtype === "int32" ? drawnIntegers(seed, shape, -9, 10) : drawn(seed, shape);
}

/** Numbers of channels: some are multiples of 8 or 16, some are not. */
export const channelCounts = fc.constantFrom(1, 3, 8, 12, 16, 32);

/** Shapes of small images [N, H, W, C]. */
export const imageShapes = fc.tuple(
  fc.integer({ min: 1, max: 3 }),
  fc.integer({ min: 1, max: 5 }),
  fc.integer({ min: 1, max: 5 }),
  channelCounts,
);

/** Seeds of the random numbers of a case. */
export const seeds = fc.nat(1_000_000);
