/**
 * A denoiser of text latents as a checkpoint, and back: the transformer in `denoiser/`, what reads its
 * condition as a BertModel of transformers in `condition_encoder/`, the scheduler as diffusers has it,
 * and in `latents/` what brings latents to mean 0 and deviation 1, with the autoencoder's hash.
 */
import { ditConfigFromJson, ditConfigToJson } from "../../diffusion/networks/dit_config.ts";
import { isFlowSampler, samplerNames } from "../../diffusion/samplers/registry.ts";
import { fromSchedulerConfig, schedulerConfig } from "../../diffusion/scheduler_config.ts";
import { type NoiseSchedule, noiseSchedule } from "../../diffusion/schedules.ts";
import {
  conditionEncoderSpecs,
  DENOISER,
  ENCODER,
  latentDenoiserSpecs,
  latentWidthOf,
  type TextDenoiserConfig,
} from "./network.ts";
import { UserError } from "../../base/errors.ts";
import { fileExists } from "../../base/files.ts";
import type { JsonObject } from "../../base/json.ts";
import { float32 } from "../../engine/tree.ts";
import type { HostParameters, ParameterSpecs } from "../../nn/parameters.ts";
import { zeroPooler } from "../../vae/bert.ts";
import { bertConfigFromJson, bertConfigToJson } from "../../vae/config_json.ts";
import { partOf, underPrefix } from "../../vae/text_vae.ts";
import { checkWeights, requireComponent } from "../../training/checkpoint/check_model.ts";
import {
  type Checkpoint,
  loadCheckpoint,
  type LoadedCheckpoint,
} from "../../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../../training/checkpoint/folders.ts";
import type { TrainState } from "../../training/step.ts";
import { stateTensors, toParameters, toTensors } from "../../training/checkpoint/state_tensors.ts";
import { checkedScale, type LatentScale } from "./latents.ts";

/** A trained denoiser. */
export interface TextDenoiserModel {
  /** Its sizes. */
  readonly config: TextDenoiserConfig;
  /** Its weights, the encoder's included. */
  readonly parameters: HostParameters;
  /** The schedule that it is trained with; of a flow, only its T counts. */
  readonly schedule: NoiseSchedule;
  /** Whether it was trained by flow matching. */
  readonly isFlow: boolean;
  /** How its latents are normalised. */
  readonly scale: LatentScale;
  /** SHA-256 of the autoencoder whose latents it denoises. */
  readonly vae: string;
}

/** What goes into a checkpoint besides the model. */
export interface TextDiffusionCheckpointOptions extends TextDenoiserModel {
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
}

const weightsName = "model.safetensors";

/** Puts a checkpoint together. @param options.parameters Those to be published: the moving average. */
export function textDiffusionCheckpoint(
  { config, parameters, schedule, isFlow, scale, vae, state, ...run }:
    TextDiffusionCheckpointOptions,
): Checkpoint & Required<Pick<Checkpoint, "state">> {
  const scheduler = schedulerConfig(schedule, {
    sampler: isFlow ? "flow_euler" : "ddim",
    clipSample: false, // latents have no bounds
  }) as JsonObject;
  const { encoder } = config;
  return {
    modelIndex: {
      _class_name: "TextDiffusion",
      denoiser: ["nanodiffusion", "DiT"],
      ...(encoder === null ? {} : { condition_encoder: ["transformers", "BertModel"] }),
      scheduler: ["diffusers", scheduler["_class_name"]!],
      latents: ["nanodiffusion", "LatentScale"],
    },
    components: {
      denoiser: {
        config: ditConfigToJson(config.dit) as JsonObject,
        weights: toTensors(partOf(parameters, DENOISER)),
        metadata: { weights: "ema" },
      },
      ...(encoder === null ? {} : {
        condition_encoder: {
          config: bertConfigToJson(encoder),
          weightsName,
          weights: toTensors({
            ...partOf(parameters, ENCODER),
            ...zeroPooler(encoder),
          }),
        },
      }),
      scheduler: { config: scheduler, configName: "scheduler_config.json" },
      latents: {
        config: { vae_sha256: vae, range: scale.range },
        weightsName,
        weights: toTensors({ mean: float32(scale.mean), deviation: float32(scale.deviation) }),
      },
    },
    state: { ...run, vectors: stateTensors(state) },
  };
}

/**
 * Takes the denoiser out of a checkpoint.
 *
 * @throws {UserError} If a part is missing or unsound.
 */
export function loadTextDenoiser(checkpoint: LoadedCheckpoint): TextDenoiserModel {
  const { directory, components } = checkpoint;
  const where = (folder: string) => `${directory}/${folder}`;
  const denoiser = requireComponent(checkpoint, "denoiser");
  const reader = components["condition_encoder"];
  const config: TextDenoiserConfig = {
    dit: ditConfigFromJson(denoiser.config, `${where("denoiser")}/config.json`),
    encoder: reader === undefined
      ? null
      : bertConfigFromJson(reader.config, `${where("condition_encoder")}/config.json`),
  };
  const weightsOf = (
    weights: typeof denoiser.weights,
    specs: ParameterSpecs,
    prefix: string,
    folder: string,
  ) => {
    const shapes = Object.entries(partOf(specs, prefix)).map(([name, { shape }]) =>
      [name, shape] as const
    );
    const checked = checkWeights(weights, new Map(shapes), where(folder), { allowOthers: true });
    return underPrefix(toParameters(checked), prefix);
  };
  const scheduler = fromSchedulerConfig(
    requireComponent(checkpoint, "scheduler").config,
    `${where("scheduler")}/scheduler_config.json`,
  );
  const latents = requireComponent(checkpoint, "latents");
  const { vae_sha256: vae, range } = latents.config;
  const [mean, deviation] = ["mean", "deviation"].map((name) => latents.weights?.get(name));
  if (typeof vae !== "string" || typeof range !== "number") {
    throw new UserError(`${where("latents")} lacks a part of what normalises latents`);
  }
  const scale = checkedScale(
    { mean, deviation, range },
    latentWidthOf(config),
    (what) => new UserError(`${where("latents")} ${what}: use another checkpoint`),
  );
  return {
    config,
    parameters: {
      ...weightsOf(denoiser.weights, latentDenoiserSpecs(config), DENOISER, "denoiser"),
      ...(reader === undefined ? {} : weightsOf(
        reader.weights,
        conditionEncoderSpecs(config),
        ENCODER,
        "condition_encoder",
      )),
    },
    schedule: noiseSchedule(scheduler.schedule),
    isFlow: isFlowSampler(scheduler.sampler ?? samplerNames[0]),
    scale,
    vae,
  };
}

/**
 * The newest denoiser of a run, or a released one.
 *
 * @param place The run's folder, or the checkpoint's.
 * @param vae SHA-256 of the autoencoder whose latents it is to denoise.
 * @throws {UserError} If there is none, or it is unsound or of another autoencoder.
 */
export async function openTextDenoiser(place: string, vae: string): Promise<TextDenoiserModel> {
  const directory = await fileExists(place)
    ? await resolveCheckpoint(place, (line) => console.error(line))
    : place;
  if (!await fileExists(`${directory}/model_index.json`)) {
    throw new UserError(`there is no denoiser in ${place}: run --stage diffusion first`);
  }
  const model = loadTextDenoiser(await loadCheckpoint(directory, { state: false }));
  if (model.vae !== vae) {
    throw new UserError(
      `the denoiser in ${directory} is of another autoencoder's latents: train it anew with ` +
        "--stage diffusion --overwrite",
    );
  }
  return model;
}
