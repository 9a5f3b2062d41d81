import { assertAlmostEquals, assertEquals } from "@std/assert";
import {
  MIN_VARIANCE,
  posterior,
  posteriorTables,
  stepVariance,
  type VarianceType,
} from "../../diffusion/posterior.ts";
import { betaSchedules, type NoiseSchedule, noiseSchedule } from "../../diffusion/schedules.ts";
import { assertAllClose } from "../assert_close.ts";

const schedule = noiseSchedule();
const tables = posteriorTables(schedule);
const variancesOf = ({ alphasCumprod, alphasCumprodPrev }: NoiseSchedule) =>
  alphasCumprod.map((a, t) => posterior(a, alphasCumprodPrev[t]!).variance);
const variances = variancesOf(schedule);
const at = [0, 1, 500, 998, 999];

Deno.test("posteriorTables() has the published values when linear", () => {
  const tolerance = { atol: 1e-20, rtol: 1e-8 };
  assertAllClose(
    at.map((t) => variances[t]!),
    [0, 5.45318766e-5, .0100513358, .0199800633, .0199999835],
    tolerance,
  );
  assertAllClose(
    at.map((t) => tables.x0Coefficients[t]!),
    [1, .5452915, .00305805708, 1.29524236e-4, 1.28351487e-4],
    { atol: 0, rtol: 1e-7 },
  );
  assertAllClose(
    at.map((t) =>
      posterior(schedule.alphasCumprod[t]!, schedule.alphasCumprodPrev[t]!).xtCoefficient
    ),
    [0, .454708499, .994104351, .989958723, .989948678],
    tolerance,
  );
});

Deno.test("posteriorTables() has the published variances when cosine", () => {
  const variances = variancesOf(noiseSchedule({ betaSchedule: "squaredcos_cap_v2" }));
  assertAllClose([variances[1]!, variances[999]!], [2.17894961e-5, .998997576], { rtol: 1e-8 });
});

Deno.test("posteriorTables() has the posterior's log variance of t = 1 at t = 0", () => {
  const first = Math.log(5.45318766e-5);
  assertAlmostEquals(tables.logVariancesSmall[0]!, first, 1e-7);
  assertAlmostEquals(tables.logVariancesLarge[0]!, first, 1e-7);
  assertAllClose(tables.logVariancesSmall.subarray(1), variances.subarray(1).map(Math.log));
  assertAllClose(tables.logVariancesLarge.subarray(1), schedule.betas.subarray(1).map(Math.log));
});

Deno.test("posteriorTables() is finite for every schedule", () => {
  for (const betaSchedule of betaSchedules) {
    for (const rescaleBetasZeroSnr of [false, true]) {
      const all = posteriorTables(noiseSchedule({ betaSchedule, rescaleBetasZeroSnr }));
      for (const table of Object.values<Float64Array>({ ...all })) {
        assertEquals(table.findIndex((value) => !Number.isFinite(value)), -1);
      }
    }
  }
});

Deno.test("posterior() has the published mean and deviations at t = 500", () => {
  const { alphasCumprod, alphasCumprodPrev } = schedule;
  const [a, previous] = [alphasCumprod[500]!, alphasCumprodPrev[500]!];
  const { x0Coefficient, xtCoefficient } = posterior(a, previous);
  assertAlmostEquals(x0Coefficient * .7312784969 + xtCoefficient * .3, .3004675966, 1e-10);
  // Equation 11 of Ho et al.: the same mean from the noise.
  const beta = schedule.betas[500]!;
  const fromNoise = (.3 - beta / Math.sqrt(1 - a) * .1) / Math.sqrt(1 - beta);
  assertAlmostEquals(fromNoise, .3004675966, 1e-10);
  assertAlmostEquals(Math.sqrt(stepVariance(a, previous, "fixed_small")), .1002563504, 1e-10);
  assertAlmostEquals(Math.sqrt(stepVariance(a, previous, "fixed_large")), .1002993517, 1e-10);
});

Deno.test("stepVariance() has the published values for any pair of timesteps", () => {
  const variance = (t: number, s: number) =>
    stepVariance(schedule.alphasCumprod[t]!, schedule.alphasCumprod[s] ?? 1, "fixed_small");
  assertAlmostEquals(variance(420, 400), .1477195, 1e-7);
  assertAlmostEquals(variance(980, 960), .3246052, 1e-7);
  assertAlmostEquals(variance(487, 486), .00979157, 1e-8);
  assertAlmostEquals(variance(999, 998), .01999998, 1e-8);
  assertEquals(variance(0, -1), MIN_VARIANCE);
  assertEquals(posterior(.9, .9).variance, 0);
});

Deno.test("stepVariance() is the same for names with and without log", () => {
  const of = (type: Exclude<VarianceType, "learned_range">) => stepVariance(.2, .4, type);
  assertEquals(of("fixed_small_log"), of("fixed_small"));
  assertEquals(of("fixed_large_log"), of("fixed_large"));
  assertAlmostEquals(of("fixed_small"), .375, 1e-12); // (1 - .4) / (1 - .2) * (1 - .2 / .4)
  assertAlmostEquals(of("fixed_large"), .5, 1e-12);
});
