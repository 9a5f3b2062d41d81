import { assertEquals, assertThrows } from "@std/assert";
import { minSnrWeights, p2Weights, snr, timestepQuartile } from "../../diffusion/loss.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { UserError } from "../../base/errors.ts";
import { assertAllClose } from "../assert_close.ts";

const at = (values: Float64Array, ...timesteps: number[]) => timesteps.map((t) => values[t]!);

Deno.test("snr() has the published values when linear", () => {
  const expected = [9999, 4546.35766, .0843595494, 4.03599265e-5];
  assertAllClose(at(snr(noiseSchedule()), 0, 1, 500, 999), expected, { atol: 0, rtol: 1e-8 });
});

Deno.test("minSnrWeights() has the published values for gamma 5", () => {
  const [eps, v] = [noiseSchedule(), noiseSchedule({ predictionType: "v_prediction" })];
  assertAllClose(at(minSnrWeights(eps), 0, 100, 500, 999), [5.0005e-4, .585708508, 1, 1], {
    atol: 0,
    rtol: 1e-8,
  });
  assertAllClose(
    at(minSnrWeights(v), 0, 100, 500, 999),
    [5e-4, .524292046, .0777966584, 4.03582977e-5],
    { atol: 0, rtol: 1e-8 },
  );
});

Deno.test("minSnrWeights() are min(SNR, gamma) times the squared error of x0", () => {
  const ratio = snr(noiseSchedule());
  const weights = minSnrWeights(noiseSchedule({ predictionType: "sample" }), { gamma: 2 });
  assertAllClose(weights, ratio.map((value) => Math.min(value, 2)));
});

Deno.test("minSnrWeights() are finite when the terminal SNR is zero", () => {
  const last = (predictionType: "epsilon" | "sample" | "v_prediction") =>
    minSnrWeights(noiseSchedule({ rescaleBetasZeroSnr: true, predictionType })).at(-1);
  assertEquals([last("epsilon"), last("sample"), last("v_prediction")], [1, 0, 0]);
});

Deno.test("minSnrWeights() refuses a gamma that is not positive", () => {
  assertThrows(() => minSnrWeights(noiseSchedule(), { gamma: 0 }), UserError, "gamma is 0");
  assertThrows(() => minSnrWeights(noiseSchedule(), { gamma: NaN }), UserError, "gamma is NaN");
});

Deno.test("p2Weights() has the values of Choi et al.'s formula", () => {
  // 1 / (k + SNR)^gamma in numpy, and what it is of the squared errors of v and x0.
  const weights = (predictionType: "epsilon" | "sample" | "v_prediction", options = {}) =>
    at(p2Weights(noiseSchedule({ predictionType }), options), 0, 100, 500, 999);
  const close = { atol: 0, rtol: 1e-9 };
  assertAllClose(weights("epsilon"), [1e-4, .104858409102, .922203341635, .999959641702], close);
  assertAllClose(
    weights("epsilon", { gamma: .5, k: 2 }),
    [.0099995000375, .308069227426, .692649750036, .7070996466],
    close,
  );
  assertAllClose(
    weights("v_prediction"),
    [9.999e-5, .093863123143, .0717443383123, 4.03566688616e-5],
    close,
  );
  assertAllClose(
    weights("sample"),
    [.9999, .895141590898, .077796658365, 4.03582976538e-5],
    close,
  );
  assertEquals(new Set(p2Weights(noiseSchedule(), { gamma: 0 })), new Set([1]));
  assertThrows(() => p2Weights(noiseSchedule(), { gamma: -1 }), UserError, "gamma is -1");
  assertThrows(() => p2Weights(noiseSchedule(), { k: 0 }), UserError, "k is 0");
});

Deno.test("timestepQuartile() splits the timesteps into four, even when 4 does not divide them", () => {
  const quartiles = (T: number) => Array.from({ length: T }, (_, t) => timestepQuartile(t, T));
  assertEquals(quartiles(8), [0, 0, 1, 1, 2, 2, 3, 3]);
  assertEquals(quartiles(10), [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]);
  assertThrows(() => timestepQuartile(10, 10), UserError, "timestep is 10");
});
