/** Winograd schemas as text.ts's stages take them: see datasets/winograd.ts. */
import { holdOut } from "../datasets/split.ts";
import { completions, type WinogradProblem } from "../datasets/winograd.ts";
import { loadWinogrande, type WinograndeOptions } from "../datasets/winogrande.ts";
import { loadWsc273 } from "../datasets/wsc273.ts";
import { EXIT, usageError, UserError } from "../base/errors.ts";
import type { LatentExample, TextData } from "./data.ts";

/** A problem as the denoiser takes it: the sentence is known, the clause from the blank on is to be said. */
export function optionExample(problem: WinogradProblem, set?: string): LatentExample {
  const pairs = completions(problem);
  return {
    source: problem.sentence,
    targets: [pairs[problem.answer].target],
    options: problem.options.map((name, i) => ({ name, target: pairs[i]!.target })),
    right: problem.answer,
    ...(set === undefined ? {} : { set }),
  };
}

/** The first problem of a pair of twins, which differ in a word, has the same name as the second. */
const pairName = ({ id }: WinogradProblem) => id.replace(/-[12]$/, "");

/**
 * Holds problems out, twins together, so that none is measured with whose twin was trained on.
 *
 * @param count How many at least.
 * @throws {RangeError} Where too few are left.
 */
export function holdOutPairs(problems: readonly WinogradProblem[], count: number) {
  const { heldOut } = holdOut(problems, count, "commonsense validation");
  const names = new Set(heldOut.map(pairName));
  const isHeldOut = (problem: WinogradProblem) => names.has(pairName(problem));
  const kept = problems.filter((problem) => !isHeldOut(problem));
  if (kept.length === 0) {
    throw new RangeError(`${count} of ${problems.length} problems to hold out leave none`);
  }
  return { kept, heldOut: problems.filter(isHeldOut) };
}

/**
 * WinoGrande to train on, of which some is held out, and its dev set and WSC273 to be scored. Without
 * WSC273's file in a `dataDir`, WinoGrande alone is.
 *
 * @throws {UserError} If WinoGrande cannot be loaded, or too much is to be held out.
 */
export async function loadCommonsense(
  options: WinograndeOptions,
  validationSize: number,
): Promise<TextData> {
  const { train: problems, dev, ...provenance } = await loadWinogrande(options);
  const wsc = await loadWsc273(options).catch((error) => {
    // A file that is damaged is an error; none in a folder that the user named is not.
    if (error instanceof UserError && error.exitCode === EXIT.usage) return undefined;
    throw error;
  });
  let split;
  try {
    split = holdOutPairs(problems, validationSize);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw usageError(`--validation-size ${validationSize}: ${error.message}`);
  }
  const examplesOf = (problems: readonly WinogradProblem[], set?: string) =>
    problems.map((problem) => optionExample(problem, set));
  const [train, validation] = [examplesOf(split.kept), examplesOf(split.heldOut)];
  const test = [
    ...examplesOf(dev, "WinoGrande dev"),
    ...examplesOf(wsc?.test ?? [], "WSC273"),
  ];
  // Both options' clauses, so that the autoencoder cannot know which is right.
  const clauses = (examples: readonly LatentExample[]) => [
    ...new Set(examples.flatMap(({ options = [] }) => options.map(({ target }) => target))),
  ];
  const isSample = provenance.origin === "sample" || wsc?.origin === "sample";
  return {
    origin: isSample ? "sample" : provenance.origin,
    sha256: { ...provenance.sha256, ...wsc?.sha256 },
    description: [
      provenance.description,
      wsc?.description ?? "WSC273: not in --data-dir, and not scored",
    ].join("\n"),
    rows: problems.length + test.length,
    train: clauses(train),
    validation: clauses(validation).slice(0, validationSize),
    conditions: train.map(({ source }) => source!),
    examples: ({ condition }) => {
      if (condition === "sentence") return { train, validation, test, classes: null };
      throw usageError(
        `--condition ${condition} is not for --dataset commonsense: use sentence.`,
      );
    },
  };
}
