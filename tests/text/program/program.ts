/** Runs text.ts in this process, or as a user does: in a process of its own with its permission set. */
import { main } from "../../../text.ts";
import {
  type Ended,
  type Running,
  type StartOptions,
  startProgram,
} from "../../image/program/program.ts";
import { runHere } from "../../run_here.ts";

/** The smoke preset with a model so small that a run takes a second. */
export const TINY_TEXT: readonly string[] = [
  "--stage=vae",
  "--preset=smoke",
  "--threads=1",
  "--vocab-size=300",
  "--max-tokens=8",
  "--latents=4",
  "--latent-width=4",
  "--encoder-width=8",
  "--decoder-width=8",
  "--batch-size=4",
  "--validation-size=6",
  "--log-every=2",
  "--eval-every=4",
  "--checkpoint-every=8",
];

/** Starts it in a process of its own. */
export function startText(args: readonly string[], options: StartOptions = {}): Running {
  return startProgram("text", args, options);
}

/** Runs it to its end in this process, without the permission set. */
export function runText(...args: readonly string[]): Promise<Ended> {
  return runHere(() => main(args));
}

/** Runs it to its end in a process of its own. */
export function runTextProcess(...args: readonly string[]): Promise<Ended> {
  return startText(args).ended;
}

/** A denoiser so small that a run takes a second. */
const TINY_DENOISER: readonly string[] = [
  "--steps=5",
  "--denoiser-width=8",
  "--diffusion-steps=10",
  "--diffusion-batch-size=4",
  "--diffusion-log-every=2",
  "--diffusion-eval-every=4",
  "--diffusion-checkpoint-every=4",
  "--diffusion-validation-size=6",
  "--sample-steps=3",
  "--samples=4",
];

/**
 * The flags of a tiny run with a denoiser.
 *
 * @param flags Further ones, which take the place of those of the same name.
 */
export function tinyDenoiser(...flags: readonly string[]): string[] {
  const name = (flag: string) => flag.split("=")[0];
  return [
    ...[...TINY_TEXT, ...TINY_DENOISER].filter((flag) =>
      name(flag) !== "--stage" && !flags.some((other) => name(other) === name(flag))
    ),
    ...flags,
  ];
}
