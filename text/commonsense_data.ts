/** Winograd schemas as data of text.ts: see datasets/winograd.ts. */
import { holdOut } from "../datasets/split.ts";
import { completions, type WinogradProblem } from "../datasets/winograd.ts";
import { loadWinogrande, type WinograndeOptions } from "../datasets/winogrande.ts";
import { loadWsc273 } from "../datasets/wsc273.ts";
import { EXIT, usageError, UserError } from "../base/errors.ts";
import { type LatentExample, noSuchCondition, type TextData } from "./examples.ts";

/** A problem as an example: the source is the sentence, the target the clause from the blank on. */
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

/** The common name of a pair of twins, problems that differ in a word. */
const pairName = ({ id }: WinogradProblem) => id.replace(/-[12]$/, "");

/** Holds out at least `count` problems, twins together: no held-out problem has a twin among the others. */
export function holdOutPairs(problems: readonly WinogradProblem[], count: number) {
  const { heldOut } = holdOut(problems, count, "commonsense validation");
  const names = new Set(heldOut.map(pairName));
  const isHeldOut = (problem: WinogradProblem) => names.has(pairName(problem));
  const kept = problems.filter((problem) => !isHeldOut(problem));
  if (kept.length === 0) {
    throw new RangeError(
      `holding out ${count} of ${problems.length} problems leaves none to train on`,
    );
  }
  return { kept, heldOut: problems.filter(isHeldOut) };
}

/** WinoGrande, and WSC273 unless `dataDir` does not have its file. */
async function loadBoth(options: WinograndeOptions) {
  const winogrande = await loadWinogrande(options);
  const wsc = await loadWsc273(options).catch((error) => {
    // A damaged file is an error; a missing file in a folder that the user named is not.
    if (error instanceof UserError && error.exitCode === EXIT.usage) return undefined;
    throw error;
  });
  const description = [
    winogrande.description,
    wsc?.description ?? "WSC273: not in the data folder, and not scored",
  ].join("\n");
  const sets = [["WinoGrande dev", winogrande.dev], ["WSC273", wsc?.test ?? []]] as const;
  return { winogrande, wsc, description, sets };
}

/** The problems that are scored, by the name of their set. */
export async function loadSchemas(options: WinograndeOptions) {
  const { sets, description } = await loadBoth(options);
  return { sets: sets.filter(([, problems]) => problems.length > 0), description };
}

/**
 * Loads WinoGrande, which is split into training and validation problems. Its dev set and WSC273 are the
 * test sets; WSC273 is left out if `dataDir` does not have its file.
 */
export async function loadCommonsense(
  options: WinograndeOptions,
  validationSize: number,
): Promise<TextData> {
  const { winogrande, wsc, sets, description } = await loadBoth(options);
  const { train: problems, dev: _dev, ...provenance } = winogrande;
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
  const test = sets.flatMap(([set, problems]) => examplesOf(problems, set));
  // Both options' clauses, so that the autoencoder cannot know which is right.
  const clauses = (examples: readonly LatentExample[]) => [
    ...new Set(examples.flatMap(({ options = [] }) => options.map(({ target }) => target))),
  ];
  const isSample = provenance.origin === "sample" || wsc?.origin === "sample";
  return {
    origin: isSample ? "sample" : provenance.origin,
    sha256: { ...provenance.sha256, ...wsc?.sha256 },
    description,
    rows: problems.length + test.length,
    train: clauses(train),
    validation: clauses(validation).slice(0, validationSize),
    conditions: train.map(({ source }) => source!),
    examples: ({ condition }) => {
      if (condition === "sentence") return { train, validation, test, classes: null };
      throw noSuchCondition("commonsense", condition, ["sentence"]);
    },
  };
}
