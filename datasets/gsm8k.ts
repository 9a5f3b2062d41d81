/**
 * GSM8K (Cobbe et al. 2021, arXiv:2110.14168): 7,473 + 1,319 word problems of grade school. Each line of
 * a solution is a sentence, with its calculation marked as `<<48/2=24>>`. MIT licence, OpenAI.
 */
import { join } from "node:path";
import { UserError } from "../base/errors.ts";
import { type Dataset, pinnedFiles, remoteFiles } from "./dataset.ts";
import { openDataset, type Provenance, provenanceOf, type SourceOptions } from "./sources.ts";
import { holdOut } from "./split.ts";
import { jsonLines } from "./text_files.ts";
import { ANSWER_MARK, type ThoughtProblem } from "./thoughts.ts";

const MIRROR = "https://raw.githubusercontent.com/openai/grade-school-math/" +
  "3101c7d5072418e28b9008a6636bde82a006892c/grade_school_math/data/";

export const GSM8K: Dataset = {
  title: "GSM8K",
  id: "gsm8k",
  files: remoteFiles(
    MIRROR,
    `
    17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465 4166206 7473 train.jsonl
    3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14 749738 1319 test.jsonl`,
  ),
  sample: {
    folder: new URL("./samples/gsm8k/", import.meta.url),
    files: pinnedFiles(`
    7e8aedb85e5d3408583181dd051b141809999b7c1ab6e6edc35a2c4ea8ad6db3 26694 90 train.jsonl
    abed4a9e5e9f153b2601c55dadc3f3e1e30d4d567c630528beafc02243c52299 9114 30 test.jsonl`),
    description: "120 word problems written for this project",
  },
};

/**
 * The form of thoughts: `sentences`, lines of the solution without marks; or `equations`, only the marked
 * calculations such as `<<48/2=24>>`, as in Diffusion of Thought.
 */
export type Gsm8kThoughts = "sentences" | "equations";

/** Options of {@linkcode loadGsm8k}. */
export interface Gsm8kOptions extends SourceOptions {
  /** The form of thoughts. @default {"equations"} */
  readonly thoughts?: Gsm8kThoughts | undefined;
  /** The number of training problems to hold out for validation. @default {500, of the sample 10} */
  readonly validationSize?: number | undefined;
}

/** GSM8K, in memory. */
export interface Gsm8k extends Provenance {
  /** Training problems, in the file's order. */
  readonly train: readonly ThoughtProblem[];
  /** Problems held out of the training file, the same in every run. */
  readonly validation: readonly ThoughtProblem[];
  /** Test problems. */
  readonly test: readonly ThoughtProblem[];
}

/** Reads JSON lines with `question` and `answer`. An answer consists of steps and ends with `#### 72`. */
export function parseGsm8k(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  thoughts: Gsm8kThoughts = "equations",
): ThoughtProblem[] {
  return jsonLines(bytes, name, ["question", "answer"]).map(({ value, where }) => {
    const [steps = "", answer = "", ...more] = value.answer.split(ANSWER_MARK);
    if (more.length > 0 || !/^[+-]?\$?(?=\.?\d)[\d,]*(\.\d*)?$/.test(answer.trim())) {
      throw new UserError(
        `${where}: a row without an answer: it must end with "${ANSWER_MARK}" and a number`,
      );
    }
    return {
      question: value.question,
      thoughts: thoughts === "equations"
        ? steps.match(/<<[^>]*>>/g) ?? []
        : steps.replace(/<<[^>]*>>/g, "").split("\n").map((step) => step.trim())
          .filter((step) => step !== ""),
      answer: answer.trim(),
    };
  });
}

/**
 * Loads GSM8K from the first place that has it: see {@linkcode openDataset} for the order and the
 * options.
 *
 * @throws {UserError} As {@linkcode openDataset} and {@linkcode parseGsm8k}.
 * @throws {RangeError} If `validationSize` leaves nothing to train on or to validate with.
 */
export async function loadGsm8k(options: Gsm8kOptions = {}): Promise<Gsm8k> {
  const opened = await openDataset(GSM8K, options);
  const [all, test] = [...opened.contents].map(([name, bytes]) =>
    parseGsm8k(bytes, join(opened.place, name), options.thoughts)
  );
  const { validationSize = opened.origin === "sample" ? 10 : 500 } = options;
  const { kept, heldOut } = holdOut(all!, validationSize, "gsm8k validation");
  return { train: kept, validation: heldOut, test: test!, ...provenanceOf(GSM8K, opened) };
}
