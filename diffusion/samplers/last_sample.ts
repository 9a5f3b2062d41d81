import { UserError } from "../../base/errors.ts";
import type { SamplerStep } from "./types.ts";

/**
 * Runs a sampler to its end.
 *
 * @param steps What a sampler returned.
 * @returns The samples after the last step [B, ...], flat.
 * @throws {UserError} If there was no step at all, or what the sampler throws.
 *
 * @example
 * ```ts
 * import { noiseSchedule } from "../schedules.ts";
 * import { ddim } from "./ddim.ts";
 * import { lastSample } from "./last_sample.ts";
 *
 * const denoise = (x: Float32Array) => Promise.resolve(x); // a model that sees nothing but noise
 * await lastSample(ddim(denoise, new Float32Array(784), noiseSchedule(), { numInferenceSteps: 50 }));
 * ```
 */
export async function lastSample(steps: AsyncIterable<SamplerStep>): Promise<Float32Array> {
  let last: Float32Array | undefined;
  for await (const { sample } of steps) last = sample;
  if (last === undefined) throw new UserError("the sampler made no step, so there is no sample");
  return last;
}
