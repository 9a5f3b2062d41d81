/** Heun's method for the probability flow (Karras et al. 2022, algorithm 1). */
import { requireOneOf } from "../../base/checks.ts";
import { eulerTerms } from "./euler.ts";
import { startSample } from "./plan.ts";
import { predict } from "./predict.ts";
import { planSigmas, type SigmaStep } from "./sigmas.ts";
import { combine } from "./terms.ts";
import { type Sampler, type SamplerSteps, slopeVariables } from "./types.ts";

/**
 * Samples as {@linkcode euler}, but with the mean of the slopes at both ends of a step. A step takes two
 * network evaluations, the last one takes one: 2 S - 1 in all. Each evaluation yields: first the result
 * of Euler's method, then that of the mean slope.
 *
 * @param options `slopeVariable` "sigma" is Karras's method and diffusers'. It fails where sigma falls by a
 * large factor in one step, as at the start of cosine schedules, where sigma is 20,000: take "angle" there.
 */
export const heun: Sampler = async function* (denoise, xT, schedule, options = {}): SamplerSteps {
  const { slopeVariable = "sigma" } = options;
  requireOneOf("slopeVariable", slopeVariable, slopeVariables);
  const plan = planSigmas(schedule, options, "continuous");
  const steps = 2 * plan.length - 1;
  let x = startSample(plan, xT, options);
  for (const [i, at] of plan.entries()) {
    const step = 2 * i;
    const { x0 } = await predict(denoise, x, { ...at, step, steps }, schedule, options);
    const euler = combine(...eulerTerms(at, x, x0));
    yield { step, timestep: at.timestep, sample: euler.slice(), predictedX0: x0.slice() };
    const nextLevel = plan[i + 1];
    if (nextLevel === undefined) return; // the slope at sigma 0 is not defined (algorithm 1, line 6)
    const end = { ...nextLevel, step: step + 1, steps };
    const next = await predict(denoise, euler, end, schedule, options);
    x = slopeVariable === "sigma"
      ? meanSlopeOverSigma(at, { x, x0 }, { x: euler, x0: next.x0 })
      : meanSlopeOverAngle(at, { x, x0 }, { x: euler, x0: next.x0 });
    const { timestep } = end;
    yield { step: end.step, timestep, sample: x.slice(), predictedX0: next.x0.slice() };
  }
};

/** The samples at one end of a step, and the clean samples that were predicted there [B, ...]. */
interface End {
  readonly x: Float32Array;
  readonly x0: Float32Array;
}

/** y_next = y + (sigmaNext - sigma) / 2 ((y - x0) / sigma + (yNext - x0Next) / sigmaNext), y = x / alpha. */
function meanSlopeOverSigma(at: SigmaStep, start: End, end: End): Float32Array {
  const half = (at.sigmaNext - at.sigma) / 2;
  const [alpha, alphaNext] = [Math.sqrt(at.alphaCumprod), Math.sqrt(at.alphaCumprodPrev)];
  return combine(
    [alphaNext * (1 + half / at.sigma) / alpha, start.x],
    [-alphaNext * half / at.sigma, start.x0],
    [half / at.sigmaNext, end.x],
    [-alphaNext * half / at.sigmaNext, end.x0],
  );
}

/**
 * With the angle arctan(sigma), x = cos(angle) x0 + sin(angle) noise, and dx / dangle is the velocity
 * v = cos(angle) noise - sin(angle) x0 = (cos(angle) x - x0) / sin(angle) (Salimans and Ho 2022, appendix D).
 */
function meanSlopeOverAngle(at: SigmaStep, start: End, end: End): Float32Array {
  const half = (Math.atan(at.sigmaNext) - Math.atan(at.sigma)) / 2;
  const [cos, cosNext] = [Math.sqrt(at.alphaCumprod), Math.sqrt(at.alphaCumprodPrev)];
  const [sin, sinNext] = [Math.sqrt(1 - at.alphaCumprod), Math.sqrt(1 - at.alphaCumprodPrev)];
  return combine(
    [1 + half * cos / sin, start.x],
    [-half / sin, start.x0],
    [half * cosNext / sinNext, end.x],
    [-half / sinNext, end.x0],
  );
}
