/** The denoiser and the noise schedule that the settings describe, and checks of these settings. */
import type { NoiseSchedule } from "../../diffusion/schedules.ts";
import type { LoadedTextVae } from "../autoencoder/checkpoint.ts";
import { ConditionTokens } from "../condition_tokens.ts";
import { refuse } from "../config.ts";
import { isTextCondition } from "../examples.ts";
import type { DenoiserConfig } from "../settings.ts";
import { blockCount, isMultiPass, sourceCount } from "./layouts.ts";
import { type TextDenoiserConfig, textDenoiserConfig } from "./network.ts";
import { latentNoiseSchedule } from "./schedules.ts";

/** Names of conditions that must not be cut, for messages: half of a question asks something else. */
function nameOfWhole({ condition, thoughtPasses }: DenoiserConfig): string | undefined {
  if (condition === "sentence") return "sentence";
  if (condition !== "question") return undefined;
  return thoughtPasses === "multi" ? "question with its thoughts" : "question";
}

/** The denoiser that a configuration describes, and the tokens of its condition. */
export function denoiserOf(
  config: DenoiserConfig,
  { config: vae, encoderTokenizer }: Pick<LoadedTextVae, "config" | "encoderTokenizer">,
  classes: readonly string[] | null,
): { model: TextDenoiserConfig; tokens: ConditionTokens | undefined } {
  const { condition, conditionReader, conditionTokens } = config;
  const hasText = isTextCondition(condition);
  const reader = conditionReader === "new"
    ? { ...vae.encoder, maxPositionEmbeddings: conditionTokens + 2 }
    : vae.encoder;
  const encoder = hasText && conditionReader !== "latents" ? reader : null;
  const model = textDenoiserConfig({
    latents: vae.latents,
    latentWidth: vae.latentWidth,
    blocks: blockCount(config),
    classes: classes?.length ?? null,
    encoder,
    conditionBlocks: hasText && conditionReader === "latents" ? sourceCount(config) : 0,
    nullCondition: config.conditionDropout > 0,
    layers: config.layers,
    width: config.width,
    heads: config.heads,
    selfConditioning: config.selfConditioning > 0,
  });
  if (encoder === null) return { model, tokens: undefined };
  const limit = Math.min(conditionTokens, encoder.maxPositionEmbeddings - 2);
  return { model, tokens: new ConditionTokens(encoderTokenizer, limit, nameOfWhole(config)) };
}

export function scheduleOf(
  { noiseSchedule, noiseShift, tanD, timesteps, prediction }: DenoiserConfig,
): NoiseSchedule {
  return latentNoiseSchedule(noiseSchedule, {
    noiseShift,
    tanD,
    numTrainTimesteps: timesteps,
    predictionType: prediction,
  });
}

/** Refuses combinations of settings that make no sense. */
export function checkDenoiser(config: DenoiserConfig): void {
  const { width, heads, evalEvery, logEvery, objective } = config;
  refuse(
    width % heads !== 0,
    `--denoiser-width ${width} must be a multiple of --denoiser-heads ${heads}.`,
  );
  refuse(
    evalEvery % logEvery !== 0,
    `--diffusion-eval-every ${evalEvery} must be a multiple of --diffusion-log-every ${logEvery}.`,
  );
  refuse(
    config.coupledSampling > 0 && !isMultiPass(config),
    `--coupled-sampling ${config.coupledSampling} is for --thought-passes multi.`,
  );
  refuse(
    config.scheduledSampling > 0 && (objective !== "diffusion" || config.prediction !== "sample"),
    `--scheduled-sampling ${config.scheduledSampling} is for --objective diffusion with ` +
      "--prediction sample.",
  );
  refuse(
    objective === "flow_matching" && config.minSnrGamma + config.p2Gamma > 0,
    "--min-snr-gamma and --p2-gamma are for --objective diffusion: a flow has no SNR weights.",
  );
  refuse(
    config.minSnrGamma > 0 && config.p2Gamma > 0,
    "--min-snr-gamma and --p2-gamma both weight the loss: leave one of them out.",
  );
}
