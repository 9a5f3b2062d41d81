/** UniPC (Zhao et al. 2023, "UniPC: A Unified Predictor-Corrector Framework"), with x0 predictions. */
import { requireInteger, requireOneOf } from "../../base/checks.ts";
import type { PastPrediction } from "./dpmpp_multistep.ts";
import { startSample } from "./plan.ts";
import { predict } from "./predict.ts";
import { planSigmas } from "./sigmas.ts";
import { solverWeights } from "./solver_weights.ts";
import { combine, type Term } from "./terms.ts";
import { type Sampler, type SamplerSteps, solverTypes } from "./types.ts";

/** The start of a solver step. */
interface StepStart {
  /** The last predictions [order], newest first. */
  readonly predictions: readonly PastPrediction[];
  /** The samples [B, ...]. */
  readonly x: Float32Array;
}

/**
 * Samples with a multistep predictor. The next step's prediction of x0 corrects its result, without a
 * further network evaluation (algorithms 5 to 8). The yielded samples are the predictor's; the correction
 * enters with the next step.
 *
 * @param options `solverType` is "bh1", meant for very few steps without guidance, or "bh2".
 */
export const uniPC: Sampler = async function* (denoise, xT, schedule, options = {}): SamplerSteps {
  const { solverOrder = 2, solverType = "bh2", lowerOrderFinal = true } = options;
  requireInteger("solverOrder", solverOrder, 1, 3);
  const bh1 = requireOneOf("solverType", solverType, solverTypes) === "bh1";
  const plan = planSigmas(schedule, options, "solver");
  let predictions: PastPrediction[] = [];
  let x = startSample(plan, xT, options);
  let last: StepStart | undefined;
  for (const at of plan) {
    const { sigma, sigmaNext } = at;
    const { x0 } = await predict(denoise, x, at, schedule, options);
    if (last !== undefined) x = update(last, sigma, bh1, { x0, sigma });
    predictions = [{ x0, sigma }, ...predictions].slice(0, solverOrder);
    // A clean sample is x0 alone, and a step of length 0 has no slope.
    const single = sigmaNext === 0 || sigmaNext === sigma;
    const order = single ? 1 : lowerOrderFinal ? plan.length - at.step : solverOrder;
    last = { predictions: predictions.slice(0, order), x };
    x = update(last, sigmaNext, bh1);
    yield { step: at.step, timestep: at.timestep, sample: x.slice(), predictedX0: x0.slice() };
  }
};

/**
 * The step to sigmaNext (equations 3 and 8, with the weights of theorem 3.1).
 *
 * @param target The prediction at the end of the step, for the corrector.
 */
function update(
  { predictions, x }: StepStart,
  sigmaNext: number,
  bh1: boolean,
  target?: PastPrediction,
): Float32Array {
  const [now, ...earlier] = predictions;
  const { h, x: ofX, d0 } = solverWeights(now!.sigma, sigmaNext, false);
  const others = target === undefined ? earlier : [...earlier, target];
  if (others.length === 0) return combine([ofX, x], [d0, now!.x0]);
  const alpha = 1 / Math.sqrt(1 + sigmaNext ** 2);
  const b = bh1 ? -h : Math.expm1(-h);
  const ratios = others.map(({ sigma }) => Math.log(now!.sigma / sigma) / h);
  let phi = Math.expm1(-h) / -h - 1;
  let factorial = 1;
  const right = ratios.map((_, k) => {
    const value = phi * factorial / b;
    factorial *= k + 2;
    phi = phi / -h - 1 / factorial;
    return value;
  });
  // With one ratio the paper uses 1/2, which has the same order of accuracy.
  const rho = others.length === 1
    ? [.5]
    : solveLinear(ratios.map((_, k) => ratios.map((ratio) => ratio ** k)), right);
  const factors = rho.map((value, k) => -alpha * b * value / ratios[k]!);
  const terms = others.map((other, k): Term => [factors[k]!, other.x0]);
  return combine([ofX, x], [d0 - factors.reduce((sum, f) => sum + f), now!.x0], ...terms);
}

/** Solves linear equations [n, n] with right sides [n] by Gauss-Jordan elimination with pivoting. */
export function solveLinear(
  matrix: readonly (readonly number[])[],
  right: readonly number[],
): number[] {
  const n = right.length;
  const rows = matrix.map((row, i) => [...row, right[i]!]); // [n, n + 1]
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) {
      if (Math.abs(rows[i]![k]!) > Math.abs(rows[pivot]![k]!)) pivot = i;
    }
    [rows[k], rows[pivot]] = [rows[pivot]!, rows[k]!];
    for (let i = 0; i < n; i++) {
      if (i === k) continue;
      const factor = rows[i]![k]! / rows[k]![k]!;
      for (let j = k; j <= n; j++) rows[i]![j]! -= factor * rows[k]![j]!;
    }
  }
  return rows.map((row, k) => row[n]! / row[k]!);
}
