/** Whether the conditions of a data set are read whole. */
import { encoderTokens } from "../vae/text_vae_config.ts";
import { ConditionTokens } from "./condition_tokens.ts";
import type { LatentExample } from "./data.ts";
import { nextThought } from "./denoiser/batches.ts";
import type { TextDiffusionConfig } from "./denoiser_flags.ts";
import type { LoadedTextVae } from "./autoencoder/checkpoint.ts";

/**
 * Says what is too long before training, and not when it is met. A review may be cut; half of a question
 * asks something else.
 *
 * @param tokens Reads conditions; undefined where the autoencoder does.
 * @throws {UserError} If a question, with its thoughts in multiple passes, or a sentence is too long.
 */
export function checkConditionLengths(
  examples: readonly Pick<LatentExample, "source" | "targets">[],
  { config, vae, tokens }: {
    readonly config: Pick<TextDiffusionConfig, "condition" | "conditionReader" | "thoughtPasses">;
    readonly vae: Pick<LoadedTextVae, "config" | "encoderTokenizer">;
    readonly tokens: ConditionTokens | undefined;
  },
): void {
  const { condition, conditionReader, thoughtPasses } = config;
  if (condition !== "question" && condition !== "sentence") return;
  const hearsLatents = conditionReader === "latents";
  const reader = hearsLatents
    ? new ConditionTokens(vae.encoderTokenizer, encoderTokens(vae.config), condition)
    : tokens;
  const joins = condition === "question" && thoughtPasses === "multi" && !hearsLatents;
  for (const { source = "", targets } of examples) {
    reader?.encode(joins ? nextThought(source, targets.slice(0, -1)).sources.join(" ") : source);
  }
}
