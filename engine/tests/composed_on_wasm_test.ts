import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { type DeviceName, openDevice } from "../device.ts";
import * as tf from "../tf.ts";
import { float32, type HostArray } from "../tree.ts";
import { assertAllClose } from "../../tests/assert_close.ts";
import { deviceWorks } from "../../tests/devices.ts";
import { drawn, drawnIntegers, RUNS, seeds } from "./onnx/against_cpu.ts";
import { describe, geometries, outputSize } from "./onnx/geometries.ts";
import { runKernel } from "./onnx/run_kernel.ts";

type Named = Record<string, HostArray>;

/** Runs a function twice on a device. The second call fails if the first one freed too much. */
async function runTwice(
  name: DeviceName,
  fn: (inputs: Record<string, tf.Tensor>) => tf.Tensor,
  inputs: Named,
): Promise<HostArray> {
  const { compile } = await openDevice(name);
  const run = compile<Named, HostArray>(fn);
  const first = await run(inputs);
  assertEquals(await run(inputs), first);
  return first;
}

async function assertSame(
  fn: (inputs: Record<string, tf.Tensor>) => tf.Tensor,
  inputs: Named,
  message: string,
): Promise<void> {
  const expected = await runTwice("cpu", fn, inputs);
  const found = await runTwice("wasm", fn, inputs);
  assertEquals(found.shape, expected.shape, message);
  assertAllClose(found.data, expected.data, { atol: 1e-3, rtol: 1e-4, message });
}

const ignore = !deviceWorks("wasm");

Deno.test({
  name: "Conv2DBackpropFilter on wasm agrees with the cpu device",
  ignore,
  fn: () =>
    fc.assert(
      fc.asyncProperty(geometries, seeds, async (geometry, seed) => {
        const { samples, size, inChannels, outChannels, filter, strides, pad } = geometry;
        const inputs = {
          x: drawn(seed, [samples, ...size, inChannels]),
          dy: drawn(seed + 1, [samples, ...outputSize(geometry), outChannels]),
        };
        const attributes = {
          strides,
          pad,
          dimRoundingMode: "floor",
          dataFormat: "NHWC",
          filterShape: [...filter, inChannels, outChannels],
        };
        const gradient = ({ x, dy }: Record<string, tf.Tensor>) => {
          const first = runKernel("Conv2DBackpropFilter", { x: x!, dy: dy! }, attributes);
          // The kernel's inputs must still exist.
          return tf.add(first, tf.mul(0, tf.add(tf.sum(x!), tf.sum(dy!))));
        };
        await assertSame(gradient, inputs, describe(geometry));
      }),
      { ...RUNS, numRuns: 25 },
    ),
});

Deno.test({
  name: "Conv2DBackpropInput on wasm agrees with the cpu device",
  ignore,
  fn: () =>
    fc.assert(
      fc.asyncProperty(geometries, seeds, async (geometry, seed) => {
        const { samples, size, inChannels, outChannels, filter, strides, pad } = geometry;
        const inputs = {
          dy: drawn(seed, [samples, ...outputSize(geometry), outChannels]),
          filter: drawn(seed + 1, [...filter, inChannels, outChannels]),
        };
        const attributes = {
          strides,
          pad,
          dimRoundingMode: "floor",
          dataFormat: "NHWC",
          inputShape: [samples, ...size, inChannels],
        };
        const gradient = ({ dy, filter }: Record<string, tf.Tensor>) => {
          const first = runKernel("Conv2DBackpropInput", { dy: dy!, filter: filter! }, attributes);
          // The kernel's inputs must still exist.
          return tf.add(first, tf.mul(0, tf.add(tf.sum(dy!), tf.sum(filter!))));
        };
        await assertSame(gradient, inputs, describe(geometry));
      }),
      { ...RUNS, numRuns: 50 },
    ),
});

Deno.test({
  name: "transposed convolutions and products on wasm agree with the cpu device",
  ignore,
  fn: async () => {
    const inputs = { x: drawn(0, [2, 5, 7, 3]), filter: drawn(1, [4, 4, 2, 3]) };
    const doubled = ({ x, filter }: Record<string, tf.Tensor>) =>
      tf.conv2dTranspose(x as tf.Tensor4D, filter as tf.Tensor4D, [2, 10, 14, 2], 2, 1);
    await assertSame(doubled, inputs, "doubling");
    for (const [transposeA, transposeB] of [[false, true], [true, false], [true, true]] as const) {
      for (const rest of [[], [3]]) {
        const factors = {
          a: drawn(0, [...rest, ...(transposeA ? [4, 5] : [5, 4])]),
          b: drawn(1, [...rest, ...(transposeB ? [6, 4] : [4, 6])]),
        };
        const product = ({ a, b }: Record<string, tf.Tensor>) =>
          tf.matMul(a!, b!, transposeA, transposeB);
        await assertSame(product, factors, `${transposeA} ${transposeB} [${rest}]`);
      }
    }
  },
});

Deno.test({
  name: "UnsortedSegmentSum on wasm agrees with the cpu device",
  ignore,
  fn: () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom([], [3], [2, 4]),
        seeds,
        async (rows, rest, seed) => {
          const inputs = {
            x: drawn(seed, [rows, ...rest]),
            segmentIds: drawnIntegers(seed, [rows], 0, 5),
          };
          const sums = ({ x, segmentIds }: Record<string, tf.Tensor>) =>
            runKernel("UnsortedSegmentSum", { x: x!, segmentIds: segmentIds! }, { numSegments: 5 });
          await assertSame(sums, inputs, `${rows} rows of [${rest}]`);
        },
      ),
      { ...RUNS, numRuns: 25 },
    ),
});

Deno.test({
  name: "sums and means of empty tensors are 0 on wasm as on cpu, and not uninitialised memory",
  ignore: !deviceWorks("wasm"),
  fn: async () => {
    for (const name of ["cpu", "wasm"] as const) {
      const { compile } = await openDevice(name);
      const run = compile<Named, Named>(({ x, used }) => {
        tf.dispose(tf.exp(used!)); // so that the memory is not zero
        return { all: tf.sum(x!), rows: tf.sum(x!, 0), mean: tf.mean(x!, 0, true) };
      });
      const { all, rows, mean } = await run({
        x: float32([], [0, 3]),
        used: float32([1, 2, 3, 4]),
      });
      await run.dispose();
      assertEquals([all!.shape, rows!.shape, mean!.shape], [[], [3], [1, 3]]);
      assertEquals([...all!.data, ...rows!.data, ...mean!.data], Array(7).fill(0), name);
    }
  },
});
