import { assertAlmostEquals, assertEquals } from "@std/assert";
import { adamMemory } from "../../engine/fused_adam.ts";
import { adamWStep } from "../../nn/adamw.ts";
import { emaDecayAt } from "../../nn/ema.ts";
import { assertAllClose } from "../assert_close.ts";

Deno.test("emaDecayAt() is 0 at the first step", () => {
  for (const step of [-1, 0, 1]) {
    assertEquals(emaDecayAt(step, { maxDecay: 0.999 }), 0);
    assertEquals(emaDecayAt(step, { maxDecay: 0.999, useEmaWarmup: true }), 0);
  }
});

Deno.test("emaDecayAt() equals diffusers' EMAModel without warm-up", () => {
  // (1 + n) / (10 + n), with n the steps before this one
  assertAlmostEquals(emaDecayAt(2, { maxDecay: 0.9999 }), 0.181818182, 1e-9);
  assertAlmostEquals(emaDecayAt(10, { maxDecay: 0.9999 }), 0.526315789, 1e-9);
  assertAlmostEquals(emaDecayAt(1001, { maxDecay: 0.9999 }), 1001 / 1010, 1e-12);
});

Deno.test("emaDecayAt() equals diffusers' EMAModel with warm-up", () => {
  const at = (step: number, options = {}) =>
    emaDecayAt(step, { maxDecay: 0.9999, useEmaWarmup: true, ...options });
  // 1 - (1 + n / inv_gamma)^-power: 1 - 8^(-2/3), 1 - 16^(-3/4), 1 - 11^-1
  assertAlmostEquals(at(8), 1 - 1 / 4, 1e-12);
  assertAlmostEquals(at(16, { power: 3 / 4 }), 1 - 1 / 8, 1e-12);
  assertAlmostEquals(at(21, { power: 1, invGamma: 2 }), 10 / 11, 1e-12);
  // diffusers' documentation: with power 2/3 0.999 at 31.6 thousand steps and 0.9999 at a million,
  // with 3/4 0.999 at 10 thousand steps and 0.9999 at 215.4 thousand
  assertAlmostEquals(at(31_600), 0.999, 1e-6);
  assertAlmostEquals(at(10_000, { power: 3 / 4 }), 0.999, 1e-6);
  assertAlmostEquals(at(215_400, { power: 3 / 4, maxDecay: 1 }), 0.9999, 1e-7);
});

Deno.test("emaDecayAt() never exceeds maxDecay", () => {
  assertEquals(emaDecayAt(1e9, { maxDecay: 0.9 }), 0.9);
  assertEquals(emaDecayAt(1e9, { maxDecay: 0.9, useEmaWarmup: true }), 0.9);
  assertEquals(emaDecayAt(2, { maxDecay: 0.1 }), 0.1);
});

Deno.test("adamWStep() moves the average towards the parameters", () => {
  const averageAfter = (emaDecay: number) => {
    const memory = adamMemory(3);
    memory.average.set([1, -2, 1e-30]);
    memory.parameters.set([3, -2, 5]);
    adamWStep(memory, 0, { step: 1, learningRate: 0, emaDecay });
    assertEquals([...memory.parameters], [3, -2, 5]);
    return memory.average;
  };
  assertAllClose(averageAfter(0), [3, -2, 5]);
  assertAllClose(averageAfter(0.75), [1.5, -2, 1.25]);
  assertEquals([...averageAfter(1)], [...Float32Array.of(1, -2, 1e-30)]);
});
