/** Problems of one's own, with or without thoughts: a .jsonl file. */
import { UserError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import { jsonObjects } from "./text_files.ts";
import { ANSWER_MARK, type ThoughtProblem } from "./thoughts.ts";

/** A field of a row, if the row itself has it. */
function field(value: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

/** A text on one line; undefined if there is none. */
function textOf(value: unknown): string | undefined {
  const text = typeof value === "string" ? value.trim().replace(/\s+/g, " ") : "";
  return text === "" ? undefined : text;
}

/**
 * Reads problems from JSON lines: `question`, a text; `answer`, a text or a number; and `thoughts`, a list of
 * texts, which may be empty or left out. White space becomes single spaces.
 *
 * @param name The file, for messages.
 * @throws {UserError} If it is not UTF-8, a line is not a problem, or there are none. The message names the
 * file and, if there is one, the line.
 */
export function parseOwnProblems(bytes: Uint8Array<ArrayBuffer>, name: string): ThoughtProblem[] {
  const problems = jsonObjects(bytes, name).map(({ value, where }): ThoughtProblem => {
    const question = textOf(field(value, "question"));
    if (question === undefined) {
      throw new UserError(
        `${where}: a problem without "question", which must be text: add it, or remove the line`,
      );
    }
    const given = field(value, "answer");
    const answer = textOf(typeof given === "number" ? String(given) : given);
    if (answer === undefined) {
      throw new UserError(
        `${where}: a problem without "answer", which must be text or a number: add it, or remove the line`,
      );
    }
    const list = field(value, "thoughts") ?? [];
    const thoughts = Array.isArray(list) ? list.map(textOf) : [undefined];
    if (!thoughts.every((thought) => thought !== undefined)) {
      throw new UserError(`${where}: "thoughts" is ${quote(list, 60)}, not a list of texts`);
    }
    if ([...thoughts, answer].some((text) => text.includes(ANSWER_MARK))) {
      throw new UserError(`${where}: "${ANSWER_MARK}" marks answers, and must not be in a problem`);
    }
    return { question, thoughts, answer };
  });
  if (problems.length === 0) throw new UserError(`${name}: no problems: add some, one a line`);
  return problems;
}
