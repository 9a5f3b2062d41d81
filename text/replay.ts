/** `--config` of text.ts: a run of several stages, each with settings of its own. */
import { usageError } from "../base/errors.ts";
import type { Replay } from "../cli/replay.ts";
import type { TextFlags } from "./flags.ts";

/** The programs whose records text.ts can repeat: a run's, and a denoiser's of another autoencoder. */
export const TEXT_PROGRAMS = ["text", "text-diffusion"] as const;

/**
 * Flags with those that a run which is to be repeated stands for: the stages that it went through, and
 * the weights that it began with, which must be there.
 *
 * @throws {UserError} With exit code 2 if it is a denoiser's, and its autoencoder was not named.
 */
export function replayFlags<F extends TextFlags>(given: F, repeated: Replay | undefined): F {
  if (repeated === undefined) return given;
  const { recorded } = repeated;
  if (recorded["steps"] === undefined && given.vae === undefined) {
    throw usageError(
      `--config ${given.config} is of a denoiser alone: name its autoencoder with --vae.`,
    );
  }
  const { startFrom } = recorded;
  return {
    ...(recorded["diffusionSteps"] === undefined ? { stage: "vae" } : {}),
    ...(typeof startFrom === "string" ? { startFrom } : {}),
    ...given,
  };
}
