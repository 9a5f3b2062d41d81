import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { snr } from "../../diffusion/loss.ts";
import {
  alphaCumprodOfLogSnr,
  type BetaSchedule,
  betaSchedules,
  betasOfLogSnr,
  cosineLogSnr,
  makeBetas,
  type NoiseSchedule,
  noiseSchedule,
  rescaleZeroTerminalSnr,
  type ScheduleConfig,
} from "../../diffusion/schedules.ts";
import { UserError } from "../../base/errors.ts";
import { assertAllClose } from "../assert_close.ts";
import { fixtureJson, hasFixture } from "../fixtures.ts";

/** The entries of a table at the first two, the middle and the last two timesteps. */
function ends(values: Float64Array): number[] {
  const T = values.length;
  return [0, 1, T / 2, T - 2, T - 1].map((t) => values[t]!);
}

const logSnr = (schedule: NoiseSchedule) => snr(schedule).map(Math.log);

Deno.test("noiseSchedule() agrees with the reference tables when given their settings", {
  ignore: !hasFixture("schedules.json"),
}, async () => {
  const { forward: _, ...tables } = await fixtureJson("schedules.json");
  assert(Object.keys(tables).length >= 5);
  const suffix = "_zero_terminal_snr";
  for (const [name, table] of Object.entries<Record<string, number & number[]>>(tables)) {
    const betaSchedule = name.replace(suffix, "") as BetaSchedule;
    assert(betaSchedules.includes(betaSchedule), `no schedule for the table ${name}`);
    const config: ScheduleConfig = { betaSchedule, numTrainTimesteps: table["T"]! };
    if ("beta_start" in table) config.betaStart = table["beta_start"]!;
    if ("beta_end" in table) config.betaEnd = table["beta_end"]!;
    config.rescaleBetasZeroSnr = name.endsWith(suffix);
    const schedule = noiseSchedule(config);
    // The tables are float32; with zero terminal SNR they are quotients of differences of float32 numbers.
    assertAllClose(schedule.betas, table["betas"]!, { atol: 2e-6, rtol: 2e-5, message: name });
    const expected = table["alphas_cumprod"]!;
    assertAllClose(schedule.alphasCumprod, expected, { atol: 2e-9, rtol: 2e-4, message: name });
    assertAllClose(schedule.alphasCumprod, expected, { atol: 2e-6, rtol: 0, message: name });
  }
});

Deno.test("noiseSchedule() has the published values when linear", () => {
  const { betas, alphas, alphasCumprod, alphasCumprodPrev } = noiseSchedule();
  const expected = [1e-4, 1.1991992e-4, .01005996, .0199800801, .02];
  assertAllClose(ends(betas), expected, { atol: 0, rtol: 1e-7 });
  assertAlmostEquals(betas.reduce((sum, beta) => sum + beta), 10.05, 1e-10);
  assertAllClose(alphas, betas.map((beta) => 1 - beta), { atol: 0, rtol: 0 });
  assertAllClose(
    ends(alphasCumprod),
    [.9999, .999780092, .0777966584, 4.11819364e-5, 4.03582977e-5],
    { atol: 0, rtol: 1e-8 },
  );
  assertEquals(alphasCumprodPrev[0], 1);
  assertEquals(alphasCumprodPrev.subarray(1), alphasCumprod.subarray(0, -1));
});

Deno.test("noiseSchedule() has the published values when cosine", () => {
  const cosine = (numTrainTimesteps: number) =>
    noiseSchedule({ betaSchedule: "squaredcos_cap_v2", numTrainTimesteps });
  const { betas, alphasCumprod } = cosine(1000);
  assertAllClose(
    ends(betas),
    [4.12842248e-5, 4.61417527e-5, .00315569144, .749999393, .999],
    { atol: 0, rtol: 1e-8 },
  );
  assertAllClose(
    ends(alphasCumprod),
    [.999958716, .999912576, .492285172, 2.42876691e-6, 2.42876691e-9],
    { atol: 0, rtol: 1e-8 },
  );
  // deno-fmt-ignore
  const ten = [.0279072629, .0754936373, .124395986, .177189525, .23728153, .30988344, .404003143,
    .536998178, .743829367, .999];
  assertAllClose(cosine(10).betas, ten, { atol: 0, rtol: 1e-8 });
  assertAllClose(cosine(4).betas, [.152987839, .416958088, .707858712, .999], { rtol: 1e-8 });
  assertAllClose(
    ends(cosine(300).betas),
    [1.5649628e-4, 2.10467707e-4, .0105183224, .749993254, .999],
    { atol: 0, rtol: 1e-8 },
  );
});

Deno.test("noiseSchedule() has the published values when linear over 300 or scaled-linear", () => {
  const short = noiseSchedule({ numTrainTimesteps: 300 });
  assertAlmostEquals(short.alphasCumprod[299]!, .0480584289, 1e-10);
  const { alphasCumprod } = noiseSchedule({
    betaSchedule: "scaled_linear",
    betaStart: .00085,
    betaEnd: .012,
  });
  assertAlmostEquals(alphasCumprod[0]!, .99915, 1e-10);
  assertAlmostEquals(alphasCumprod[500]!, .276332684, 1e-9);
  assertAlmostEquals(alphasCumprod[999]!, .00466009851, 1e-10);
});

Deno.test("noiseSchedule() has the values of Ho et al.'s code when quadratic", () => {
  // beta_schedule "quad": the square of a linspace of roots, in numpy, float64.
  const { betas, alphasCumprod } = noiseSchedule({ betaSchedule: "quadratic" });
  const at = (values: Float64Array, ...timesteps: number[]) => timesteps.map((t) => values[t]!);
  assertAllClose(
    at(betas, 0, 1, 500, 999),
    [1e-4, 1.02648364351e-4, .00574207106769, .02],
    { atol: 0, rtol: 1e-11 },
  );
  assertAllClose(
    at(alphasCumprod, 0, 500, 999),
    [.9999, .331274579517, 7.33412459581e-4],
    { atol: 0, rtol: 1e-10 },
  );
});

Deno.test("noiseSchedule() adds as much noise in T steps as in 1000 when linear_scaled_to_t", () => {
  // Nichol and Dhariwal's linear schedule, scaled by 1000 / T, in numpy, float64.
  const of = (numTrainTimesteps: number) => {
    const schedule = noiseSchedule({ betaSchedule: "linear_scaled_to_t", numTrainTimesteps });
    const { betas, alphasCumprod: a } = schedule;
    const middle = numTrainTimesteps / 2;
    return [betas[0]!, betas[middle]!, betas.at(-1)!, a[middle]!, a.at(-1)!];
  };
  assertAllClose(
    of(100),
    [.001, .101505050505, .2, .0666656268183, 2.03900897556e-5],
    { atol: 0, rtol: 1e-10 },
  );
  assertAllClose(
    of(4000),
    [2.5e-5, .00251312203051, .005, .0787464752243, 4.2466522758e-5],
    { atol: 0, rtol: 1e-10 },
  );
  assertEquals(
    noiseSchedule({ betaSchedule: "linear_scaled_to_t" }).betas,
    noiseSchedule({ betaSchedule: "linear" }).betas,
  );
  assertThrows(() => of(10), UserError, "for linear_scaled_to_t, the number of timesteps");
});

Deno.test("rescaleZeroTerminalSnr() ends in pure noise and keeps the first timestep", () => {
  const betas = rescaleZeroTerminalSnr(makeBetas("linear", 1000));
  assertAllClose(ends(betas), [1e-4, 1.20686636e-4, .0102926174, .752267231, 1], { rtol: 1e-8 });
  const { alphasCumprod } = noiseSchedule({ rescaleBetasZeroSnr: true });
  assertEquals(alphasCumprod[999], 0);
  assertAlmostEquals(alphasCumprod[0]!, .9999, 1e-12);
});

Deno.test("noiseSchedule() uses trainedBetas unchanged when given", () => {
  const { betas, numTrainTimesteps, alphasCumprod } = noiseSchedule({
    trainedBetas: [.125, .25, .5],
  });
  assertEquals([...betas], [.125, .25, .5]);
  assertEquals(numTrainTimesteps, 3);
  assertEquals(alphasCumprod[2], .328125);
});

Deno.test("noiseSchedule() gives the same schedule when given its own resolved config", () => {
  for (const betaSchedule of betaSchedules) {
    const schedule = noiseSchedule({ betaSchedule, numTrainTimesteps: 20 });
    assertEquals(noiseSchedule(schedule.config), schedule);
  }
});

Deno.test("noiseSchedule() throws when a setting is out of range", () => {
  const refuses = (config: ScheduleConfig, message: string) =>
    assertThrows(() => noiseSchedule(config), UserError, message);
  refuses(
    { numTrainTimesteps: 1 },
    "numTrainTimesteps is 1; it must be an integer from 2 to 100000",
  );
  refuses({ numTrainTimesteps: 10.5 }, "numTrainTimesteps is 10.5");
  refuses(
    { betaSchedule: "cosine" as BetaSchedule },
    'betaSchedule is "cosine"; it must be one of',
  );
  refuses({ predictionType: "x0" as "sample" }, "epsilon, sample, v_prediction");
  refuses({ betaEnd: 1.5 }, "betas must lie between 0 and 1");
  refuses({ betaStart: 0 }, "beta at timestep 0 is 0");
  refuses({ betaEnd: NaN }, "NaN");
  refuses({ trainedBetas: [.1, 1, .1] }, "beta at timestep 1 is 1");
  refuses({ trainedBetas: [.1, .2], numTrainTimesteps: 3 }, "2 numbers for 3 timesteps");
});

Deno.test("cosineLogSnr() has the values of Hoogeboom et al.'s formula", () => {
  // Algorithm 1's logsnr_schedule_cosine in Python, float64.
  const times = [0, .1, .25, .5, .9, 1];
  const expected = [15, 3.67974043498, 1.76118324774, 0, -3.67974043498, -15];
  assertAllClose(times.map((time) => cosineLogSnr(time)), expected, { atol: 1e-11, rtol: 1e-11 });
});

Deno.test("noiseSchedule() is a squared cosine of time when cosine_continuous", () => {
  const { alphasCumprod } = noiseSchedule({ betaSchedule: "cosine_continuous" });
  // The logistic function of Hoogeboom et al.'s log-SNR at (t + 1) / T, in Python, float64.
  assertAllClose([0, 1, 250, 499, 999].map((t) => alphasCumprod[t]!), [
    .999995493835,
    .999986365767,
    .852245499947,
    .5,
    3.05902226926e-7,
  ], { atol: 0, rtol: 1e-10 });
  // Without the bounds it would be cos^2(pi time / 2).
  alphasCumprod.forEach((a, t) =>
    assertAlmostEquals(a, Math.cos(Math.PI / 2 * (t + 1) / 1000) ** 2, 2e-3)
  );
});

Deno.test("alphaCumprodOfLogSnr() inverts the log-SNR of a schedule", () => {
  for (const rescaleBetasZeroSnr of [false, true]) {
    const schedule = noiseSchedule({ rescaleBetasZeroSnr, predictionType: "v_prediction" });
    const ratios = logSnr(schedule);
    assertAllClose(ratios.map(alphaCumprodOfLogSnr), schedule.alphasCumprod, { rtol: 1e-12 });
    assertEquals(ratios.at(-1) === -Infinity, rescaleBetasZeroSnr);
  }
  assertAlmostEquals(logSnr(noiseSchedule())[500]!, Math.log(.0843595494), 1e-8);
});

Deno.test("betasOfLogSnr() gives betas whose schedule has the given log-SNR", () => {
  const at = (time: number) => 8 - 20 * time;
  const schedule = noiseSchedule({ trainedBetas: betasOfLogSnr(50, at) });
  const expected = Array.from({ length: 50 }, (_, t) => at((t + 1) / 50));
  assertAllClose(logSnr(schedule), expected, { rtol: 1e-9, atol: 1e-9 });
});

Deno.test("betasOfLogSnr() keeps full precision when there is hardly any noise", () => {
  const [first] = betasOfLogSnr(10, (time) => 36 - 30 * time);
  // 1 - 1 / (1 + e^-33); the subtraction in float64 would leave one digit.
  assertAlmostEquals(first! / (1 / (1 + Math.exp(33))), 1, 1e-12);
});

Deno.test("betasOfLogSnr() throws when an argument is out of range", () => {
  assertThrows(() => betasOfLogSnr(4, (time) => time), UserError, "it must fall with time");
  assertThrows(() => betasOfLogSnr(1, (time) => -time), UserError, "numTrainTimesteps is 1");
});
