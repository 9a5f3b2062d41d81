/** `--start-from` of text.ts: training that begins with a checkpoint's model and tokens. */
import { usageError } from "../engine/errors.ts";
import { jsonDifferences, type JsonObject, sha256 } from "../engine/json.ts";
import { encodeSafetensors } from "../nn/safetensors.ts";
import type { TextVaeConfig } from "../vae/text_vae_config.ts";
import { loadCheckpoint } from "./checkpoint.ts";
import { resolveCheckpoint } from "./checkpoint_folders.ts";
import { kebabCase } from "./flags.ts";
import type { DataOrigin } from "./run_record.ts";
import { toTensors } from "./state_tensors.ts";
import { type LoadedTextVae, loadTextVae } from "./text_vae_checkpoint.ts";
import type { TextConfig, TextFlags } from "./text_flags.ts";
import { findTrainedOn, type TrainedOn } from "./trained_on.ts";

/** What a training begins with. */
export interface TextStart {
  /** The settings, those of the model as the checkpoint has them. */
  readonly config: TextConfig;
  /** The checkpoint's model; undefined where training begins from scratch. */
  readonly model: LoadedTextVae | undefined;
  /** What that was trained on, if anybody knows. */
  readonly trainedOn: TrainedOn | undefined;
  /** What the run's record says of it. */
  readonly origins: readonly DataOrigin[];
}

/** The settings that a model answers by itself. */
export function settingsOfModel(
  { encoder, decoder, ...model }: TextVaeConfig,
  tokens: number,
): Partial<TextConfig> {
  const { latents, latentWidth, latentKind, latentSource, maxTokens } = model;
  return {
    ...{ latents, latentWidth, latentKind, latentSource, maxTokens, vocabSize: tokens },
    encoderLayers: encoder.numHiddenLayers,
    encoderWidth: encoder.hiddenSize,
    encoderHeads: encoder.numAttentionHeads,
    decoderLayers: decoder.nLayer,
    decoderWidth: decoder.nEmbd,
    decoderHeads: decoder.nHead,
    initializerRange: encoder.initializerRange,
  };
}

/**
 * Opens the checkpoint that a configuration names. One that a preset names and that is not there is
 * done without, loudly; one that the user names must be there.
 *
 * @param config The settings.
 * @param given What of them was given as flags.
 * @param scratch The settings that are different from scratch.
 * @param root The folder that a preset's path is relative to.
 * @throws {UserError} If it is unsound, or a flag asks for another model.
 */
export async function openTextStart(
  config: TextConfig,
  given: TextFlags,
  { scratch, root, log = console.error }: {
    readonly scratch: Partial<TextConfig>;
    readonly root: string;
    readonly log?: (line: string) => void;
  },
): Promise<TextStart> {
  const { startFrom, ...rest } = config;
  const none = { model: undefined, trainedOn: undefined, origins: [] };
  if (startFrom === undefined) return { config, ...none };
  const named = given.startFrom !== undefined;
  const path = named ? startFrom : `${root}/${startFrom}`;
  const fits = named || config.dataset === "hotel_reviews"; // released models are of these
  if (!fits || !named && !await isThere(path)) {
    if (fits) {
      log(
        `${startFrom} IS NOT THERE: training begins with RANDOM WEIGHTS, and ends far from what it ` +
          "would have with them. Name a checkpoint with --start-from",
      );
    }
    const asked = Object.entries(scratch)
      .filter(([key]) => given[key as keyof TextFlags] === undefined);
    return { config: { ...rest, ...Object.fromEntries(asked) }, ...none };
  }
  const found = await resolveCheckpoint(path, log);
  const model = loadTextVae(await loadCheckpoint(found, { state: false }));
  const fixed = settingsOfModel(model.config, model.tokenizer.vocabSize);
  const [difference] = jsonDifferences(
    Object.fromEntries(
      Object.keys(fixed).map((key) => [key, given[key as keyof TextFlags]]),
    ) as JsonObject,
    fixed as JsonObject,
  ).filter(({ left }) => left !== undefined);
  if (difference !== undefined) {
    throw usageError(
      `--${
        kebabCase(difference.key)
      } ${difference.left}: the model of --start-from ${startFrom} has ` +
        `${difference.right}, which cannot be changed; leave the flag out`,
    );
  }
  const hash = await sha256(encodeSafetensors(toTensors(model.parameters)));
  const origin = { name: "starting weights", origin: startFrom, sha256: { "all, float32": hash } };
  const trainedOn = await findTrainedOn(found);
  return { config: { ...config, ...fixed }, model, trainedOn, origins: [origin] };
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isDirectory }) => isDirectory, () => false);
}
