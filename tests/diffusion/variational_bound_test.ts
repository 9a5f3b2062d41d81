/** The bound against closed forms for Gaussian pixels, whose optimal denoiser is known. */
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { bitsPerDimension } from "../../diffusion/bits_per_dimension.ts";
import { joinLearnedVariance, varianceRanges } from "../../diffusion/learned_variance.ts";
import { gaussianKl, normalCdf } from "../../diffusion/likelihood.ts";
import { posterior, posteriorTables } from "../../diffusion/posterior.ts";
import type { Denoiser } from "../../diffusion/samplers/types.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import {
  type BoundVarianceType,
  priorBits,
  variationalBound,
} from "../../diffusion/variational_bound.ts";
import { UserError } from "../../base/errors.ts";
import { randomStream } from "../../nn/random.ts";
import { assertAllClose } from "../assert_close.ts";

const pixel = (value: number) => value / 127.5 - 1;

Deno.test("variationalBound() has torch's terms when variances are learned", () => {
  // Nichol and Dhariwal 2021's terms in torch 2.15, float64, for the first two rows of
  // hybrid_loss_test.ts.
  const schedule = noiseSchedule({ numTrainTimesteps: 20, betaSchedule: "squaredcos_cap_v2" });
  const rows = [
    { t: 0, x0: [0, 64, 255], noise: [.3, -.7, 1.1], output: [.2, -.5, .9], v: [-.4, .3, .8] },
    { t: 7, x0: [200, 10, 127], noise: [-.2, .5, .9], output: [-.1, .4, .6], v: [-1, 0, 1] },
  ];
  for (const [i, { t, x0, noise, output, v }] of rows.entries()) {
    const clean = x0.map(pixel);
    const a = schedule.alphasCumprod[t]!;
    const xt = clean.map((x, i) => Math.sqrt(a) * x + Math.sqrt(1 - a) * noise[i]!);
    const { bits } = variationalBound(schedule, {
      x0: clean,
      xt,
      timestep: t,
      modelOutput: output,
      v,
      batchSize: 1,
    }, { varianceType: "learned_range", clipSample: false });
    assertAlmostEquals(bits[0]!, [2.200949915, .01609529977][i]!, 1e-8);
  }
});

Deno.test("variationalBound() is the divergence of the variances when the denoiser knows x0", () => {
  const schedule = noiseSchedule({ predictionType: "sample" });
  const inputs = { x0: [.2, -.4], xt: [1, 2], timestep: 300, modelOutput: [.2, -.4], batchSize: 2 };
  const small = variationalBound(schedule, inputs, { varianceType: "fixed_small" });
  assertAllClose(small.bits, [0, 0], { atol: 1e-15 });
  assertAllClose(small.x0Mse, [0, 0]);
  // KL between two variances: (r - 1 - log r) / 2 with r the ratio of the posterior's to beta.
  const { alphasCumprod: a } = schedule;
  const ratio = (1 - a[299]!) / (1 - a[300]!);
  const expected = (ratio - 1 - Math.log(ratio)) / 2 / Math.LN2;
  const large = variationalBound(schedule, inputs, { varianceType: "fixed_large" });
  assertAllClose(large.bits, [expected, expected], { rtol: 1e-6, atol: 0 });
});

Deno.test("priorBits() has the published value and is 0 when the terminal SNR is zero", () => {
  assertAllClose(priorBits(noiseSchedule(), [.5, .5, .5, .5], 2), [7.27868e-6, 7.27868e-6], {
    rtol: 1e-5,
    atol: 0,
  });
  const schedule = noiseSchedule({ rescaleBetasZeroSnr: true, predictionType: "v_prediction" });
  assertAllClose(priorBits(schedule, [.5, -1], 1), [0], { atol: 1e-15 });
});

const [MEAN, DEVIATION] = [.1, .15];

/** The optimal epsilon prediction for normal x0. */
function gaussianDenoiser(alphasCumprod: Float64Array): Denoiser {
  return (x, t) => {
    const a = alphasCumprod[t]!;
    const scale = Math.sqrt(1 - a) / (a * DEVIATION ** 2 + 1 - a);
    return Promise.resolve(x.map((value) => scale * (value - Math.sqrt(a) * MEAN)));
  };
}

/**
 * Pixels of 256 values at the quantiles of a normal distribution, without randomness. Each occurs twice
 * in succession, for noise of both signs.
 */
function gaussianPixels(count: number): Float32Array {
  const table = Array.from({ length: 256 }, (_, k) => k)
    .map((k) => normalCdf((pixel(k) + 1 / 255 - MEAN) / DEVIATION));
  return Float32Array.from({ length: count }, (_, i) => {
    const k = table.findIndex((cdf) => cdf > (Math.floor(i / 2) + .5) / (count / 2));
    return pixel(k < 0 ? 255 : k);
  });
}

/**
 * Numbers with the mean and the variance of standard normal ones. The terms of a linear denoiser depend
 * on these two only, so they equal their expectation exactly.
 */
const signs = (length: number) => Float32Array.from({ length }, (_, i) => i % 2 === 0 ? 1 : -1);

/** The entropy of such a pixel in bits, the length of the best lossless code. */
function entropy(): number {
  let bits = 0;
  for (let k = 0; k < 256; k++) {
    const cdf = (edge: number) => normalCdf((edge - MEAN) / DEVIATION);
    const p = (k === 255 ? 1 : cdf(pixel(k) + 1 / 255)) - (k === 0 ? 0 : cdf(pixel(k) - 1 / 255));
    if (p > 0) bits -= p * Math.log2(p);
  }
  return bits;
}

/** The variance of x0 given x_t. */
const uncertainty = (a: number, spread = DEVIATION ** 2) => spread * (1 - a) / (a * spread + 1 - a);

/** The bound of such pixels. */
async function boundOf(T: number, varianceType: BoundVarianceType) {
  const schedule = noiseSchedule({ numTrainTimesteps: T, betaEnd: 20 / T });
  const denoise = gaussianDenoiser(schedule.alphasCumprod);
  const { low, high } = varianceRanges(schedule);
  // The optimal variance is known too: the posterior's plus the contribution of x0's uncertainty.
  const withVariance: Denoiser = async (x, t) => {
    const [a, b] = [schedule.alphasCumprod[t]!, schedule.alphasCumprodPrev[t]!];
    const { x0Coefficient, variance } = posterior(a, b);
    const best = Math.log(variance + x0Coefficient ** 2 * uncertainty(a));
    const v = 2 * (best - low[t]!) / (high[t]! - low[t]!) - 1;
    return joinLearnedVariance(await denoise(x, t), x.map(() => v), 1);
  };
  const learned = varianceType === "learned_range";
  return await bitsPerDimension(learned ? withVariance : denoise, gaussianPixels(4000), schedule, {
    batchSize: 1,
    clipSample: false,
    cdf: normalCdf,
    varianceType,
    noise: signs,
    channels: learned ? 1 : undefined,
  });
}

Deno.test("bitsPerDimension() is the entropy of Gaussian pixels when the model is optimal", async () => {
  const exact = entropy();
  assertAlmostEquals(exact, Math.log2(DEVIATION * Math.sqrt(2 * Math.PI * Math.E) * 127.5), 1e-3);
  // All reverse steps are then normal distributions, so nothing is lost for any number of steps.
  for (const T of [100, 400]) {
    const { total, prior } = await boundOf(T, "learned_range");
    assertAlmostEquals(total, exact, .01, `${T} timesteps`);
    assert(prior < 1e-3);
  }
});

Deno.test("bitsPerDimension() is larger by the loss of fixed variances", async () => {
  const exact = entropy();
  for (const varianceType of ["fixed_small", "fixed_large"] as const) {
    const { total, bits } = await boundOf(100, varianceType);
    const schedule = noiseSchedule({ numTrainTimesteps: 100, betaEnd: .2 });
    const tables = posteriorTables(schedule);
    let lost = 0;
    for (let t = 0; t < 100; t++) {
      const [a, b] = [schedule.alphasCumprod[t]!, schedule.alphasCumprodPrev[t]!];
      const { x0Coefficient, variance } = posterior(a, b);
      const best = variance + x0Coefficient ** 2 * uncertainty(a);
      const logs =
        tables[varianceType === "fixed_small" ? "logVariancesSmall" : "logVariancesLarge"];
      lost += gaussianKl(0, Math.log(best), 0, logs[t]!) / Math.LN2;
    }
    assert(lost > .1, `${lost}`);
    assertAlmostEquals(total, exact + lost, .02, varianceType);
    assertEquals(bits.length, 100);
  }
});

Deno.test("bitsPerDimension() has the expected term of every timestep", async () => {
  const { timesteps, bits, x0Mse } = await boundOf(100, "fixed_small");
  const schedule = noiseSchedule({ numTrainTimesteps: 100, betaEnd: .2 });
  const spread = gaussianPixels(4000).reduce((sum, x) => sum + (x - MEAN) ** 2, 0) / 4000;
  timesteps.forEach((t, i) => {
    if (t === 0) return;
    const [a, b] = [schedule.alphasCumprod[t]!, schedule.alphasCumprodPrev[t]!];
    // The error of the predicted x0 for the pixels' actual variance, which is close to the nominal one.
    const gain = Math.sqrt(a) * DEVIATION ** 2 / (a * DEVIATION ** 2 + 1 - a);
    const error = (1 - gain * Math.sqrt(a)) ** 2 * spread + gain ** 2 * (1 - a);
    assertAlmostEquals(error / uncertainty(a), 1, .01);
    const { x0Coefficient, variance } = posterior(a, b);
    const expected = x0Coefficient ** 2 * error / (2 * variance) / Math.LN2;
    assertAlmostEquals(bits[i]! / expected, 1, 1e-4, `bits at timestep ${t}`);
    assertAlmostEquals(x0Mse[i]! / error, 1, 1e-4, `error of x0 at timestep ${t}`);
  });
});

Deno.test("bitsPerDimension() extrapolates when only some timesteps are evaluated", async () => {
  const schedule = noiseSchedule({ numTrainTimesteps: 200, betaSchedule: "cosine_continuous" });
  const denoise = gaussianDenoiser(schedule.alphasCumprod);
  const options = {
    batchSize: 2,
    noise: (n: number, t: number) => randomStream(4).at(t).normal(n),
    varianceType: "fixed_small" as const,
    clipSample: false,
  };
  const pixels = gaussianPixels(500);
  const all = await bitsPerDimension(denoise, pixels, schedule, options);
  const third = await bitsPerDimension(denoise, pixels, schedule, {
    ...options,
    timesteps: [0, ...Array.from({ length: 67 }, (_, i) => 1 + 3 * i)],
  });
  // By hand: the evaluated terms, scaled to all 199.
  const terms = all.bits.toReversed(); // rising
  let sum = 0;
  for (let i = 0; i < 67; i++) sum += terms[1 + 3 * i]!;
  assertAlmostEquals(third.total, all.prior + terms[0]! + sum * 199 / 67, 1e-9);
  assertAlmostEquals((all.totals[0]! + all.totals[1]!) / 2, all.total, 1e-12);
});

Deno.test("bitsPerDimension() and variationalBound() throw when an input is invalid", async () => {
  const schedule = noiseSchedule({ numTrainTimesteps: 20 });
  const denoise = gaussianDenoiser(schedule.alphasCumprod);
  const base = { batchSize: 1, noise: (n: number) => new Float32Array(n) };
  const refuses = (options: object, message: string, x0 = [0, .5], model = denoise) =>
    assertRejects(
      () => bitsPerDimension(model, Float32Array.from(x0), schedule, { ...base, ...options }),
      UserError,
      message,
    );
  await refuses({ timesteps: [0, 0, 3] }, "repeat; give each one once");
  await refuses({ timesteps: [3, 4] }, "must contain 0");
  await refuses({ timesteps: [0, 20] }, "timestep is 20");
  await refuses({ varianceType: "learned_range" }, "need `channels`");
  await refuses({ varianceType: "learned_range", channels: 1 }, "must return twice as many");
  await refuses({ batchSize: 3 }, "cannot be divided among 3 examples");
  await refuses({}, "x0[1] is 128", [0, 128]);
  await refuses({}, "not finite", [0, .5], (x) => Promise.resolve(x.map(() => NaN)));
  assertThrows(
    () =>
      variationalBound(schedule, {
        x0: [0, 0],
        xt: [0, 0],
        timestep: 3,
        modelOutput: [0, 0],
        batchSize: 1,
      }, { varianceType: "learned_range" }),
    UserError,
    "as many numbers of v as of x0: 2, not 0",
  );
});
