/** Checks of the flags of --sample-only, --evaluate and --study, as far as they need no model. */
import { usageError } from "../base/errors.ts";
import { kebabCase } from "../cli/flags.ts";
import type { ImageKind } from "../datasets/image_set.ts";
import { classIndex } from "./data.ts";
import { type ImageFlags, TRAINING_FLAGS } from "./flags.ts";

/** Flags that make other pictures than a grid of samples. */
const PICTURES = ["interpolate", "inpaint", "fromStep", "trajectory"] as const;

/** Settings that a study varies. */
const VARIED = [
  "sampler",
  "eta",
  "varianceType",
  "sampleTimesteps",
  "respacing",
  "sampleSteps",
] as const;

/** Refuses flags that contradict each other or have no effect. */
export function checkModes(given: ImageFlags): void {
  if (given.sampleOnly || given.study !== undefined) checkWithoutTraining(given);
  if (given.study !== undefined) {
    checkStudy(given, `--study ${given.study}`);
  } else {
    refuse(given, ["studySteps"], "is for --study ddim: give that too");
    checkEvaluation(given);
    if (!given.sampleOnly) {
      refuse(given, ["checkpoint"], "is for --sample-only and --study: give one of them too");
      refuse(given, [...PICTURES, "encode"], "is for --sample-only: give that too");
    }
  }
  if (given.interpolate !== undefined) {
    namesOfPair(given.interpolate);
    refuse(given, ["class"], `contradicts --interpolate ${given.interpolate}: leave it out`);
  }
  if (given.encode) checkEncoding(given);
  if (given.inpaint !== undefined && given.dynamicThreshold) {
    throw usageError(
      "--dynamic-threshold and --inpaint both change the predicted x0: leave one of them out.",
    );
  }
}

/** Refuses flags that have no effect on a model that is only sampled from. */
function checkWithoutTraining(given: ImageFlags): void {
  const [mode, steps] = given.study === undefined
    ? ["--sample-only", "--sample-steps"]
    : [`--study ${given.study}`, "--study-steps"];
  refuse(given, ["steps"], `is for training, and ${mode} trains nothing: use ${steps}`);
  refuse(given, TRAINING_FLAGS, `is for training, and ${mode} trains nothing: leave it out`);
  const { inpaint, fromStep, encode, evaluate, study } = given;
  const readsImages = inpaint !== undefined || fromStep !== undefined || encode || evaluate ||
    study !== undefined;
  if (readsImages) return;
  const why = "is for modes that read images, such as --inpaint: leave it out";
  refuse(given, ["dataDir", "images"], why);
}

function checkStudy(given: ImageFlags, study: string): void {
  refuse(given, VARIED, `is varied by ${study}: leave it out`);
  refuse(given, PICTURES, `is not for ${study}: leave it out`);
  refuse(given, ["evaluate", "evaluateSeeds", "class"], `is not for ${study}: leave it out`);
}

function checkEvaluation(given: ImageFlags): void {
  if (!given.evaluate) {
    refuse(given, ["evaluateSamples", "evaluateSeeds"], "is for --evaluate: give that too");
    return;
  }
  const why = "is not for --evaluate, which compares samples of all classes with the test images";
  refuse(given, ["class"], `${why}: leave it out`);
  refuse(given, PICTURES, "is not for --evaluate, which measures samples: leave one of them out");
}

/** Encoding is undone by the same steps only: those of ddim without noise, guidance or thresholding. */
function checkEncoding(given: ImageFlags): void {
  if (given.interpolate === undefined) {
    throw usageError("--encode is for --interpolate A,B: give that too.");
  }
  const why = "is not for --encode, which uses ddim with eta 0 and without guidance: leave it out";
  if (given.sampler !== "ddim") refuse(given, ["sampler"], why);
  if (given.eta !== 0) refuse(given, ["eta"], why);
  if (given.guidance !== 1) refuse(given, ["guidance"], why);
  if (given.dynamicThreshold !== 0) refuse(given, ["dynamicThreshold"], why);
}

function refuse(given: ImageFlags, keys: readonly (keyof ImageFlags)[], why: string): void {
  const key = keys.find((key) => given[key] !== undefined && given[key] !== false);
  if (key === undefined) return;
  const value = given[key] === true ? "" : ` ${given[key]}`;
  throw usageError(`--${kebabCase(key)}${value} ${why}.`);
}

function namesOfPair(text: string): [from: string, to: string] {
  const [from, to, ...others] = text.split(",").map((name) => name.trim());
  if (from === undefined || to === undefined || others.length > 0) {
    throw usageError(
      `--interpolate ${text}: must be two classes separated by a comma, such as Sneaker,Bag.`,
    );
  }
  return [from, to];
}

/** The classes that `--interpolate A,B` names. */
export function classPair(
  text: string,
  images: Pick<ImageKind, "classNames">,
): [from: number, to: number] {
  const [from, to] = namesOfPair(text);
  return [
    classIndex(from, images, "--interpolate"),
    classIndex(to, images, "--interpolate"),
  ];
}
