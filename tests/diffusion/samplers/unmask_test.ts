import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import fixture from "../../fixtures/masked.json" with { type: "json" };
import { UserError } from "../../../base/errors.ts";
import {
  type TokenDenoiser,
  unmask,
  type UnmaskingOrder,
  unmaskingOrders,
  type UnmaskOptions,
} from "../../../diffusion/samplers/unmask.ts";
import { randomStream } from "../../../nn/random.ts";

const random = randomStream(0);

async function stepsOf(denoise: TokenDenoiser, tokens: number[], options: UnmaskOptions) {
  const steps = await Array.fromAsync(unmask(denoise, Int32Array.from(tokens), options));
  return steps.map(({ tokens }) => [...tokens]);
}

/** The fixture's model: logits of a position are a sum over all positions' tokens. */
const tableModel: TokenDenoiser = (tokens) => {
  const { length: L, vocabulary: V, table } = fixture;
  const logits = Float32Array.from({ length: L * V }, (_, i) => {
    const [position, id] = [Math.floor(i / V), i % V];
    let sum = 0;
    tokens.forEach((token, other) => {
      sum += table[((position * L + other) * V + token) * V + id]!;
    });
    return sum / Math.sqrt(L);
  });
  return Promise.resolve(logits);
};

for (const { order, steps, blockLength, remask, history } of fixture.runs) {
  const how = `${steps} steps, blocks of ${blockLength}${remask ? ", masking again" : ""}`;
  Deno.test(`unmask() fills in the order of PyTorch's ${order} with ${how}`, async () => {
    const { maskId, length } = fixture;
    const found = await stepsOf(tableModel, fixture.start, {
      maskId,
      length,
      random,
      steps,
      order: order as UnmaskingOrder,
      blockLength,
      remask,
    });
    assertEquals(found, history);
  });
}

/** Two tokens: p(00) = 0.5, p(01) = 0.1, p(10) = 0.15, p(11) = 0.25; 2 is the mask. */
const P = [[0.5, 0.1], [0.15, 0.25]];
const exact: TokenDenoiser = (tokens) =>
  Promise.resolve(Float32Array.from({ length: 3 * tokens.length }, (_, i) => {
    const [position, token] = [Math.floor(i / 3), i % 3];
    if (token === 2) return 50; // is not sampled, however probable
    const other = tokens[position ^ 1]!;
    const joint = (other: number) => position % 2 === 0 ? P[token]![other]! : P[other]![token]!;
    return Math.log(other === 2 ? joint(0) + joint(1) : joint(other));
  }));

for (const steps of [1, 2, 10]) {
  Deno.test(`unmask() samples with the frequencies of an exact network when it takes ${steps} steps`, async () => {
    const N = 20_000;
    const [last] = (await stepsOf(exact, Array(2 * N).fill(2), {
      maskId: 2,
      length: 2,
      random,
      steps,
      order: "random",
      temperature: 1,
    })).slice(-1);
    const counts = [[0, 0], [0, 0]];
    for (let i = 0; i < 2 * N; i += 2) counts[last![i]!]![last![i + 1]!]!++;
    const marginal = (a: number, b: number) => (P[a]![0]! + P[a]![1]!) * (P[0]![b]! + P[1]![b]!);
    for (const [a, b] of [[0, 0], [0, 1], [1, 0], [1, 1]] as const) {
      const p = steps === 1 ? marginal(a, b) : P[a]![b]!; // in one step the tokens are independent
      assertAlmostEquals(counts[a]![b]! / N, p, 4 * Math.sqrt(p * (1 - p) / N));
    }
  });
}

for (const order of unmaskingOrders) {
  Deno.test(`unmask() leaves no mask, keeps the condition and ignores the batch when the order is ${order}`, async () => {
    const start = [2, 0, 2, 2, 2, 1];
    const options = { maskId: 2, length: 2, random, order, temperature: 1, steps: 2 };
    const all = (await stepsOf(exact, start, options)).at(-1)!;
    assertEquals([all[1], all[5], all.includes(2)], [0, 1, false]);
    for (const first of [0, 1, 2]) {
      const row = start.slice(2 * first, 2 * first + 2);
      const alone = (await stepsOf(exact, row, { ...options, first })).at(-1);
      assertEquals(alone, all.slice(2 * first, 2 * first + 2));
    }
  });
}

Deno.test("unmask() takes no step when there is no mask", async () => {
  assertEquals(await stepsOf(exact, [0, 1], { maskId: 2, length: 2, random }), []);
});

Deno.test("unmask() throws when an option or the model's output does not fit", async () => {
  const options = { maskId: 2, length: 2, random };
  const cases: [Partial<UnmaskOptions>, TokenDenoiser, RegExp][] = [
    [{ steps: 0 }, exact, /steps/],
    [{ temperature: -1 }, exact, /temperature/],
    [{ length: 3 }, exact, /4 tokens are not examples of 3/],
    [{ blockLength: 0 }, exact, /blockLength/],
    [{}, () => Promise.resolve(new Float32Array(5)), /5 logits for 4 tokens/],
    [{}, () => Promise.resolve(new Float32Array(12).fill(NaN)), /not finite/],
  ];
  for (const [change, model, message] of cases) {
    const error = await assertRejects(
      () => stepsOf(model, [2, 2, 2, 2], { ...options, ...change }),
      UserError,
    );
    assertEquals(message.test(error.message), true, error.message);
  }
});
