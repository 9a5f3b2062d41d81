import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  alphaCumprodOfLogSnr,
  betasOfLogSnr,
  cosineLogSnr,
  logSnr,
  noiseSchedule,
} from "../../diffusion/schedules.ts";
import { UserError } from "../../base/errors.ts";
import { assertAllClose } from "../assert_close.ts";

Deno.test("cosineLogSnr() has the values of Hoogeboom et al.'s formula", () => {
  // Algorithm 1's logsnr_schedule_cosine in Python, float64.
  const times = [0, .1, .25, .5, .9, 1];
  const expected = [15, 3.67974043498, 1.76118324774, 0, -3.67974043498, -15];
  assertAllClose(times.map((time) => cosineLogSnr(time)), expected, { atol: 1e-11, rtol: 1e-11 });
});

Deno.test("cosineLogSnr() moves by its shift and keeps to its bounds", () => {
  const shift = 2 * Math.log(32 / 64);
  assertAlmostEquals(cosineLogSnr(.5, { shift }), -2 * Math.LN2, 1e-12);
  const bounded = { minLogSnr: -4, maxLogSnr: 6 };
  assertAlmostEquals(cosineLogSnr(0, bounded), 6, 1e-12);
  assertAlmostEquals(cosineLogSnr(1, bounded), -4, 1e-12);
});

Deno.test("noiseSchedule() is a squared cosine of time when cosine_continuous", () => {
  const { alphasCumprod } = noiseSchedule({ betaSchedule: "cosine_continuous" });
  // The logistic function of Hoogeboom et al.'s log-SNR at (t + 1) / T, in Python, float64.
  assertAllClose([0, 1, 250, 499, 999].map((t) => alphasCumprod[t]!), [
    ...[.999995493835, .999986365767, .852245499947, .5, 3.05902226926e-7],
  ], { atol: 0, rtol: 1e-10 });
  // But for its bounds it is cos^2(pi time / 2).
  alphasCumprod.forEach((a, t) =>
    assertAlmostEquals(a, Math.cos(Math.PI / 2 * (t + 1) / 1000) ** 2, 2e-3)
  );
});

Deno.test("logSnr() and alphaCumprodOfLogSnr() are each other's inverse", () => {
  for (const rescaleBetasZeroSnr of [false, true]) {
    const schedule = noiseSchedule({ rescaleBetasZeroSnr, predictionType: "v_prediction" });
    const ratios = logSnr(schedule);
    assertAllClose(ratios.map(alphaCumprodOfLogSnr), schedule.alphasCumprod, { rtol: 1e-12 });
    assertEquals(ratios.at(-1) === -Infinity, rescaleBetasZeroSnr);
  }
  assertAlmostEquals(logSnr(noiseSchedule())[500]!, Math.log(.0843595494), 1e-8);
});

Deno.test("betasOfLogSnr() gives the schedule whose log-SNR it was given", () => {
  const at = (time: number) => 8 - 20 * time;
  const schedule = noiseSchedule({ trainedBetas: betasOfLogSnr(50, at) });
  const expected = Array.from({ length: 50 }, (_, t) => at((t + 1) / 50));
  assertAllClose(logSnr(schedule), expected, { rtol: 1e-9, atol: 1e-9 });
});

Deno.test("betasOfLogSnr() keeps its digits where there is hardly any noise", () => {
  const [first] = betasOfLogSnr(10, (time) => 36 - 30 * time);
  // 1 - 1 / (1 + e^-33), of which float64 would keep one digit.
  assertAlmostEquals(first! / (1 / (1 + Math.exp(33))), 1, 1e-12);
});

Deno.test("log-SNR schedules refuse what is none", () => {
  assertThrows(() => cosineLogSnr(1.1), UserError, "time is 1.1");
  assertThrows(() => cosineLogSnr(.5, { shift: NaN }), UserError, "shift is NaN");
  assertThrows(() => cosineLogSnr(.5, { minLogSnr: 3, maxLogSnr: 2 }), UserError, "in this order");
  assertThrows(() => betasOfLogSnr(4, (time) => time), UserError, "it must fall with time");
  assertThrows(() => betasOfLogSnr(1, (time) => -time), UserError, "numTrainTimesteps is 1");
  assert(cosineLogSnr(1) < cosineLogSnr(0));
});
