/** The samplers by name, each with the options that it takes. */
import { ddim } from "./ddim.ts";
import { ddpm } from "./ddpm.ts";
import { dpmppMultistep, dpmppSde } from "./dpmpp_multistep.ts";
import { dpmppSinglestep } from "./dpmpp_singlestep.ts";
import { euler } from "./euler.ts";
import { eulerAncestral } from "./euler_ancestral.ts";
import { flowEuler } from "./flow_euler.ts";
import { heun } from "./heun.ts";
import type { Sampler, SamplerOptions } from "./types.ts";
import { uniPC } from "./unipc.ts";

/** Names of the samplers of models with a noise schedule. */
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

/** Names of the samplers of models that predict a flow's velocity, see flow_matching.ts. */
export const flowSamplerNames = ["flow_euler"] as const;
/** A name of {@linkcode flowSamplerNames}. */
export type FlowSamplerName = typeof flowSamplerNames[number];

/** The name of an option of samplers. */
export type SamplerOption = keyof SamplerOptions;

type Takes = readonly SamplerOption[];

const START: Takes = ["startStep", "initialSample"];
const PREDICTION: Takes = ["clipSample", "clipSampleRange", "constrainX0"];
const TIMESTEPS: Takes = ["numInferenceSteps", "timestepSpacing", "stepsOffset", "timesteps"];
const COMMON: Takes = [...START, ...PREDICTION, ...TIMESTEPS];
const SIGMAS: Takes = [...COMMON, "useKarrasSigmas", "useExponentialSigmas", "finalSigmasType"];
const SOLVER: Takes = [...SIGMAS, "solverOrder", "solverType", "lowerOrderFinal"];
const DPMPP_MULTISTEP: Takes = [...SOLVER, "noise", "eulerAtFinal", "fullThirdOrder"];
const ANCESTRAL: Takes = [...COMMON, "noise"];
const DDIM: Takes = ["eta", "useClippedModelOutput", "setAlphaToOne", "previousTimestep"];

const samplers: Record<SamplerName | FlowSamplerName, [sampler: Sampler, takes: Takes]> = {
  ddpm: [ddpm, [...ANCESTRAL, "varianceType", "channels"]],
  ddim: [ddim, [...ANCESTRAL, ...DDIM]],
  dpmpp_multistep: [dpmppMultistep, [...DPMPP_MULTISTEP, "algorithmType"]],
  dpmpp_sde: [dpmppSde, DPMPP_MULTISTEP],
  dpmpp_singlestep: [dpmppSinglestep, [...SOLVER, "noise", "algorithmType"]],
  unipc: [uniPC, SOLVER],
  heun: [heun, [...SIGMAS, "slopeVariable"]],
  euler: [euler, SIGMAS],
  euler_ancestral: [eulerAncestral, [...SIGMAS, "noise"]],
  flow_euler: [flowEuler, [...START, ...PREDICTION, "numInferenceSteps", "flowShift"]],
};

/** A sampler by its name. */
export function samplerOf(name: SamplerName | FlowSamplerName): Sampler {
  return samplers[name][0];
}

/** The options that a sampler takes; it ignores all others. */
export function samplerOptions(name: SamplerName | FlowSamplerName): readonly SamplerOption[] {
  return samplers[name][1];
}

/** Whether a sampler is for models that were trained by flow matching. */
export function isFlowSampler(name: SamplerName | FlowSamplerName): name is FlowSamplerName {
  return flowSamplerNames.some((flow) => flow === name);
}
