import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fixture from "../fixtures/masked.json" with { type: "json" };
import { UserError } from "../../base/errors.ts";
import { drawMaskTimes, maskedBatch, maskedLoss } from "../../diffusion/masked.ts";
import { openDevice } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray, int32 } from "../../engine/tree.ts";
import { IGNORED_LABEL } from "../../nn/cross_entropy.ts";
import { randomStream } from "../../nn/random.ts";

const random = randomStream(0);

Deno.test("drawMaskTimes() spreads times evenly over (0, 1]", () => {
  const times = drawMaskTimes(random.stream("times"), 8).toSorted();
  times.forEach((time, i) => assertEquals(Math.ceil(time * 8), i + 1)); // one in each eighth
});

Deno.test("drawMaskTimes() rounds up to multiples of 1 / T when T is given", () => {
  const times = drawMaskTimes(random.stream("times"), 100, 4);
  assertEquals([...new Set(times)].sort(), [0.25, 0.5, 0.75, 1]);
});

Deno.test("maskedBatch() masks a target with its example's time as probability, and nothing else", () => {
  const [B, L, maskId] = [2, 4000, 9];
  const tokens = int32(Int32Array.from({ length: B * L }, (_, i) => i % 9), [B, L]);
  const targets = Uint8Array.from({ length: B * L }, (_, i) => i % 2);
  const times = [0.25, 0.75];
  const { inputIds, labels, weights } = maskedBatch({ tokens, targets, times, maskId, random });
  const masked = [0, 0];
  for (let i = 0; i < B * L; i++) {
    const row = Math.floor(i / L);
    const isMasked = inputIds.data[i] === maskId;
    if (isMasked) masked[row]!++;
    assertEquals(isMasked && targets[i] === 0, false);
    assertEquals(labels.data[i], isMasked ? tokens.data[i] : IGNORED_LABEL);
    assertAlmostEquals(weights.data[i]!, isMasked ? 1 / times[row]! / L : 0, 1e-9);
  }
  // Five standard deviations of a binomial number.
  for (const [row, time] of times.entries()) {
    assertAlmostEquals(masked[row]! / (L / 2), time, 5 * Math.sqrt(time * (1 - time) / (L / 2)));
  }
});

Deno.test("maskedBatch() masks every target at time 1", () => {
  const { inputIds } = maskedBatch({
    tokens: int32([1, 2, 3], [1, 3]),
    targets: [0, 1, 1],
    times: [1],
    maskId: 5,
    random,
  });
  assertEquals([...inputIds.data], [1, 5, 5]);
});

Deno.test("maskedBatch() throws when times or targets do not fit", () => {
  const tokens = int32([1, 2], [1, 2]);
  for (
    const [given, message] of [
      [{ targets: [1, 1], times: [0] }, "time"],
      [{ targets: [1, 1], times: [1.5] }, "time"],
      [{ targets: [1], times: [1] }, "1 targets"],
      [{ targets: [0, 0], times: [1] }, "no token is a target"],
    ] as const
  ) {
    const error = assertThrows(
      () => maskedBatch({ tokens, maskId: 5, random, ...given }),
      UserError,
    );
    assertEquals(error.message.includes(message), true, error.message);
  }
});

Deno.test("maskedLoss() and its gradient equal PyTorch's for weights of tokens", async () => {
  const device = await openDevice("cpu");
  for (const { alpha, gamma, loss, gradient } of fixture.losses) {
    const compiled = device.compile<
      Record<"logits" | "labels" | "weights", HostArray>,
      Record<"loss" | "gradient", HostArray>
    >(({ logits, labels, weights }) => {
      const of = (logits: tf.Tensor) =>
        maskedLoss(logits as tf.Tensor2D, { labels, weights }, { alpha, gamma });
      const { value, grad } = tf.valueAndGrad(of)(logits);
      return { loss: value, gradient: grad };
    });
    const found = await compiled({
      logits: float32(fixture.logits, [8, 5]),
      labels: int32(fixture.labels),
      weights: float32(fixture.weights),
    });
    assertAlmostEquals(found.loss.data[0]!, loss, 1e-5);
    gradient.forEach((value, i) => assertAlmostEquals(found.gradient.data[i]!, value, 1e-5));
    await compiled.dispose();
  }
});

for (const T of [1, 4, 16]) {
  Deno.test(`maskedLoss() averages to the bound of an exact network when there are ${T} times`, () => {
    // Two tokens: p(00) = 0.5, p(01) = 0.1, p(10) = 0.15, p(11) = 0.25.
    const p = [[0.5, 0.1], [0.15, 0.25]];
    const entropyOf = (values: number[]) => -values.reduce((sum, p) => sum + p * Math.log(p), 0);
    const [joint, marginals] = [
      entropyOf(p.flat()),
      entropyOf([0.6, 0.4]) + entropyOf([0.65, 0.35]),
    ];
    // At time t both tokens are masked with probability t^2, and each alone with t (1 - t); H(a | b) + H(b | a)
    // is twice the joint entropy less the marginals. For many times the bound is the joint entropy.
    const meanTime = (T + 1) / (2 * T);
    const bound = (1 - meanTime) * (2 * joint - marginals) + meanTime * marginals;

    const [mask, B] = [2, 200_000];
    const draw = random.stream("bound");
    const cumulative = [0.5, 0.6, 0.75, 1];
    const tokens = Array.from(draw.stream("data").uniform(B), (u) => {
      const pair = cumulative.findIndex((limit) => u < limit);
      return [pair >> 1, pair & 1];
    }).flat();
    const { inputIds, labels, weights } = maskedBatch({
      tokens: int32(tokens, [B, 2]),
      targets: new Uint8Array(2 * B).fill(1),
      times: drawMaskTimes(draw.stream("times"), B, T),
      maskId: mask,
      random: draw.stream("masks"),
    });
    const logits = Float32Array.from({ length: 2 * B * 3 }, (_, i) => {
      const [position, token] = [Math.floor(i / 3), i % 3];
      const other = inputIds.data[position ^ 1]!;
      const both = (other: number) => position % 2 === 0 ? p[token]![other]! : p[other]![token]!;
      if (token === mask) return -100;
      return Math.log(other === mask ? both(0) + both(1) : both(other));
    });
    const loss = tf.tidy(() =>
      maskedLoss(tf.tensor2d(logits, [2 * B, 3]), {
        labels: tf.tensor1d(labels.data as Int32Array, "int32"),
        weights: tf.tensor1d(weights.data as Float32Array),
      }).dataSync()[0]!
    );
    // The standard error of a token's loss is at most sqrt(2 (1 + log T) / B), 0.006.
    assertAlmostEquals(2 * loss, bound, 0.015);
  });
}
