/**
 * GSM8K (Cobbe et al. 2021, arXiv:2110.14168): 7,473 + 1,319 word problems of grade school, solved in
 * sentences, one a line, whose calculations are marked as `<<48/2=24>>`. MIT licence, OpenAI.
 */
import { join } from "node:path";
import { UserError } from "../base/errors.ts";
import type { Dataset, RemoteFile } from "./dataset.ts";
import { openDataset, type Provenance, provenanceOf, type SourceOptions } from "./sources.ts";
import { holdOut } from "./split.ts";
import { jsonLines } from "./text_files.ts";
import { ANSWER_MARK, type ThoughtProblem } from "./thoughts.ts";

const MIRROR = "https://raw.githubusercontent.com/openai/grade-school-math/" +
  "3101c7d5072418e28b9008a6636bde82a006892c/grade_school_math/data/";

function remote(name: string, sha256: string, size: number, rows: number): RemoteFile {
  return { name: `${name}.gz`, sha256, size, rows, addresses: [MIRROR + name] };
}

/** GSM8K's files, their hashes and where they can be had. */
export const GSM8K: Dataset = {
  title: "GSM8K",
  id: "gsm8k",
  files: [
    remote(
      "train.jsonl",
      "17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465",
      4_166_206,
      7_473,
    ),
    remote(
      "test.jsonl",
      "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14",
      749_738,
      1_319,
    ),
  ],
  sample: {
    folder: new URL("./samples/gsm8k/", import.meta.url),
    files: [{
      name: "train.jsonl",
      sha256: "7e8aedb85e5d3408583181dd051b141809999b7c1ab6e6edc35a2c4ea8ad6db3",
      size: 26_694,
      rows: 90,
    }, {
      name: "test.jsonl",
      sha256: "abed4a9e5e9f153b2601c55dadc3f3e1e30d4d567c630528beafc02243c52299",
      size: 9_114,
      rows: 30,
    }],
    description: "120 word problems written for this project",
  },
};

/**
 * What a thought is: a line of the solution without its marks; or a marked calculation alone, as
 * `<<48/2=24>>`, which is what Diffusion of Thought is trained on.
 */
export type Gsm8kThoughts = "sentences" | "equations";

/** Options of {@linkcode loadGsm8k}. */
export interface Gsm8kOptions extends SourceOptions {
  /** What a thought is. @default {"equations"} */
  readonly thoughts?: Gsm8kThoughts | undefined;
  /** Problems of the training file to hold out for validation. @default {500, of the sample 10} */
  readonly validationSize?: number | undefined;
}

/** GSM8K, in memory. */
export interface Gsm8k extends Provenance {
  /** Problems to train on, in the file's order. */
  readonly train: readonly ThoughtProblem[];
  /** Problems of the training file that are held out: the same ones in every run. */
  readonly validation: readonly ThoughtProblem[];
  /** The problems that are scored. */
  readonly test: readonly ThoughtProblem[];
}

/**
 * Reads JSON lines with `question` and `answer`, the latter with its steps and, at its end, `#### 72`.
 *
 * @param bytes The file, UTF-8.
 * @param name Its name, for messages.
 * @param thoughts What a thought is.
 * @throws {UserError} For a row without a question or an answer, with the file and the line.
 */
export function parseGsm8k(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  thoughts: Gsm8kThoughts = "equations",
): ThoughtProblem[] {
  return jsonLines(bytes, name, ["question", "answer"]).map(({ value, where }) => {
    const [steps = "", answer = "", ...more] = value.answer.split(ANSWER_MARK);
    if (more.length > 0 || !/^-?[0-9][0-9.,]*$/.test(answer.trim())) {
      throw new UserError(
        `${where}: a row without an answer: "${ANSWER_MARK}" and a number are to end it`,
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
 * @throws {RangeError} For a `validationSize` that leaves nothing to train on or to validate with.
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
