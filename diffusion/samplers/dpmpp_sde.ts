import type { NoiseSchedule } from "../schedules.ts";
import { dpmppMultistep } from "./dpmpp_multistep.ts";
import type { Denoiser, SamplerOptions, SamplerStep } from "./types.ts";

/**
 * {@linkcode dpmppMultistep} of the equation with noise (Lu et al. 2022, "DPM-Solver++", section 5).
 *
 * @param denoise The model.
 * @param xT Standard normal numbers [B, ...], flat; not changed.
 * @param schedule The schedule that the model was trained with.
 * @param options `noise` is needed if there is more than one step; algorithmType is of no account.
 * @throws {UserError} As {@linkcode dpmppMultistep}.
 */
export function dpmppSde(
  denoise: Denoiser,
  xT: Float32Array,
  schedule: NoiseSchedule,
  options: SamplerOptions = {},
): AsyncGenerator<SamplerStep, void, undefined> {
  return dpmppMultistep(denoise, xT, schedule, { ...options, algorithmType: "sde-dpmsolver++" });
}
