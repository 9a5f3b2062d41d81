/** A network compiled for sampling: what drawing samples and the tools of --sample-only share. */
import { flowX0Coefficients } from "../../diffusion/flow_matching.ts";
import { compileImageDenoiser } from "../../diffusion/networks/image_denoiser.ts";
import { describeNetwork } from "../../diffusion/networks/image_network.ts";
import {
  type FlowSamplerName,
  isFlowSampler,
  type SamplerName,
} from "../../diffusion/samplers/registry.ts";
import type { Denoiser } from "../../diffusion/samplers/types.ts";
import type { Device } from "../../engine/device.ts";
import type { DrawOptions } from "./samples.ts";

/** The model, its guidance, and the sampler that will ask. */
export type SessionOptions = Pick<
  DrawOptions,
  | ("parameters" | "config" | "channels" | "nullClass")
  | ("guidanceScale" | "guidanceRescale" | "guidanceInterval")
  | ("schedule" | "sampler" | "samplerOptions")
>;

/** A compiled model; disposing of it releases its graphs. */
export interface SamplingSession extends AsyncDisposable {
  /**
   * The guided denoiser of samples of these classes, for one sampling: a model that is shown its own
   * estimates remembers the last one.
   *
   * @param labels [B]; of an unconditional model nothing counts.
   * @throws {UserError} If guidance is asked of a model without a null class.
   */
  denoiser(labels: Int32Array): Denoiser;
}

/** Compiles a model. @param onEvaluation Is called after each evaluation that a denoiser was asked for. */
export function openSampling(
  device: Device,
  { parameters, config, channels, nullClass, guidanceScale, ...rest }: SessionOptions,
  onEvaluation: () => void = () => {},
): SamplingSession {
  const network = describeNetwork(config, channels);
  const compiled = compileImageDenoiser(device, parameters, network);
  const { guidanceRescale = 0, guidanceInterval, schedule, sampler, samplerOptions } = rest;
  const x0Source = isFlowSampler(sampler)
    ? flowX0Coefficients(schedule.numTrainTimesteps)
    : schedule;
  return {
    denoiser: (labels) => {
      const denoise = compiled.condition({
        x0Source,
        keepVariance: sampler === "ddpm" && samplerOptions.varianceType === "learned_range",
        ...(network.numClassEmbeds === null ? {} : {
          ...{ classLabels: labels, nullClass, guidanceScale, guidanceRescale },
          ...(guidanceInterval === undefined ? {} : { interval: guidanceInterval }),
        }),
      });
      return async (x, timestep) => {
        const output = await denoise(x, timestep);
        onEvaluation();
        return output;
      };
    },
    [Symbol.asyncDispose]: () => compiled.dispose(),
  };
}

/** How often a sampler asks its denoiser: Heun's method twice a step but the last. */
export function evaluationsOf(sampler: SamplerName | FlowSamplerName, steps: number): number {
  return sampler === "heun" ? 2 * steps - 1 : steps;
}
