import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../../base/errors.ts";
import { float32 } from "../../../engine/tree.ts";
import { randomStream } from "../../../nn/random.ts";
import {
  denormalizeLatents,
  latentScale,
  loadLatents,
  normalizeLatents,
  numberOfRank,
  saveLatents,
} from "../../../text/denoiser/latents.ts";
import { assertAllClose } from "../../assert_close.ts";
import { permitted } from "../../permissions.ts";

Deno.test("latentScale() has the mean and deviation of each feature, and deviation 1 for a constant one", () => {
  // Two texts of two vectors of three features.
  const latents = float32([1, 5, 7, 3, 9, 7, 5, 5, 7, 7, 9, 7], [2, 2, 3]);
  const { mean, deviation } = latentScale(latents);
  assertEquals([...mean], [4, 7, 7]);
  assertAllClose(deviation, [Math.sqrt(5), 2, 1], { atol: 1e-7 });
});

Deno.test("normalizeLatents() has mean 0 and deviation 1, and denormalizeLatents() is its inverse", () => {
  const raw = float32(randomStream(0).normal(6000).map((z, i) => (1 + i % 3) * z + i % 3), [
    1000,
    2,
    3,
  ]);
  const scale = latentScale(raw);
  const normal = normalizeLatents(raw, scale);
  const again = latentScale(normal);
  assertAllClose(again.mean, [0, 0, 0], { atol: 1e-6 });
  assertAllClose(again.deviation, [1, 1, 1], { atol: 1e-6 });
  assertAllClose(denormalizeLatents(normal, scale).data, raw.data, { atol: 1e-5 });
  // 99.5 % of a standard normal number's magnitudes are below 2.807.
  assertAlmostEquals(scale.range, 2.807, 0.15);
});

Deno.test("numberOfRank() is the number at that rank after sorting, with equal numbers and zeros", () => {
  const numbers = randomStream(0).normal(5000).map((z, i) =>
    i % 3 === 0 ? 0 : Math.abs(z) * 10 ** (i % 7)
  );
  numbers.set(numbers.subarray(0, 1000), 2000);
  const sorted = numbers.toSorted();
  for (const rank of [0, 1, 1800, 2500, 4974, 4998, 4999]) {
    assertEquals(numberOfRank(5000, (i) => numbers[i]!, rank), sorted[rank], `${rank}`);
  }
});

Deno.test("latentScale() does not copy latents into an array, whose length is limited", () => {
  const latents = float32([1, 5, 7, 3, 9, 7], [1, 2, 3]);
  Object.defineProperty(latents.data, Symbol.iterator, {
    value: () => {
      throw new RangeError("Invalid array length");
    },
  });
  const scale = latentScale(latents);
  assertEquals([...normalizeLatents(latents, scale).data], [-1, -1, 0, 1, 1, 0]);
  assertEquals([...denormalizeLatents(latents, scale).data], [3, 17, 14, 5, 25, 14]);
});

Deno.test({
  name: "loadLatents() returns what saveLatents() wrote, and refuses other keys and damaged files",
  ignore: !permitted({ name: "read" }, { name: "write" }),
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const key = { vae: "a", texts: "b" };
      const texts = ["one", "two"];
      assertEquals(await loadLatents(`${folder}/none`, texts, key), undefined);
      const latents = float32([1, 2, 3, 4], [2, 1, 2]);
      const mean = Float32Array.of(0.5, 0);
      const deviation = Float32Array.of(1, 2);
      await saveLatents(`${folder}/new`, { latents, mean, deviation, range: 3 }, key);
      assertEquals(
        await loadLatents(`${folder}/new`, texts, key),
        { texts, latents, mean, deviation, range: 3 },
      );
      for (
        const [wrong, message] of [
          [{ ...key, vae: "c" }, "by another autoencoder: run --stage encode again"],
          [{ ...key, texts: "c" }, "from other texts: run --stage encode again"],
        ] as const
      ) {
        await assertRejects(() => loadLatents(`${folder}/new`, texts, wrong), UserError, message);
      }
      await assertRejects(() => loadLatents(`${folder}/new`, ["one"], key), UserError, "lacks");
      const saved = { latents, mean, deviation, range: 3 };
      for (
        const [changes, message] of [
          [
            { latents: float32([1, 2, 3, NaN], [2, 1, 2]) },
            "contains latents that are not numbers",
          ],
          [{ mean: Float32Array.of(0.5, Infinity) }, "has a mean of latents that is not 2 numbers"],
          [{ deviation: Float32Array.of(1, 0) }, "not above 0"],
          [{ range: NaN }, "not above 0"],
        ] as const
      ) {
        await saveLatents(`${folder}/bad`, { ...saved, ...changes }, key);
        await assertRejects(() => loadLatents(`${folder}/bad`, texts, key), UserError, message);
      }
      await Deno.writeTextFile(`${folder}/new/latents.safetensors`, "short");
      await assertRejects(() => loadLatents(`${folder}/new`, texts, key), UserError);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
