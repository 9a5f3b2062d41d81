import { assertEquals } from "@std/assert";
import { DEVICE_NAMES } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32, int32 } from "../../engine/tree.ts";
import { timestepEmbedding, type TimestepEmbeddingOptions } from "../../nn/timestep_embedding.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";
import { compute } from "./on_device.ts";

/** Sines and cosines of 10 at four frequencies, spaced as in DDPM and as in improved-diffusion. */
const DDPM = {
  sin: [-0.5440211, 0.4476708, 0.0215427, 0.0010000],
  cos: [-0.8390715, 0.8941984, 0.9997679, 0.9999995],
};
const IMPROVED = {
  sin: [-0.5440211, 0.8414710, 0.0998334, 0.0099998],
  cos: [-0.8390715, 0.5403023, 0.9950042, 0.9999500],
};

for (const device of DEVICE_NAMES) {
  const ignore = !deviceWorks(device);

  Deno.test({
    name: `timestepEmbedding() has the published values on ${device}`,
    ignore,
    fn: async () => {
      const { plain, flipped, unshifted, flippedAndUnshifted, integers } = await compute(
        device,
        { t: float32([10]), i: int32([10]) },
        ({ t, i }) => {
          const embed = (options?: TimestepEmbeddingOptions, times = t) =>
            timestepEmbedding(times as tf.Tensor1D, 8, options);
          return {
            plain: embed(),
            flipped: embed({ flipSinToCos: true }),
            unshifted: embed({ freqShift: 0 }),
            flippedAndUnshifted: embed({ flipSinToCos: true, freqShift: 0 }),
            integers: embed({}, i),
          };
        },
      );
      const close = (found: ArrayLike<number>, expected: number[]) =>
        assertAllClose(found, expected, { atol: 2e-6 });
      close(plain!.data, [...DDPM.sin, ...DDPM.cos]);
      close(flipped!.data, [...DDPM.cos, ...DDPM.sin]);
      close(unshifted!.data, [...IMPROVED.sin, ...IMPROVED.cos]);
      close(flippedAndUnshifted!.data, [...IMPROVED.cos, ...IMPROVED.sin]);
      close(integers!.data, [...DDPM.sin, ...DDPM.cos]);
    },
  });

  Deno.test({
    name: `timestepEmbedding() agrees with its formula up to the last timestep on ${device}`,
    ignore,
    fn: async () => {
      const times = [0, 1, 499.5, 999];
      const { found } = await compute(device, { t: float32(times) }, ({ t }) => ({
        found: timestepEmbedding(t as tf.Tensor1D, 6, { freqShift: 0, maxPeriod: 100 }),
      }));
      const angles = (t: number) => [0, 1, 2].map((i) => t * 100 ** (-i / 3));
      const expected = times.flatMap((t) => [
        ...angles(t).map(Math.sin),
        ...angles(t).map(Math.cos),
      ]);
      assertEquals(found!.shape, [4, 6]);
      // The resolution of float32 near 999 is 6e-5.
      assertAllClose(found!.data, expected, { atol: 1e-4 });
    },
  });

  Deno.test({
    name: `timestepEmbedding() pads odd dimensions with a zero on the right on ${device}`,
    ignore,
    fn: async () => {
      const { odd, even } = await compute(device, { t: float32([3, 7]) }, ({ t }) => ({
        odd: timestepEmbedding(t as tf.Tensor1D, 5),
        even: timestepEmbedding(t as tf.Tensor1D, 4),
      }));
      assertEquals(odd!.shape, [2, 5]);
      const rows = [0, 1].flatMap((i) => [...even!.data.subarray(4 * i, 4 * i + 4), 0]);
      assertEquals([...odd!.data], rows);
    },
  });
}

Deno.test("timestepEmbedding() has sines before cosines by default", async () => {
  await tf.setBackend("cpu");
  const found = tf.tidy(() => timestepEmbedding(tf.tensor1d([0]), 4).dataSync());
  assertEquals([...found], [0, 0, 1, 1]);
});
