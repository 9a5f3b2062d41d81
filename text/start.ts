/** `--start-from` of text.ts: training that begins with a checkpoint's model and tokens. */
import type { TextVaeConfig } from "../vae/text_vae_config.ts";
import { loadCheckpoint } from "../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../training/checkpoint/folders.ts";
import type { DataOrigin } from "../cli/run_record.ts";
import { type LoadedTextVae, loadTextVae } from "./autoencoder/checkpoint.ts";
import { textVaeConfigOf } from "./config.ts";
import type { TextConfig, TextFlags } from "./flags.ts";
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

/** What a training begins with. */
export interface TextStart {
  /** The settings, those of the model as the checkpoint has them. */
  readonly config: TextConfig;
  /** The checkpoint's model; undefined where training begins from scratch. */
  readonly model: LoadedTextVae | undefined;
  /** Its halves, where they are published models; none beside a checkpoint's. */
  readonly published: PublishedHalves;
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
    ...sizesOf({ encoder, decoder }),
    initializerRange: encoder.initializerRange,
  };
}

/**
 * Opens the checkpoint that a configuration names, or its halves. One that a preset names and that is not there is
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
  checkPublishedSettings(config, given);
  const none = { model: undefined, published: {}, trainedOn: undefined, origins: [] };
  if (startFrom === undefined) {
    const published = await openPublished(config, log);
    const fixed = settingsOfPublished(published);
    checkFixedSettings(given, fixed, "--encoder-from or --decoder-from");
    const origins = [published.encoder, published.decoder]
      .flatMap((half) => half === undefined ? [] : [half.origin]);
    const whole = { ...config, ...fixed };
    textVaeConfigOf(whole, whole.vocabSize, configsOf(published)); // or there is no such model
    return { ...none, config: whole, published, origins };
  }
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
  checkFixedSettings(given, fixed, `--start-from ${startFrom}`);
  const origin = await weightsOrigin("starting weights", startFrom, model.parameters);
  const trainedOn = await findTrainedOn(found);
  return { ...none, config: { ...config, ...fixed }, model, trainedOn, origins: [origin] };
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isDirectory }) => isDirectory, () => false);
}
