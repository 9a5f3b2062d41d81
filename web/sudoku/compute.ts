/** Fills in Sudoku boards by masked diffusion. */
import { UserError } from "../../base/errors.ts";
import { generateSudoku, solveSudoku } from "../../datasets/sudoku.ts";
import { unmask, type UnmaskingOrder } from "../../diffusion/samplers/unmask.ts";
import type * as tf from "../../engine/tf.ts";
import { type HostArray, int32 } from "../../engine/tree.ts";
import { constants } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { loadMaskedModel } from "../../text/masked/checkpoint.ts";
import { maskedLogits } from "../../text/masked/network.ts";
import { openModel } from "../models.ts";
import type { Context, Emit } from "../protocol.ts";

const TASK = { name: "sudoku", vocabSize: 10, length: 81 } as const;
const BLANK = 0;

export interface SudokuRequest {
  /** Digits, 0 for blanks [81]. */
  readonly quiz: Uint8Array;
  readonly order: UnmaskingOrder;
  readonly steps: number;
}

/** The board after a step. */
export interface SudokuStep {
  readonly step: number;
  readonly steps: number;
  readonly digits: Int32Array;
  /** The probability that the network gave each digit when it was filled in; 1 for givens [81]. */
  readonly confidence: Float32Array;
}

/** The probability of a digit among the logits of a cell [10]. */
function probabilityOf(logits: Float32Array, digit: number): number {
  const digits = logits.subarray(1);
  const highest = Math.max(...digits);
  const total = digits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0);
  return Math.exp(logits[digit]! - highest) / total;
}

/** Fills a board in. @returns The cells that differ from the only solution. */
export async function fillSudoku(
  { device, report }: Context,
  { quiz, order, steps }: SudokuRequest,
  emit: Emit<SudokuStep>,
): Promise<{ readonly wrong: readonly number[] }> {
  const solution = solveSudoku(quiz);
  const blanks = quiz.filter((digit) => digit === BLANK).length;
  if (blanks === 0) {
    throw new UserError("the board has no blank cells: there is nothing to fill in");
  }
  const { config, parameters } = await openModel(
    "sudoku",
    report,
    (checkpoint) => loadMaskedModel(checkpoint, TASK),
  );
  const compiled = device.compile<{ ids: HostArray }, HostArray>(({ ids }) =>
    maskedLogits(constants(parameters), ids as tf.Tensor2D, config)
  );
  let digits = Int32Array.from(quiz);
  let logits = new Float32Array(0);
  const confidence = Float32Array.from(quiz, (digit) => digit === BLANK ? 0 : 1);
  const total = Math.min(steps, blanks);
  emit({ step: 0, steps: total, digits, confidence: confidence.slice() });
  const denoise = async (ids: Int32Array) => {
    const { data } = await compiled({ ids: int32(ids, [1, TASK.length]) });
    return logits = Float32Array.from(data);
  };
  const states = unmask(denoise, digits, {
    ...{ maskId: BLANK, length: TASK.length, order, steps },
    random: randomStream(0),
  });
  for await (const { step, tokens } of states) {
    tokens.forEach((digit, cell) => {
      if (digit === digits[cell]) return;
      const at = cell * TASK.vocabSize;
      confidence[cell] = probabilityOf(logits.subarray(at, at + TASK.vocabSize), digit);
    });
    digits = Int32Array.from(tokens);
    emit({ step: step + 1, steps: total, digits, confidence: confidence.slice() });
  }
  await compiled.dispose();
  return { wrong: [...digits.keys()].filter((cell) => digits[cell] !== solution[cell]) };
}

/** A new puzzle [81] with one solution, none of those that the network was trained with. */
export function newSudoku(
  _context: Pick<Context, "report">,
  seed: number,
  _emit: Emit<never>,
): Promise<Uint8Array> {
  const random = randomStream(seed).stream("page");
  return Promise.resolve(generateSudoku(0, { part: "test", random }).quiz);
}
