import { assert, assertAlmostEquals, assertThrows } from "@std/assert";
import {
  approximateNormalCdf,
  discretizedGaussianLogLikelihood,
  gaussianKl,
  normalCdf,
  requirePixels,
} from "../../diffusion/likelihood.ts";
import { UserError } from "../../base/errors.ts";
import { assertAllClose } from "../assert_close.ts";

Deno.test("gaussianKl() has the published values", () => {
  // Nichol and Dhariwal's normal_kl at two points, computed from its formula.
  assertAlmostEquals(gaussianKl(0, 0, 1, 1), .367879441, 1e-9);
  assertAlmostEquals(gaussianKl(.5, -1, 0, 0), .308939721, 1e-9);
});

Deno.test("gaussianKl() equals the numerical integral", () => {
  const [m1, l1, m2, l2] = [.3, -.5, -.4, .7];
  const logDensity = (x: number, m: number, l: number) =>
    -.5 * (Math.log(2 * Math.PI) + l + (x - m) ** 2 / Math.exp(l));
  let integral = 0;
  const width = .001;
  for (let x = -12; x < 12; x += width) {
    const p = logDensity(x, m1, l1);
    integral += width * Math.exp(p) * (p - logDensity(x, m2, l2));
  }
  assertAlmostEquals(gaussianKl(m1, l1, m2, l2), integral, 1e-9);
});

Deno.test("gaussianKl() keeps full precision when the variances are almost equal", () => {
  // (e^r - r - 1) / 2 is r^2 / 4 for a small r, which exp(r) - 1 would lose entirely.
  assertAlmostEquals(gaussianKl(0, 1e-7, 0, 0) / 2.5e-15, 1, .05);
});

Deno.test("normalCdf() has scipy's values to a relative 1e-13, also in the lower tail", () => {
  // scipy.stats.norm.cdf of scipy 1.17.
  const table = new Map([
    [-20, 2.7536241186061556e-89],
    [-8, 6.2209605742717405e-16],
    [-3.5, .00023262907903552502],
    [-3, .0013498980316300933],
    [-1, .15865525393145707],
    [-.1, .46017216272297101],
    [0, .5],
    [.5, .69146246127401312],
    [2.9, .99813418669961596],
    [3, .9986501019683699],
    [5, .99999971334842808],
  ]);
  const xs = [...table.keys()];
  assertAllClose(xs.map(normalCdf), [...table.values()], { atol: 0, rtol: 1e-13 });
  assert(Number.isNaN(normalCdf(NaN)));
});

Deno.test("approximateNormalCdf() stays within 3e-4 of the distribution function", () => {
  let worst = 0;
  for (let x = -8; x <= 8; x += .01) {
    worst = Math.max(worst, Math.abs(approximateNormalCdf(x) - normalCdf(x)));
  }
  assert(worst < 3e-4 && worst > 1e-4, `${worst}`);
});

Deno.test("discretizedGaussianLogLikelihood() has the published values", () => {
  const value = (x: number, mean: number, scale: number) =>
    discretizedGaussianLogLikelihood(x, mean, Math.log(scale));
  assertAlmostEquals(value(0, 0, .01), -1.18737117, 1e-8);
  assertAlmostEquals(value(-1, -.9, .1), -1.78096872, 1e-8);
  assertAlmostEquals(value(1, .9, .1), -1.78096872, 1e-8);
});

Deno.test("discretizedGaussianLogLikelihood() has scipy's value with the exact distribution", () => {
  // log(cdf(1 / 2.55) - cdf(-1 / 2.55)) of scipy 1.17.
  const value = discretizedGaussianLogLikelihood(0, 0, Math.log(.01), { cdf: normalCdf });
  assertAlmostEquals(value, -1.187254389, 1e-9);
});

Deno.test("discretizedGaussianLogLikelihood() has probabilities that sum to 1 over the 256 values", () => {
  for (const cdf of [approximateNormalCdf, normalCdf]) {
    for (const [mean, scale] of [[0, .1], [-.95, .3], [1.4, .5], [.2, 5]] as const) {
      let sum = 0;
      for (let pixel = 0; pixel < 256; pixel++) {
        const options = { cdf };
        const x = pixel / 127.5 - 1;
        sum += Math.exp(discretizedGaussianLogLikelihood(x, mean, Math.log(scale), options));
      }
      assertAlmostEquals(sum, 1, 1e-8, `mean ${mean}, scale ${scale}`);
    }
  }
});

Deno.test("discretizedGaussianLogLikelihood() is finite when the probability is 0", () => {
  assertAlmostEquals(discretizedGaussianLogLikelihood(-1, 1, -9), Math.log(1e-12), 1e-9);
});

Deno.test("requirePixels() names the first number that is out of range", () => {
  requirePixels([-1, 0, 1]);
  assertThrows(() => requirePixels([0, 255, 3]), UserError, "x0[1] is 255");
  assertThrows(() => requirePixels([NaN]), UserError, "x0[0] is NaN");
});
