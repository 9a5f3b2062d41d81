/** text.ts as a user runs it: in a process of its own, with its permission set and no more. */
import { type Ended, type Running, type StartOptions, startProgram } from "./image_program.ts";

/** The smoke preset with a model so small that a run takes a second. */
export const TINY_TEXT: readonly string[] = [
  ...["--preset=smoke", "--threads=1", "--vocab-size=300", "--max-tokens=8", "--latents=4"],
  ...["--latent-width=4", "--encoder-width=8", "--decoder-width=8", "--batch-size=4"],
  ...["--validation-size=6", "--log-every=2", "--eval-every=4", "--checkpoint-every=8"],
];

/** Starts it. */
export function startText(args: readonly string[], options: StartOptions = {}): Running {
  return startProgram("text", args, options);
}

/** Runs it to its end. */
export function runText(...args: readonly string[]): Promise<Ended> {
  return startText(args).ended;
}
