/** `--config` of text.ts: repeats a run of several stages. */
import { usageError } from "../base/errors.ts";
import type { Replay } from "../cli/replay.ts";
import type { TextFlags } from "./settings.ts";

/** The programs whose records text.ts can replay: a run, and a denoiser with an autoencoder of its own. */
export const TEXT_PROGRAMS = ["text", "text-diffusion"] as const;

/** The flags, with those that follow from the run that is replayed: its stages and its starting weights. */
export function replayFlags<F extends TextFlags>(given: F, replay: Replay | undefined): F {
  if (replay === undefined) return given;
  const { recorded } = replay;
  if (recorded["steps"] === undefined && given.vae === undefined) {
    throw usageError(
      `--config ${given.config} is the record of a denoiser: name its autoencoder with --vae.`,
    );
  }
  const { startFrom } = recorded;
  return {
    ...(recorded["diffusionSteps"] === undefined ? { stage: "vae" } : {}),
    ...(typeof startFrom === "string" ? { startFrom } : {}),
    ...given,
  };
}
