/**
 * Samplers: each is an async generator of steps with one signature,
 * `sampler(denoise, xT, schedule, options)`.
 *
 * @example
 * ```ts
 * import { noiseSchedule } from "@nanodiffusion/nanodiffusion";
 * import { dpmppMultistep, lastSample } from "@nanodiffusion/nanodiffusion/samplers";
 *
 * const denoise = (x: Float32Array) => Promise.resolve(x); // predicts that all of x is noise
 * const xT = new Float32Array(784);
 * await lastSample(dpmppMultistep(denoise, xT, noiseSchedule(), { numInferenceSteps: 10 }));
 * ```
 *
 * @module
 */
export { ddim } from "./ddim.ts";
export { ddpm } from "./ddpm.ts";
export { dpmppMultistep, dpmppSde } from "./dpmpp_multistep.ts";
export { dpmppSinglestep } from "./dpmpp_singlestep.ts";
export { euler } from "./euler.ts";
export { eulerAncestral } from "./euler_ancestral.ts";
export { flowEuler } from "./flow_euler.ts";
export { heun } from "./heun.ts";
export {
  type FlowSamplerName,
  flowSamplerNames,
  isFlowSampler,
  type SamplerName,
  samplerNames,
  samplerOf,
  type SamplerOption,
  samplerOptions,
} from "./registry.ts";
export { exponentialSigmas, karrasSigmas } from "./sigmas.ts";
export { type NoiseLeft, noiseLeft, stopAtSigma } from "./stop_at_sigma.ts";
export {
  type Denoiser,
  lastSample,
  type Sampler,
  type SamplerOptions,
  type SamplerStep,
} from "./types.ts";
export { uniPC } from "./unipc.ts";
export { inferenceTimesteps, quadraticTimesteps, respacedTimesteps } from "../timesteps.ts";
