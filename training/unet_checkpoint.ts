/** A UNet's run as a checkpoint in diffusers' layout, and back. */
import {
  fromSchedulerConfig,
  schedulerConfig,
  type SchedulerOptions,
} from "../diffusion/scheduler_config.ts";
import type { SamplerName } from "../diffusion/samplers/registry.ts";
import type { SamplerOptions } from "../diffusion/samplers/types.ts";
import { type NoiseSchedule, noiseSchedule } from "../diffusion/schedules.ts";
import { unetSpecs } from "../diffusion/unet.ts";
import { type UNetConfig, unetConfigFromJson, unetConfigToJson } from "../diffusion/unet_config.ts";
import { UserError } from "../engine/errors.ts";
import type { JsonObject } from "../engine/json.ts";
import { float32, type HostArray } from "../engine/tree.ts";
import type { NamedTensors } from "../nn/host_tensor.ts";
import { type HostParameters, type ParameterSpecs, unravel } from "../nn/parameters.ts";
import { checkWeights, requireComponent } from "./check_model.ts";
import type { Checkpoint, LoadedCheckpoint } from "./checkpoint.ts";
import type { TrainState } from "./diffusion_step.ts";

/** What goes into a checkpoint of an image run. */
export interface UNetCheckpointOptions {
  /** The UNet's configuration. */
  readonly unetConfig: UNetConfig;
  /** The schedule that it is trained with. */
  readonly schedule: NoiseSchedule;
  /** The sampler that it is meant for. */
  readonly sampler: SamplerName;
  /** The sampler's options. */
  readonly samplerOptions: SamplerOptions;
  /** The state to go on from. */
  readonly state: TrainState;
  /** Steps done. */
  readonly step: number;
  /** The run's seed. */
  readonly seed: number;
  /** The hash of the run's configuration. */
  readonly configHash: string;
  /** Whatever else is to be kept. */
  readonly details?: JsonObject;
  /** The model card. */
  readonly card?: string;
}

/** Parameters as a file has them. */
export function toTensors(parameters: HostParameters): NamedTensors {
  return new Map(
    Object.entries(parameters).map(([name, { data, shape }]) =>
      [name, { dtype: "F32", shape, data: data as Float32Array }] as const
    ),
  );
}

/** Puts a checkpoint together. The weights that are published are the moving average. */
export function unetCheckpoint(
  { unetConfig, schedule, sampler, samplerOptions, state, card, ...run }: UNetCheckpointOptions,
): Checkpoint & Required<Pick<Checkpoint, "state">> {
  const specs = unetSpecs(unetConfig);
  // diffusers' pipelines for images drive these two schedulers alone; the others need no training of
  // their own, so nothing is lost.
  const driven = sampler === "ddpm" ? "ddpm" : "ddim";
  const scheduler = schedulerConfig(schedule, { ...samplerOptions, sampler: driven }) as JsonObject;
  return {
    modelIndex: {
      _class_name: driven === "ddim" ? "DDIMPipeline" : "DDPMPipeline",
      _diffusers_version: scheduler["_diffusers_version"]!,
      scheduler: ["diffusers", scheduler["_class_name"]!],
      unet: ["diffusers", "UNet2DModel"],
    },
    components: {
      unet: {
        config: unetConfigToJson(unetConfig) as JsonObject,
        weights: toTensors(unravel(state.ema, specs)),
        metadata: { weights: "ema" },
      },
      scheduler: { config: scheduler, configName: "scheduler_config.json" },
    },
    state: {
      ...run,
      vectors: toTensors({ parameters: state.parameters, ema: state.ema, ...state.optimizer }),
    },
    ...(card === undefined ? {} : { card }),
  };
}

/** A UNet from a checkpoint, to sample from. */
export interface LoadedUNet {
  /** Its configuration. */
  readonly config: UNetConfig;
  /** Its weights: of our checkpoints, the moving average. */
  readonly parameters: HostParameters;
  /** The schedule that it was trained with. */
  readonly schedule: NoiseSchedule;
  /** The sampler that the checkpoint names, if it names one. */
  readonly sampler: SamplerName | undefined;
  /** The sampler's options that the checkpoint names. */
  readonly samplerOptions: Required<SchedulerOptions>;
}

/**
 * Takes the UNet out of a checkpoint, ours or diffusers'.
 *
 * @throws {UserError} If it has none, or its tensors do not fit its configuration.
 */
export function loadUNet(checkpoint: LoadedCheckpoint): LoadedUNet {
  const { directory } = checkpoint;
  const component = requireComponent(checkpoint, "unet");
  const config = unetConfigFromJson(component.config, `${directory}/unet/config.json`);
  const shapes = new Map(
    Object.entries(unetSpecs(config)).map(([name, spec]) => [name, spec.shape]),
  );
  const weights = checkWeights(component.weights, shapes, `${directory}/unet`);
  const scheduler = requireComponent(checkpoint, "scheduler");
  const settings = fromSchedulerConfig(
    scheduler.config,
    `${directory}/scheduler/scheduler_config.json`,
  );
  return {
    config,
    parameters: Object.fromEntries(
      [...weights].map(([name, { data, shape }]) => [name, toFloat32(data, shape)]),
    ),
    schedule: noiseSchedule(settings.schedule),
    sampler: settings.sampler,
    samplerOptions: settings.options,
  };
}

function toFloat32(
  data: ArrayLike<number> | ArrayLike<bigint>,
  shape: readonly number[],
): HostArray {
  return float32(data instanceof Float32Array ? data : Float32Array.from(data, Number), shape);
}

/**
 * Takes the training state out of a checkpoint.
 *
 * @param slots The optimizer's records.
 * @throws {UserError} If it holds no state, or one of another model or optimizer.
 */
export function loadTrainState(
  checkpoint: LoadedCheckpoint,
  specs: ParameterSpecs,
  slots: readonly string[],
): TrainState {
  const { state, directory } = checkpoint;
  if (state === undefined) {
    throw new UserError(
      `${directory} has weights to sample from, but no training state to go on from; start anew`,
    );
  }
  const count = Object.values(specs)
    .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const shapes = new Map(["parameters", "ema", ...slots].map((name) => [name, [count]]));
  const vectors = checkWeights(
    state.vectors,
    shapes,
    `${directory}/training_state.safetensors`,
  );
  const vector = (name: string) => toFloat32(vectors.get(name)!.data, [count]);
  return {
    parameters: vector("parameters"),
    ema: vector("ema"),
    optimizer: Object.fromEntries(slots.map((slot) => [slot, vector(slot)])),
  };
}
