/** The options that both forms of DPM-Solver++ take. */

import { requireInteger, requireOneOf } from "../../base/checks.ts";
import { algorithmTypes, type SamplerOptions, solverTypes } from "./types.ts";

/** The options, checked. */
export interface SolverOptions {
  /** 1 to 3. */
  readonly solverOrder: number;
  /** Whether noise is added. */
  readonly stochastic: boolean;
  /** Whether derivatives are taken as Heun's method takes them, rather than the midpoint method. */
  readonly heun: boolean;
}

/**
 * Checks the options of DPM-Solver++ and fills in their defaults.
 *
 * @throws {UserError} If one is out of range.
 */
export function solverOptions(
  { solverOrder = 2, algorithmType = "dpmsolver++", solverType = "midpoint" }: SamplerOptions,
): SolverOptions {
  requireInteger("solverOrder", solverOrder, 1, 3);
  requireOneOf("solverType", solverType, solverTypes);
  requireOneOf("algorithmType", algorithmType, algorithmTypes);
  return {
    solverOrder,
    stochastic: algorithmType === "sde-dpmsolver++",
    heun: solverType === "heun",
  };
}
