import { assertEquals } from "@std/assert";
import { DEVICE_NAMES } from "../../engine/device.ts";
import type * as tf from "../../engine/tf.ts";
import { float32, type HostArray, int32 } from "../../engine/tree.ts";
import { initParameters } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { resample, resamplerSpecs } from "../../vae/resampler.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";
import { compute } from "../nn/on_device.ts";

const CONFIG = { latents: 3, width: 4, heads: 2 };
const SPECS = resamplerSpecs("r", CONFIG);
const PARAMETERS = initParameters(SPECS, randomStream(1));
const [BATCH, LENGTH] = [2, 5];
const STATES = randomStream(2).normal(BATCH * LENGTH * CONFIG.width);
const MASK = [1, 1, 1, 1, 1, 1, 1, 1, 0, 0];

type Rows = number[][];
const of = (name: string) => PARAMETERS[`r.${name}`]!.data;
/** A linear layer, PyTorch's [out, in], row by row. */
const linear = (name: string, rows: Rows): Rows =>
  rows.map((row) =>
    Array.from(
      of(`${name}.bias`),
      (bias, o) =>
        row.reduce((sum, x, i) => sum + x * of(`${name}.weight`)[o * row.length + i]!, bias),
    )
  );
const norm = (rows: Rows): Rows =>
  // its initial weights are 1 and 0
  rows.map((row) => {
    const mean = row.reduce((a, b) => a + b) / row.length;
    const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length;
    return row.map((x) => (x - mean) / Math.sqrt(variance + 1e-5));
  });
const add = (a: Rows, b: Rows): Rows => a.map((row, i) => row.map((x, j) => x + b[i]![j]!));
/** The error function, by its series. */
function erf(x: number): number {
  let [term, sum] = [x, x];
  for (let n = 1; n < 60; n++) {
    term *= -x * x / n;
    sum += term / (2 * n + 1);
  }
  return 2 / Math.sqrt(Math.PI) * sum;
}

/** A text's latents by loops over numbers; padding is left out instead of hidden. */
function byLoops(text: number): Rows {
  const { latents, width, heads } = CONFIG;
  const rowsOf = (data: ArrayLike<number>, count: number, from = 0): Rows =>
    Array.from(
      { length: count },
      (_, i) => Array.from({ length: width }, (_, j) => data[from + i * width + j]!),
    );
  const count = MASK.slice(text * LENGTH, (text + 1) * LENGTH).filter(Boolean).length;
  const states = rowsOf(STATES, count, text * LENGTH * width);
  const queries = rowsOf(of("queries"), latents);
  const [q, k, v] = [
    linear("query", norm(queries)),
    linear("key", states),
    linear("value", states),
  ];
  const size = width / heads;
  const attended = q.map((query) =>
    query.map((_, feature) => {
      const head = Math.floor(feature / size);
      const weights = k.map((key) => {
        let score = 0;
        for (let i = head * size; i < (head + 1) * size; i++) score += query[i]! * key[i]!;
        return Math.exp(score / Math.sqrt(size));
      });
      const total = weights.reduce((a, b) => a + b);
      return weights.reduce((sum, weight, i) => sum + weight / total * v[i]![feature]!, 0);
    })
  );
  const x = add(queries, linear("output", attended));
  const inner = linear("inner", norm(x)).map((row) =>
    row.map((value) => value / 2 * (1 + erf(value / Math.SQRT2)))
  );
  return add(x, linear("outer", inner));
}

for (const device of DEVICE_NAMES) {
  Deno.test({
    name: `resample() agrees with loops over numbers, and ignores padding, on ${device}`,
    ignore: !deviceWorks(device),
    fn: async () => {
      const inputs: Record<string, HostArray> = {
        ...PARAMETERS,
        states: float32(STATES, [BATCH, LENGTH, CONFIG.width]),
        mask: int32(MASK, [BATCH, LENGTH]),
      };
      const { found } = await compute(device, inputs, ({ states, mask, ...parameters }) => ({
        found: resample(
          parameters,
          "r",
          { states: states as tf.Tensor3D, mask: mask as tf.Tensor2D },
          CONFIG,
        ),
      }));
      assertEquals(found!.shape, [BATCH, CONFIG.latents, CONFIG.width]);
      assertAllClose(found!.data, [byLoops(0), byLoops(1)].flat(2), { atol: 1e-5, rtol: 1e-5 });
    },
  });
}
