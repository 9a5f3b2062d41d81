/** The model that the autoencoder's training starts with: a checkpoint, published halves, or none. */
import type { TextVaeConfig } from "../vae/text_vae_config.ts";
import { loadCheckpoint } from "../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../training/checkpoint/folders.ts";
import type { DataOrigin } from "../cli/run_record.ts";
import { type LoadedTextVae, loadTextVae } from "./autoencoder/checkpoint.ts";
import { textVaeConfigOf } from "./config.ts";
import type { TextConfig, TextFlags } from "./settings.ts";
import {
  checkFixedSettings,
  checkPublishedSettings,
  configsOf,
  openPublished,
  type PublishedHalves,
  settingsOfPublished,
  sizesOf,
} from "./autoencoder/published.ts";
import { findTrainedOn, type TrainedOn } from "./trained_on.ts";
import { weightsOrigin } from "../training/checkpoint/weights_identity.ts";

/** The starting model of a training. */
export interface TextStart {
  readonly config: TextConfig; // settings; those that the starting model fixes are replaced
  /** The checkpoint's model; undefined if training starts from scratch. */
  readonly model: LoadedTextVae | undefined;
  /** The published models for encoder and decoder; none with a checkpoint. */
  readonly published: PublishedHalves;
  readonly trainedOn: TrainedOn | undefined; // training data of the checkpoint's model, if known
  readonly origins: readonly DataOrigin[]; // starting weights, for the run's record
}

/** The settings that a model fixes. */
export function settingsOfModel(
  { encoder, decoder, ...model }: TextVaeConfig,
  tokens: number,
): Partial<TextConfig> {
  const { latents, latentWidth, latentKind, latentSource, maxTokens } = model;
  return {
    latents,
    latentWidth,
    latentKind,
    latentSource,
    maxTokens,
    vocabSize: tokens,
    ...sizesOf({ encoder, decoder }),
    initializerRange: encoder.initializerRange,
  };
}

/**
 * Opens the checkpoint, or the published halves, that a configuration names. A checkpoint that the user
 * names must exist. Without that of a preset, relative to `root`, training starts with the changed settings
 * `scratch`, and a warning.
 */
export async function openTextStart(
  config: TextConfig,
  given: TextFlags,
  { scratch, root, log }: {
    readonly scratch: Partial<TextConfig>;
    readonly root: string;
    readonly log: (line: string) => void;
  },
): Promise<TextStart> {
  const { startFrom, ...rest } = config;
  checkPublishedSettings(config, given);
  const none = { model: undefined, published: {}, trainedOn: undefined, origins: [] };
  if (startFrom === undefined) {
    const published = await openPublished(config, log);
    const fixed = settingsOfPublished(published);
    checkFixedSettings(given, fixed, "--encoder-from or --decoder-from");
    const origins = [published.encoder, published.decoder]
      .flatMap((half) => half === undefined ? [] : [half.origin]);
    const whole = { ...config, ...fixed };
    textVaeConfigOf(whole, whole.vocabSize, configsOf(published)); // checks the sizes
    return { ...none, config: whole, published, origins };
  }
  const named = given.startFrom !== undefined;
  const path = named ? startFrom : `${root}/${startFrom}`;
  const fits = named || config.dataset === "hotel_reviews"; // the released models' data set
  if (!fits || !named && !await isThere(path)) {
    if (fits) {
      log(
        `${startFrom} IS MISSING: training starts from RANDOM WEIGHTS, and the result will be much ` +
          "worse. Name a checkpoint with --start-from",
      );
    }
    const changed = Object.entries(scratch)
      .filter(([key]) => given[key as keyof TextFlags] === undefined);
    return { config: { ...rest, ...Object.fromEntries(changed) }, ...none };
  }
  const found = await resolveCheckpoint(path, log);
  const model = loadTextVae(await loadCheckpoint(found));
  const fixed = settingsOfModel(model.config, model.tokenizer.vocabSize);
  checkFixedSettings(given, fixed, `--start-from ${startFrom}`);
  const origin = weightsOrigin("starting weights", startFrom, model.parameters);
  const trainedOn = await findTrainedOn(found);
  return { ...none, config: { ...config, ...fixed }, model, trainedOn, origins: [origin] };
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isDirectory }) => isDirectory, () => false);
}
