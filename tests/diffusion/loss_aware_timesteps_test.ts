import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  drawWeightedTimesteps,
  initLossHistory,
  recordLosses,
  timestepProbabilities,
} from "../../diffusion/loss_aware_timesteps.ts";
import { UserError } from "../../base/errors.ts";
import { randomStream } from "../../nn/random.ts";
import { assertAllClose } from "../assert_close.ts";

/** Three timesteps with two losses each. */
const seen = recordLosses(initLossHistory(3, 2), [0, 1, 0, 2, 1, 2], [1, .5, 2, 0, .25, 4]);

Deno.test("timestepProbabilities() follows the root mean squares of the losses", () => {
  // Nichol and Dhariwal 2021, equation 18 and its code's uniform share of 0.001, in numpy.
  const expected = [.3290756403, .08251891007, .5884054497];
  assertAllClose(timestepProbabilities(seen), expected, { rtol: 1e-9 });
  assertAllClose(timestepProbabilities(seen, 1), [1 / 3, 1 / 3, 1 / 3]);
});

Deno.test("timestepProbabilities() is uniform until every timestep has enough losses", () => {
  const third = [1 / 3, 1 / 3, 1 / 3];
  assertAllClose(timestepProbabilities(initLossHistory(3)), third);
  const almost = recordLosses(initLossHistory(3, 2), [0, 0, 0, 1, 1, 2], [9, 9, 9, 1, 1, 1]);
  assertAllClose(timestepProbabilities(almost), third);
  assert(timestepProbabilities(recordLosses(almost, [2], [1]))[0]! > .7);
  const nothing = recordLosses(initLossHistory(2, 1), [0, 1], [0, 0]);
  assertAllClose(timestepProbabilities(nothing), [.5, .5]);
});

Deno.test("recordLosses() overwrites the oldest loss and does not change its input", () => {
  const before = seen.losses.slice();
  const after = recordLosses(seen, [0], [8]);
  assertEquals(after.losses.slice(0, 2), Float64Array.of(8, 2));
  assertEquals(recordLosses(after, [0], [9]).losses.slice(0, 2), Float64Array.of(8, 9));
  assertEquals(seen.losses, before);
});

Deno.test("drawWeightedTimesteps() samples by the probabilities and weights by their inverse", () => {
  const probabilities = Float64Array.of(.5, 0, .2, .3);
  const count = 40_000;
  const { timesteps, weights } = drawWeightedTimesteps(randomStream(4), count, probabilities);
  const shares = [0, 1, 2, 3].map((t) => timesteps.filter((drawn) => drawn === t).length / count);
  assertEquals(shares[1], 0);
  // Four standard deviations of a share of 0.5.
  assertAllClose(shares, probabilities, { atol: .01, rtol: 0 });
  timesteps.slice(0, 50).forEach((t, i) =>
    assertAlmostEquals(weights[i]!, 1 / (4 * probabilities[t]!), 1e-12)
  );
  // The objective stays the same: a weighted mean over samples estimates the sum over all timesteps with
  // a positive probability, a fourth of each.
  const value = [3, 100, -2, 5];
  const mean = timesteps.reduce((sum, t, i) => sum + weights[i]! * value[t]!, 0) / count;
  assertAlmostEquals(mean, (3 - 2 + 5) / 4, .05);
});

Deno.test("drawWeightedTimesteps() has the published weights", () => {
  const probabilities = timestepProbabilities(seen);
  const { timesteps, weights } = drawWeightedTimesteps(randomStream(1), 100, probabilities);
  const expected = [1.012938342, 4.03947814, .5665027976];
  assertAllClose(weights, Array.from(timesteps, (t) => expected[t]!), { rtol: 1e-9 });
  assertEquals(new Set(timesteps).size, 3);
});

Deno.test("recordLosses(), timestepProbabilities() and drawWeightedTimesteps() throw when an argument is invalid", () => {
  const record = (timesteps: number[], losses: number[]) => () =>
    recordLosses(seen, timesteps, losses);
  assertThrows(record([1], [NaN]), UserError, "the loss at timestep 1 is NaN");
  assertThrows(record([1], [Infinity]), UserError, "is Infinity");
  assertThrows(record([1], [-1]), UserError, "is -1");
  assertThrows(record([3], [1]), UserError, "timestep is 3");
  assertThrows(record([1], [1, 2]), UserError, "2 losses for 1 timesteps");
  assertThrows(() => initLossHistory(0), UserError, "numTrainTimesteps is 0");
  assertThrows(() => timestepProbabilities(seen, 2), UserError, "uniformShare is 2");
  assertThrows(
    () => drawWeightedTimesteps(randomStream(0), 3, Float64Array.of(.5, .4)),
    UserError,
    "sum to 0.9",
  );
});
