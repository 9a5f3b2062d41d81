import { ddim } from "./ddim.ts";
import { ddpm } from "./ddpm.ts";
import { dpmppMultistep, dpmppSde } from "./dpmpp_multistep.ts";
import { dpmppSinglestep } from "./dpmpp_singlestep.ts";
import { euler } from "./euler.ts";
import { eulerAncestral } from "./euler_ancestral.ts";
import { flowEuler } from "./flow_euler.ts";
import { heun } from "./heun.ts";
import type { Sampler } from "./types.ts";
import { uniPC } from "./unipc.ts";

/** Names of the samplers. */
export const samplerNames = [
  "ddpm",
  "ddim",
  "dpmpp_multistep",
  "dpmpp_sde",
  "dpmpp_singlestep",
  "unipc",
  "heun",
  "euler",
  "euler_ancestral",
] as const;
/** A name of {@linkcode samplerNames}. */
export type SamplerName = typeof samplerNames[number];

/** The samplers by name. */
export const samplers: Readonly<Record<SamplerName, Sampler>> = {
  ddpm,
  ddim,
  dpmpp_multistep: dpmppMultistep,
  dpmpp_sde: dpmppSde,
  dpmpp_singlestep: dpmppSinglestep,
  unipc: uniPC,
  heun,
  euler,
  euler_ancestral: eulerAncestral,
};

/** Names of the samplers for models of a velocity, which walk straight paths: see flow_matching.ts. */
export const flowSamplerNames = ["flow_euler"] as const;
/** A name of {@linkcode flowSamplerNames}. */
export type FlowSamplerName = typeof flowSamplerNames[number];

/** Whether a sampler is one for flows, and so for models that were trained by flow matching. */
export function isFlowSampler(name: SamplerName | FlowSamplerName): name is FlowSamplerName {
  return flowSamplerNames.some((flow) => flow === name);
}

/** A sampler by its name, of either kind. */
export function samplerOf(name: SamplerName | FlowSamplerName): Sampler {
  return isFlowSampler(name) ? flowEuler : samplers[name];
}
