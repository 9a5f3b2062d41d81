import { ddim } from "./ddim.ts";
import { ddpm } from "./ddpm.ts";
import { dpmppMultistep } from "./dpmpp_multistep.ts";
import { dpmppSde } from "./dpmpp_sde.ts";
import { dpmppSinglestep } from "./dpmpp_singlestep.ts";
import { euler } from "./euler.ts";
import { eulerAncestral } from "./euler_ancestral.ts";
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
