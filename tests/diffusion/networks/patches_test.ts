import { assertAlmostEquals, assertEquals } from "@std/assert";
import { patchify, patchPositions, unpatchify } from "../../../diffusion/networks/patches.ts";
import type * as tf from "../../../engine/tf.ts";
import { float32 } from "../../../engine/tree.ts";
import { compute } from "../../nn/on_device.ts";

Deno.test("patchify() returns patches row by row, and unpatchify() inverts it", async () => {
  // One image of 4x4 pixels, numbered row by row, with one channel.
  const image = float32(Array.from({ length: 16 }, (_, i) => i), [1, 4, 4, 1]);
  const { patches, back } = await compute("cpu", { image }, ({ image }) => {
    const patches = patchify(image as tf.Tensor4D, 2);
    return { patches, back: unpatchify(patches, 2) };
  });
  assertEquals(patches!.shape, [1, 4, 4]);
  assertEquals([...patches!.data], [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
  assertEquals(back!.shape, [1, 4, 4, 1]);
  assertEquals([...back!.data], [...image.data]);
});

Deno.test("patchPositions() has columns before rows and sines before cosines", () => {
  // Patch (row 1, column 2) of 3 x 3; with 8 features the frequencies are 1 and 1 / 100.
  const at = patchPositions(3, 8).subarray(5 * 8, 6 * 8);
  const expected = [2, 1].flatMap((position) => [
    Math.sin(position),
    Math.sin(position / 100),
    Math.cos(position),
    Math.cos(position / 100),
  ]);
  at.forEach((value, i) => assertAlmostEquals(value, expected[i]!, 1e-7));
});
