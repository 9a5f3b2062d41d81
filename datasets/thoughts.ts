/**
 * Problems that are solved by thoughts, one after another, and then answered: what Diffusion of Thought
 * (Ye et al. 2024, arXiv:2402.07754) trains on. Written in one line, as by Implicit Chain of Thought
 * (Deng et al. 2023, arXiv:2311.01460), they read `question||thought thought #### answer`.
 */
import { UserError } from "../base/errors.ts";
import { textLines } from "./text_files.ts";

/** A question, the thoughts that lead to its answer, and the answer. */
export interface ThoughtProblem {
  /** What is asked. */
  readonly question: string;
  /** The thoughts in their order; there may be none. */
  readonly thoughts: readonly string[];
  /** The answer alone. */
  readonly answer: string;
}

/** Stands in front of an answer. */
export const ANSWER_MARK = "####";

/**
 * All that is to be said to a question, in one text: what is denoised in a single pass, and what a
 * decoder with written-out steps is trained on.
 *
 * @param problem The problem.
 * @param separator What stands between two thoughts. @default {" "}
 */
export function solutionText(
  { thoughts, answer }: Omit<ThoughtProblem, "question">,
  separator = " ",
): string {
  return `${thoughts.join(separator)} ${ANSWER_MARK} ${answer}`;
}

/**
 * What is to be said in each of several passes: a thought, and with the last thought the answer, whose
 * mark is the end mark too.
 *
 * @returns One text a pass; where there are no thoughts, one with the answer alone.
 */
export function thoughtTargets({ thoughts, answer }: Omit<ThoughtProblem, "question">): string[] {
  const last = `${thoughts.at(-1) ?? ""} ${ANSWER_MARK} ${answer}`.trim();
  return [...thoughts.slice(0, -1), last];
}

/**
 * Reads lines of the form `question||thought thought #### answer`.
 *
 * @param bytes The file, UTF-8.
 * @param name Its name, for messages.
 * @param separator What stands between two thoughts.
 * @throws {UserError} For a line without exactly one `||`, without a question or without an answer, with
 * the file and the line.
 */
export function parseThoughtLines(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  separator: string | RegExp = " ",
): ThoughtProblem[] {
  return textLines(bytes, name).map(({ value: line, where }) => {
    const [question = "", solution, ...more] = line.split("||");
    if (solution === undefined || more.length > 0) {
      throw new UserError(`${where}: one "||" is to stand between question and solution`);
    }
    if (question.trim() === "") throw new UserError(`${where}: a row without a question`);
    const [steps = "", answer = ""] = solution.split(ANSWER_MARK).map((part) => part.trim());
    if (answer === "") {
      throw new UserError(`${where}: a row without an answer, which follows "${ANSWER_MARK}"`);
    }
    return { question, thoughts: steps === "" ? [] : steps.split(separator), answer };
  });
}
