import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { type AdamMemory, adamMemory, type AdamNumbers } from "../fused_adam.ts";
import { UserError } from "@nanodiffusion/base/errors";
import { randomStream } from "../../nn/random.ts";
import { assertAllClose } from "../../tests/assert_close.ts";

const VECTORS = ["parameters", "mean", "variance", "average", "gradient"] as const;

const FACTORS: AdamNumbers = {
  mean: 0.9,
  gradient: 0.05,
  variance: 0.99,
  square: 0.0025,
  epsilon: 1e-4,
  rate: 0.02,
  decay: 0.999,
  average: 0.125,
};

// Multiples of four, and other lengths.
for (const count of [1, 7, 64]) {
  Deno.test(`adamMemory() does Adam's arithmetic on ${count} numbers`, () => {
    const memory = adamMemory(count);
    for (const vector of VECTORS) {
      const values = randomStream(3).stream(vector).normal(count);
      memory[vector].set(vector === "variance" ? values.map(Math.abs) : values);
    }
    const before = Object.fromEntries(
      VECTORS.map((vector) => [vector, Float64Array.from(memory[vector])]),
    ) as Record<typeof VECTORS[number], Float64Array>;
    assertAlmostEquals(memory.gradientNorm(), Math.hypot(...before.gradient), 1e-6);

    memory.update(FACTORS);
    const { gradient } = before;
    const mean = before.mean.map((m, i) => FACTORS.mean * m + FACTORS.gradient * gradient[i]!);
    const variance = before.variance.map((v, i) =>
      FACTORS.variance * v + FACTORS.square * gradient[i]! ** 2
    );
    const parameters = before.parameters.map((p, i) =>
      FACTORS.decay * p - FACTORS.rate * mean[i]! / (Math.sqrt(variance[i]!) + FACTORS.epsilon)
    );
    const average = before.average.map((e, i) => e + FACTORS.average * (parameters[i]! - e));
    const expected = { mean, variance, parameters, average, gradient };
    for (const vector of VECTORS) {
      assertAllClose(memory[vector], expected[vector], { rtol: 1e-5, message: vector });
    }
  });
}

for (const count of [1, 7, 64]) {
  Deno.test(`adamMemory() does Adamax's arithmetic on ${count} numbers`, () => {
    const memory = adamMemory(count);
    for (const vector of VECTORS) {
      const values = randomStream(3).stream(vector).normal(count);
      memory[vector].set(vector === "variance" ? values.map(Math.abs) : values);
    }
    const [p, m, v, e, g] = VECTORS.map((vector) => Float64Array.from(memory[vector])) as [
      ...[Float64Array, Float64Array, Float64Array, Float64Array, Float64Array],
    ];
    const factors = { ...FACTORS, square: 0.5 };
    memory.update(factors, undefined, "adamax");
    const mean = m.map((value, i) => 0.9 * value + 0.05 * g[i]!);
    const largest = v.map((value, i) => Math.max(0.99 * value, 0.5 * Math.abs(g[i]!) + 1e-4));
    const parameters = p.map((value, i) => 0.999 * value - 0.02 * mean[i]! / largest[i]!);
    const average = e.map((value, i) => value + 0.125 * (parameters[i]! - value));
    assertAllClose(memory.mean, mean, { rtol: 1e-5, message: "mean" });
    assertAllClose(memory.variance, largest, { rtol: 1e-5, message: "largest" });
    assertAllClose(memory.parameters, parameters, { rtol: 1e-5, message: "parameters" });
    assertAllClose(memory.average, average, { rtol: 1e-5, message: "average" });
  });
}

Deno.test("update() of consecutive ranges equals one update of all", () => {
  for (const [average, rule] of [[true, "adam"], [false, "adam"], [true, "adamax"]] as const) {
    const [whole, pieces, part] = Array.from({ length: 3 }, () => {
      const memory = adamMemory(30, { average });
      for (const vector of VECTORS) {
        const values = randomStream(3).stream(vector).normal(30);
        memory[vector].set(vector === "variance" ? values.map(Math.abs) : values);
      }
      return memory;
    }) as [AdamMemory, AdamMemory, AdamMemory];
    const before = [...part.parameters];
    whole.update(FACTORS, undefined, rule);
    const bounds = [0, 3, 13, 14, 22, 30];
    bounds.slice(1).forEach((to, i) => pieces.update(FACTORS, { from: bounds[i]!, to }, rule));
    for (const vector of VECTORS) assertEquals([...pieces[vector]], [...whole[vector]], vector);
    part.update(FACTORS, { from: 5, to: 12 }, rule);
    assertEquals(
      [...part.parameters],
      before.map((value, i) => i >= 5 && i < 12 ? whole.parameters[i]! : value),
    );
  }
});

Deno.test("update() has the same results without an average", () => {
  const [with_, without] = [adamMemory(7), adamMemory(7, { average: false })];
  for (const memory of [with_, without]) {
    for (const vector of ["parameters", "mean", "gradient"] as const) {
      memory[vector].set(randomStream(3).stream(vector).normal(7));
    }
    memory.update(FACTORS);
  }
  for (const vector of ["parameters", "mean", "variance"] as const) {
    assertEquals([...without[vector]], [...with_[vector]]);
  }
  assertEquals([...without.average], [...without.parameters]);
});

Deno.test("adamMemory() is filled with zeros", () => {
  const memory = adamMemory(5);
  for (const vector of VECTORS) assertEquals([...memory[vector]], [0, 0, 0, 0, 0]);
  assertEquals(memory.gradientNorm(), 0);
});

Deno.test("adamMemory() throws an error with the largest possible size", () => {
  assertThrows(() => adamMemory(1e9), UserError, "use one of at most 214748364");
});
