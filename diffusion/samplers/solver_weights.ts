/** The weights of a step of DPM-Solver++. */

/** See {@linkcode solverWeights}. */
export type SolverWeights = ReturnType<typeof solverWeights>;

/**
 * The exact solution of a step from s to t for a Taylor series of x0 in lambda, the half log SNR (Lu et
 * al. 2022, "DPM-Solver++", equations 8 and 9; section 5 with noise). With h = lambda_t - lambda_s,
 *
 *     x_t = sigma_t / sigma_s x_s + alpha_t int_0^h e^(u - h) x0(lambda_s + u) du
 *
 * With noise, 2h replaces h in the integral, x_s has the further factor e^-h, and noise of variance
 * sigma_t^2 (1 - e^(-2h)) is added. The weights of the derivatives are phi functions.
 *
 * @param sigma Noise over signal at the start of the step, positive.
 * @param sigmaNext Noise over signal at its end, at most sigma; 0 for a clean sample, which is x0 alone.
 * @param stochastic Whether noise is added.
 */
export function solverWeights(sigma: number, sigmaNext: number, stochastic: boolean) {
  const alpha = 1 / Math.sqrt(1 + sigmaNext ** 2);
  const ratio = (sigmaNext * alpha) / (sigma / Math.sqrt(1 + sigma ** 2));
  const h = Math.log(sigma / sigmaNext);
  const span = stochastic ? 2 * h : h;
  const phi1 = -Math.expm1(-span);
  const phi2 = 1 - phi1 / span;
  return {
    /** The step's length in half log SNR; infinite for a step to a clean sample. */
    h,
    /** The factor of x. */
    x: ratio * (stochastic ? Math.exp(-h) : 1),
    /** The factor of x0 at the start of the step. */
    d0: alpha * phi1,
    /** The factor of h times x0's derivative there: to second order, and exactly. */
    d1Midpoint: alpha * 0.5 * phi1,
    d1: alpha * phi2,
    /** The factor of h^2 times x0's second derivative there. */
    d2: alpha * (0.5 - phi2 / span),
    /** The factor of the noise. */
    noise: stochastic ? sigmaNext * alpha * Math.sqrt(-Math.expm1(-2 * h)) : 0,
  };
}
