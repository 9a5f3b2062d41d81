/** A checkpoint of images with next to no weights. */
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { ravel } from "../../nn/parameters.ts";
import { writeCheckpoint } from "../../training/checkpoint/checkpoint.ts";
import { imageCheckpoint } from "../../image/checkpoint.ts";
import { PRESETS } from "../../image/presets.ts";
import { randomParameters, TINY_SPECS, TINY_UNET } from "../tiny_unet.ts";
import { initialState } from "../training/tiny_training.ts";

/** Writes it to a folder. */
export function writeTinyCheckpoint(folder: string): Promise<void> {
  return writeCheckpoint(
    folder,
    imageCheckpoint({
      network: TINY_UNET,
      schedule: noiseSchedule({ numTrainTimesteps: 50 }),
      config: { ...PRESETS.nano, sampler: "ddim", seed: 5 },
      step: 12,
      configHash: "abc",
      state: { ...initialState(), ema: ravel(randomParameters(), TINY_SPECS) },
    }),
  );
}
