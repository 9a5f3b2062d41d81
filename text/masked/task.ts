/** What masked diffusion is trained for: tokens, which of them are generated, and how an answer is judged. */
import type { DataSource } from "../examples.ts";
import type { PositionGroups } from "./network.ts";

/** An example of the task. All examples of a task have the same length. */
export interface MaskedExample {
  readonly tokens: ArrayLike<number>; // clean tokens [L]
  readonly targets: ArrayLike<number>; // 1 for the tokens that are generated, 0 for the condition [L]
}

export interface MaskedTask extends DataSource {
  readonly name: string; // of the data set
  readonly unit: string; // what an example is, in the plural
  readonly vocabSize: number;
  readonly maskId: number;
  readonly length: number; // L
  readonly groups: PositionGroups;
  readonly trainSize: number;
  /** Training example `index`, below {@linkcode trainSize}, varied anew for each `draw`. */
  train(index: number, draw: number): MaskedExample;
  heldOut(part: "validation" | "test", count: number): MaskedExample[];
  isRight(example: MaskedExample, answer: ArrayLike<number>): boolean;
  /** Tokens on one line, for files. */
  write(tokens: ArrayLike<number>): string;
  /** What {@linkcode write} has written as a person reads it, masks included. */
  show(text: string): string[];
}

/** The tokens of an example with its targets masked. */
export function maskTargets(
  { tokens, targets }: MaskedExample,
  { maskId }: Pick<MaskedTask, "maskId">,
): Int32Array {
  return Int32Array.from(tokens, (token, i) => targets[i] === 0 ? token : maskId);
}

/** Examples one after the other [B L], as `pick` has them. */
export function flatten(
  examples: readonly MaskedExample[],
  pick: (example: MaskedExample) => ArrayLike<number>,
): Int32Array {
  return Int32Array.from(examples.flatMap((example) => Array.from(pick(example))));
}
