/** Checkpoints of image runs in the layout of diffusers. */
import { UserError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
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
import { currentNames } from "../diffusion/networks/unet.ts";
import { unetConfigFromJson, unetConfigToJson } from "../diffusion/networks/unet_config.ts";
import {
  type FlowSamplerName,
  isFlowSampler,
  type SamplerName,
} from "../diffusion/samplers/registry.ts";
import {
  fromSchedulerConfig,
  schedulerConfig,
  type SchedulerOptions,
} from "../diffusion/scheduler_config.ts";
import { type NoiseSchedule, noiseSchedule } from "../diffusion/schedules.ts";
import type { NamedTensors } from "../nn/host_tensor.ts";
import { type HostParameters, unravel } from "../nn/parameters.ts";
import { checkWeights, requireComponent } from "../training/checkpoint/check_model.ts";
import type { Checkpoint, Component, LoadedCheckpoint } from "../training/checkpoint/checkpoint.ts";
import { stateTensors, toParameters, toTensors } from "../training/checkpoint/state_tensors.ts";
import type { TrainState } from "../training/step.ts";

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

/** The content of a checkpoint of an image run. */
export interface ImageCheckpointOptions {
  /** The network's configuration. */
  readonly network: ImageNetworkConfig;
  /** The noise schedule. */
  readonly schedule: NoiseSchedule;
  /** The seed, and the sampling settings. */
  readonly config: SavedSettings;
  /** The state of the training. */
  readonly state: TrainState;
  /** Steps done so far. */
  readonly step: number;
  /** The hash of the run's configuration. */
  readonly configHash: string;
  /** Further values to keep. */
  readonly details?: JsonObject;
  /** Further vectors of the training state, by name. */
  readonly vectors?: NamedTensors | undefined;
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
  // diffusers has an embedding in each block: equal copies of a shared one give the same model.
  const separate = separateEmbeddings(averaged, network);
  const isStandard = isDiffusersDit(separate.config);
  const { parameters, config } = isStandard ? separate : { parameters: averaged, config: network };
  return {
    folder: "transformer",
    library: isStandard ? ["diffusers", "DiTTransformer2DModel"] : ["nanodiffusion", "DiT"],
    component: {
      config: ditConfigToJson(config) as JsonObject,
      weights: toTensors(parameters),
      metadata,
    },
  };
}

/** Makes a checkpoint. Its components hold the moving average of the weights, its state the weights too. */
export function imageCheckpoint(
  { network, config, schedule, state, vectors, ...run }: ImageCheckpointOptions,
): Checkpoint & Required<Pick<Checkpoint, "state">> {
  const averaged = unravel(state.ema, networkSpecs(network));
  const { folder, library, component } = networkComponent(network, averaged);
  const { seed, sampler, timestepSpacing, flowShift, learnedVariance } = config;
  const varianceType = learnedVariance ? "learned_range" : config.varianceType;
  // The image pipelines of diffusers support these schedulers only. Other samplers need no training of their
  // own, so they can still be chosen when sampling. Learned variances are for ddpm.
  const usesDdpm = sampler === "ddpm" || varianceType === "learned_range";
  const saved = isFlowSampler(sampler) ? sampler : usesDdpm ? "ddpm" : "ddim";
  const scheduler = schedulerConfig(schedule, {
    timestepSpacing,
    varianceType,
    flowShift,
    sampler: saved,
  }) as JsonObject;
  const pipeline = isDit(network)
    ? "DiTPipeline"
    : saved === "ddim"
    ? "DDIMPipeline"
    : "DDPMPipeline";
  const card = shiftNote(scheduler);
  return {
    ...card === undefined ? {} : { card },
    modelIndex: {
      _class_name: pipeline,
      _diffusers_version: scheduler["_diffusers_version"]!,
      scheduler: ["diffusers", scheduler["_class_name"]!],
      [folder]: library,
      ...(isDit(network) ? { vae: [null, null] } : {}), // without a VAE
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
  };
}

/**
 * A section of the model card for a flow whose levels are shifted; undefined for other schedulers.
 *
 * @param scheduler The content of scheduler_config.json.
 */
export function shiftNote(scheduler: JsonObject): string | undefined {
  const { shift = 1, num_train_timesteps: T } = scheduler;
  if (shift === 1) return undefined;
  return [
    "## Sampling with diffusers",
    "",
    `The levels are shifted by ${shift}. FlowMatchEulerDiscreteScheduler shifts the ends of its levels a`,
    "second time, so its images differ from those of nanoDiffusion. These are the same levels, for S steps:",
    "",
    "```python",
    `scheduler.set_timesteps(sigmas=numpy.linspace(1, 1 / ${T}, S))`,
    "```",
    "",
  ].join("\n");
}

/** A model from a checkpoint. */
export interface LoadedImageModel {
  /** The configuration of the network. */
  readonly config: ImageNetworkConfig;
  /** The weights; in checkpoints of this project they are the moving average. */
  readonly parameters: HostParameters;
  /** The schedule that it was trained with; a flow uses only its T. */
  readonly schedule: NoiseSchedule;
  /** The sampler in the checkpoint, if there is one; flow_euler if the model is a flow. */
  readonly sampler: SamplerName | FlowSamplerName | undefined;
  /** The sampler's options in the checkpoint. */
  readonly samplerOptions: Required<SchedulerOptions>;
}

/**
 * The UNet or diffusion transformer of a checkpoint of this project or of diffusers.
 *
 * @throws {UserError} If there is none, or its tensors do not fit its configuration.
 */
export function loadImageModel(checkpoint: LoadedCheckpoint): LoadedImageModel {
  const { directory } = checkpoint;
  const folder = Object.hasOwn(checkpoint.components, "transformer") ? "transformer" : "unet";
  const component = requireComponent(checkpoint, folder);
  const { directory: where = `${directory}/${folder}` } = component;
  const fromJson = folder === "unet" ? unetConfigFromJson : ditConfigFromJson;
  const config: ImageNetworkConfig = fromJson(component.config, `${where}/config.json`);
  const specs = Object.entries(networkSpecs(config));
  const shapes = new Map(specs.map(([name, spec]) => [name, spec.shape]));
  const weights = checkWeights(
    component.weights && currentNames(component.weights),
    shapes,
    where,
  );
  const { scheduler } = checkpoint.components;
  if (scheduler === undefined) {
    throw new UserError(
      `${directory} has no scheduler_config.json: copy into it the one that the model was trained with`,
    );
  }
  const { directory: place = `${directory}/scheduler` } = scheduler;
  const settings = fromSchedulerConfig(scheduler.config, `${place}/scheduler_config.json`);
  return {
    config,
    parameters: toParameters(weights),
    schedule: noiseSchedule(settings.schedule),
    sampler: settings.sampler,
    samplerOptions: settings.options,
  };
}
