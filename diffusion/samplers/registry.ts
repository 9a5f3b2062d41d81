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

interface SamplerEntry {
  readonly sampler: Sampler;
  readonly takes: readonly SamplerOption[];
}

const START: readonly SamplerOption[] = ["startStep", "initialSample"];
const PREDICTION: readonly SamplerOption[] = ["clipSample", "clipSampleRange", "constrainX0"];
const TIMESTEPS: readonly SamplerOption[] = [
  "numInferenceSteps",
  "timestepSpacing",
  "stepsOffset",
  "timesteps",
];
const COMMON: readonly SamplerOption[] = [...START, ...PREDICTION, ...TIMESTEPS];
const SIGMAS: readonly SamplerOption[] = [
  ...COMMON,
  "useKarrasSigmas",
  "useExponentialSigmas",
  "finalSigmasType",
];
const SOLVER: readonly SamplerOption[] = [
  ...SIGMAS,
  "solverOrder",
  "solverType",
  "lowerOrderFinal",
];
const DPMPP_MULTISTEP: readonly SamplerOption[] = [
  ...SOLVER,
  "noise",
  "eulerAtFinal",
  "fullThirdOrder",
];

const samplers: Readonly<Record<SamplerName | FlowSamplerName, SamplerEntry>> = {
  ddpm: { sampler: ddpm, takes: [...COMMON, "noise", "varianceType", "channels"] },
  ddim: {
    sampler: ddim,
    takes: [
      ...COMMON,
      "noise",
      "eta",
      "useClippedModelOutput",
      "setAlphaToOne",
      "previousTimestep",
    ],
  },
  dpmpp_multistep: { sampler: dpmppMultistep, takes: [...DPMPP_MULTISTEP, "algorithmType"] },
  dpmpp_sde: { sampler: dpmppSde, takes: DPMPP_MULTISTEP },
  dpmpp_singlestep: { sampler: dpmppSinglestep, takes: [...SOLVER, "noise", "algorithmType"] },
  unipc: { sampler: uniPC, takes: SOLVER },
  heun: { sampler: heun, takes: SIGMAS },
  euler: { sampler: euler, takes: SIGMAS },
  euler_ancestral: { sampler: eulerAncestral, takes: [...SIGMAS, "noise"] },
  flow_euler: {
    sampler: flowEuler,
    takes: [...START, ...PREDICTION, "numInferenceSteps", "flowShift"],
  },
};

/** A sampler by its name. */
export function samplerOf(name: SamplerName | FlowSamplerName): Sampler {
  return samplers[name].sampler;
}

/** The options that a sampler takes; it ignores all others. */
export function samplerOptions(name: SamplerName | FlowSamplerName): readonly SamplerOption[] {
  return samplers[name].takes;
}

/** Whether a sampler is for models that were trained by flow matching. */
export function isFlowSampler(name: SamplerName | FlowSamplerName): name is FlowSamplerName {
  return flowSamplerNames.some((flow) => flow === name);
}
