/** What is wrong with the flags of `--evaluate` and `--study`. */
import { usageError } from "../base/errors.ts";
import { kebabCase } from "../cli/flags.ts";
import type { ImageFlags } from "./flags.ts";

/** The flags of the tools that draw something else than a grid of samples. */
export const TOOL_FLAGS = ["interpolate", "inpaint", "fromStep", "trajectory"] as const;

/** What a study goes through. */
const STUDIED = [
  "sampler",
  "eta",
  "varianceType",
  "sampleTimesteps",
  "respacing",
  "sampleSteps",
] as const;

/**
 * Refuses to measure what is no set of samples of all classes, and settings of what is not measured.
 *
 * @throws {UserError} With exit code 2, naming the flags.
 */
export function checkEvaluation(given: ImageFlags): void {
  if (given.study === undefined) {
    refuseAll(given, ["studySteps"], "is for --study ddim: give that too");
  } else {
    const kind = `--study ${given.study}`;
    refuseAll(given, STUDIED, `is what ${kind} goes through by itself: leave it out`);
    refuseAll(given, TOOL_FLAGS, `is not for ${kind}: leave it out`);
    refuseAll(given, ["evaluate", "evaluateSeeds", "class"], `is not for ${kind}: leave it out`);
    return;
  }
  if (!given.evaluate) {
    refuseAll(given, ["evaluateSamples", "evaluateSeeds"], "is for --evaluate: give that too");
    return;
  }
  if (given.class !== undefined) {
    throw usageError(
      `--evaluate compares samples of all classes with the test images: leave --class ${given.class} out.`,
    );
  }
  refuseAll(given, TOOL_FLAGS, "is not measured by --evaluate: leave one of them out");
}

/** Refuses the first of some flags that was given. */
function refuseAll(given: ImageFlags, keys: readonly (keyof ImageFlags)[], why: string): void {
  const key = keys.find((key) => given[key] !== undefined && given[key] !== false);
  if (key === undefined) return;
  const value = given[key] === true ? "" : ` ${given[key]}`;
  throw usageError(`--${kebabCase(key)}${value} ${why}.`);
}
