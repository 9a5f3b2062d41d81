/**
 * Winograd schemas in WinoGrande's format: a sentence with a blank, and two options for it. Each line of a
 * file is a JSON object: qID, sentence, option1, option2, answer ("1" or "2").
 */
import { UserError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import { jsonLines, type TextPair } from "./text_files.ts";

/** A sentence with a blank, and two options for it. */
export interface WinogradProblem {
  /** Its name in the file; the names of twins, which differ in a word, end in -1 and -2. */
  readonly id: string;
  /** The sentence, with one `_`. */
  readonly sentence: string;
  /** The options for the blank. */
  readonly options: readonly [string, string];
  /** The index of the right option. */
  readonly answer: 0 | 1;
}

/** Reads problems with their answers. WinoGrande's test file has none. */
export function parseWinograd(bytes: Uint8Array<ArrayBuffer>, name: string): WinogradProblem[] {
  const keys = ["qID", "sentence", "option1", "option2", "answer"] as const;
  return jsonLines(bytes, name, keys).map(({ value, where }) => {
    const { qID: id, sentence, option1, option2, answer } = value;
    if (sentence.split("_").length !== 2) {
      throw new UserError(
        `${where}: the sentence must have one blank, "_": ${quote(sentence, 200)}`,
      );
    }
    if (option1 === option2) throw new UserError(`${where}: both options are ${quote(option1)}`);
    if (answer !== "1" && answer !== "2") {
      throw new UserError(`${where}: the answer is ${quote(answer)}, which is neither "1" nor "2"`);
    }
    return { id, sentence, options: [option1, option2], answer: answer === "1" ? 0 : 1 };
  });
}

/**
 * A problem as conditional generation, once for each option: the condition is the sentence with its
 * blank, the target is the clause from the blank on, completed with the option. The option whose target
 * has the lower loss is the model's answer. Text before the blank does not count, as in the partial
 * evaluation of Trinh and Le 2018 (arXiv:1806.02847).
 */
export function completions({ sentence, options }: WinogradProblem): [TextPair, TextPair] {
  const rest = sentence.slice(sentence.indexOf("_") + 1);
  const pair = (option: string): TextPair => ({
    condition: sentence,
    target: (option + rest).trim(),
  });
  return [pair(options[0]), pair(options[1])];
}
