/** An image run as a checkpoint in diffusers' layout, and back. */
import {
  fromSchedulerConfig,
  schedulerConfig,
  type SchedulerOptions,
} from "../diffusion/scheduler_config.ts";
import {
  ditConfigFromJson,
  ditConfigToJson,
  isDiffusersDit,
} from "../diffusion/networks/dit_config.ts";
import { separateEmbeddings } from "../diffusion/networks/dit_specs.ts";
import {
  type ImageNetworkConfig,
  isDit,
  networkSpecs,
} from "../diffusion/networks/image_network.ts";
import {
  type FlowSamplerName,
  isFlowSampler,
  type SamplerName,
} from "../diffusion/samplers/registry.ts";
import { type NoiseSchedule, noiseSchedule } from "../diffusion/schedules.ts";
import { unetConfigFromJson, unetConfigToJson } from "../diffusion/networks/unet_config.ts";
import type { JsonObject } from "../base/json.ts";
import type { NamedTensors } from "../nn/host_tensor.ts";
import { type HostParameters, unravel } from "../nn/parameters.ts";
import { checkWeights, requireComponent } from "../training/checkpoint/check_model.ts";
import type { Checkpoint, Component, LoadedCheckpoint } from "../training/checkpoint/checkpoint.ts";
import type { TrainState } from "../training/step.ts";
import { stateTensors, toParameters, toTensors } from "../training/checkpoint/state_tensors.ts";

/** The settings that a checkpoint records. */
export interface SavedSettings
  extends Required<Pick<SchedulerOptions, "timestepSpacing" | "varianceType" | "flowShift">> {
  /** The seed. */
  readonly seed: number;
  /** The sampler. */
  readonly sampler: SamplerName | FlowSamplerName;
  /** Whether the network predicts variances too: the saved type is then "learned_range". */
  readonly learnedVariance: boolean;
}

/** What goes into a checkpoint of an image run. */
export interface ImageCheckpointOptions {
  /** The network's configuration. */
  readonly network: ImageNetworkConfig;
  /** The schedule that it is trained with. */
  readonly schedule: NoiseSchedule;
  /** The settings of the run: its seed, and how it is sampled. */
  readonly config: SavedSettings;
  /** The state to go on from. */
  readonly state: TrainState;
  /** Steps done. */
  readonly step: number;
  /** The hash of the run's configuration. */
  readonly configHash: string;
  /** Whatever else is to be kept. */
  readonly details?: JsonObject;
  /** Further vectors of the training state by name. */
  readonly vectors?: NamedTensors | undefined;
  /** The model card. */
  readonly card?: string;
}

/** The network's folder, and its class in model_index.json. */
function networkComponent(
  network: ImageNetworkConfig,
  averaged: HostParameters,
): { folder: string; library: [string, string]; component: Component } {
  const metadata = { weights: "ema" };
  if (!isDit(network)) {
    const config = unetConfigToJson(network) as JsonObject;
    const component = { config, weights: toTensors(averaged), metadata };
    return { folder: "unet", library: ["diffusers", "UNet2DModel"], component };
  }
  // diffusers has an embedding in each block: equal copies of the shared one are the same model.
  const separate = separateEmbeddings(averaged, network);
  const known = isDiffusersDit(separate.config);
  const { parameters, config } = known ? separate : { parameters: averaged, config: network };
  return {
    folder: "transformer",
    library: known ? ["diffusers", "DiTTransformer2DModel"] : ["nanodiffusion", "DiT"],
    component: {
      config: ditConfigToJson(config) as JsonObject,
      weights: toTensors(parameters),
      metadata,
    },
  };
}

/** Puts a checkpoint together. The weights that are published are the moving average. */
export function imageCheckpoint(
  { network, config, schedule, state, card, vectors, ...run }: ImageCheckpointOptions,
): Checkpoint & Required<Pick<Checkpoint, "state">> {
  const averaged = unravel(state.ema, networkSpecs(network));
  const { folder, library, component } = networkComponent(network, averaged);
  const { seed, sampler, timestepSpacing, flowShift, learnedVariance } = config;
  const varianceType = learnedVariance ? "learned_range" : config.varianceType;
  // diffusers' pipelines for images drive these schedulers alone; the others need no training of
  // their own, so nothing is lost. Learned variances are ddpm's.
  const learned = varianceType === "learned_range";
  const driven = isFlowSampler(sampler) ? sampler : sampler === "ddpm" || learned ? "ddpm" : "ddim";
  const scheduler = schedulerConfig(schedule, {
    timestepSpacing,
    varianceType,
    flowShift,
    sampler: driven,
  }) as JsonObject;
  const pipeline = isDit(network)
    ? "DiTPipeline"
    : driven === "ddim"
    ? "DDIMPipeline"
    : "DDPMPipeline";
  return {
    modelIndex: {
      _class_name: pipeline,
      _diffusers_version: scheduler["_diffusers_version"]!,
      scheduler: ["diffusers", scheduler["_class_name"]!],
      [folder]: library,
      ...(isDit(network) ? { vae: [null, null] } : {}), // images are their own latents
    },
    components: {
      [folder]: component,
      scheduler: { config: scheduler, configName: "scheduler_config.json" },
    },
    state: {
      ...run,
      seed,
      vectors: new Map([
        ...stateTensors(state),
        ...vectors ?? [],
      ]),
    },
    ...(card === undefined ? {} : { card }),
  };
}

/** A network from a checkpoint, to sample from. */
export interface LoadedImageModel {
  /** Its configuration. */
  readonly config: ImageNetworkConfig;
  /** Its weights: of our checkpoints, the moving average. */
  readonly parameters: HostParameters;
  /** The schedule that it was trained with; of a flow, only its T counts. */
  readonly schedule: NoiseSchedule;
  /** The sampler that the checkpoint names, if it names one; flow_euler for a flow, and only there. */
  readonly sampler: SamplerName | FlowSamplerName | undefined;
  /** The sampler's options that the checkpoint names. */
  readonly samplerOptions: Required<SchedulerOptions>;
}

/**
 * Takes the UNet or the diffusion transformer out of a checkpoint, ours or diffusers'.
 *
 * @throws {UserError} If it has none, or its tensors do not fit its configuration.
 */
export function loadImageModel(checkpoint: LoadedCheckpoint): LoadedImageModel {
  const { directory } = checkpoint;
  const folder = Object.hasOwn(checkpoint.components, "transformer") ? "transformer" : "unet";
  const component = requireComponent(checkpoint, folder);
  const where = `${directory}/${folder}`;
  const fromJson = folder === "unet" ? unetConfigFromJson : ditConfigFromJson;
  const config: ImageNetworkConfig = fromJson(component.config, `${where}/config.json`);
  const specs = Object.entries(networkSpecs(config));
  const shapes = new Map(specs.map(([name, spec]) => [name, spec.shape]));
  const weights = checkWeights(component.weights, shapes, where);
  const scheduler = requireComponent(checkpoint, "scheduler");
  const settings = fromSchedulerConfig(
    scheduler.config,
    `${directory}/scheduler/scheduler_config.json`,
  );
  return {
    config,
    parameters: toParameters(weights),
    schedule: noiseSchedule(settings.schedule),
    sampler: settings.sampler,
    samplerOptions: settings.options,
  };
}
