import { ddim } from "./ddim.ts";
import { ddpm } from "./ddpm.ts";
import type { Sampler } from "./types.ts";

/** Names of the samplers. */
export const samplerNames = ["ddpm", "ddim"] as const;
/** A name of {@linkcode samplerNames}. */
export type SamplerName = typeof samplerNames[number];

/** The samplers by name. */
export const samplers: Readonly<Record<SamplerName, Sampler>> = { ddpm, ddim };
