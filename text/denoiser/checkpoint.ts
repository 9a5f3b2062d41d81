/**
 * Checkpoints of a denoiser of text latents: the transformer in `denoiser/`, the condition's encoder as a
 * BertModel of transformers in `condition_encoder/`, the scheduler in the format of diffusers, and in
 * `latents/` the normalization of latents with the hash of the autoencoder.
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
import type { HostParameters } from "../../nn/parameters.ts";
import { zeroPooler } from "../../vae/bert.ts";
import { bertConfigFromJson, bertConfigToJson } from "../../vae/config_json.ts";
import { partOf } from "../../vae/text_vae.ts";
import { type OpenedTextVae, type RunState, weightsOfPart } from "../autoencoder/checkpoint.ts";
import { requireComponent } from "../../training/checkpoint/check_model.ts";
import {
  type Checkpoint,
  loadCheckpoint,
  type LoadedCheckpoint,
} from "../../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../../training/checkpoint/folders.ts";
import { stateTensors, toTensors } from "../../training/checkpoint/state_tensors.ts";
import { checkedScale, type LatentScale } from "./latents.ts";

export interface TextDenoiserModel {
  readonly config: TextDenoiserConfig;
  readonly parameters: HostParameters; // weights, with those of the condition's encoder
  readonly schedule: NoiseSchedule; // noise schedule of its training; a flow uses only its T
  readonly isFlow: boolean; // whether it was trained by flow matching
  readonly scale: LatentScale; // normalization of its latents
  readonly vae: string; // SHA-256 of the autoencoder that it was trained with
  /** SHA-256 of the weights that make its latents; unknown in older checkpoints. */
  readonly latentsHash?: string | undefined;
}

const weightsName = "model.safetensors";

/** Builds a checkpoint. @param options.parameters The moving average of the weights. */
export function textDiffusionCheckpoint(
  { config, parameters, schedule, isFlow, scale, vae, latentsHash, state, ...run }:
    & TextDenoiserModel
    & RunState,
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
        config: {
          vae_sha256: vae,
          ...(latentsHash === undefined ? {} : { encoder_sha256: latentsHash }),
          range: scale.range,
        },
        weightsName,
        weights: toTensors({ mean: float32(scale.mean), deviation: float32(scale.deviation) }),
      },
    },
    state: { ...run, vectors: stateTensors(state) },
  };
}

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
  const scheduler = fromSchedulerConfig(
    requireComponent(checkpoint, "scheduler").config,
    `${where("scheduler")}/scheduler_config.json`,
  );
  const latents = requireComponent(checkpoint, "latents");
  const { vae_sha256: vae, encoder_sha256: latentsHash, range } = latents.config;
  const [mean, deviation] = ["mean", "deviation"].map((name) => latents.weights?.get(name));
  if (
    typeof vae !== "string" || typeof range !== "number" ||
    latentsHash !== undefined && typeof latentsHash !== "string"
  ) {
    throw new UserError(`${where("latents")} lacks a part of the normalization of latents`);
  }
  const scale = checkedScale(
    { mean, deviation, range },
    latentWidthOf(config),
    (what) => new UserError(`${where("latents")} ${what}: use another checkpoint`),
  );
  return {
    config,
    parameters: {
      ...weightsOfPart(checkpoint, "denoiser", latentDenoiserSpecs(config), DENOISER),
      ...(reader &&
        weightsOfPart(checkpoint, "condition_encoder", conditionEncoderSpecs(config), ENCODER)),
    },
    schedule: noiseSchedule(scheduler.schedule),
    isFlow: isFlowSampler(scheduler.sampler ?? samplerNames[0]),
    scale,
    vae,
    latentsHash,
  };
}

/**
 * Opens the denoiser of a run or of a checkpoint. The autoencoder must make the latents that it was trained
 * with; the decoder may differ.
 */
export async function openTextDenoiser(
  folder: string,
  vae: Pick<OpenedTextVae, "hash" | "latentsHash">,
  warn: (line: string) => void = () => {},
): Promise<TextDenoiserModel> {
  const directory = await fileExists(folder) ? await resolveCheckpoint(folder, warn) : folder;
  if (!await fileExists(`${directory}/model_index.json`)) {
    throw new UserError(`there is no denoiser in ${folder}`);
  }
  const model = loadTextDenoiser(await loadCheckpoint(directory));
  const isSame = model.latentsHash === undefined
    ? model.vae === vae.hash
    : model.latentsHash === vae.latentsHash;
  if (!isSame) {
    throw new UserError(
      `the denoiser in ${directory} was trained with the latents of another autoencoder: name that ` +
        "autoencoder's run, or train the denoiser again in another folder",
    );
  }
  return model;
}
