/**
 * Trains a text autoencoder, in which BERT encodes a text into latent vectors and GPT-2 decodes them, and
 * a denoiser of these latents, which generates texts and answers problems; or masked diffusion of tokens.
 *
 *     deno task text                                     # half an hour on a laptop
 *     deno task text --preset smoke                      # seconds, on the bundled sample
 *     deno task text --texts FILE.csv                    # your own texts; also .txt and .jsonl
 *     deno task text --sample-only                       # seconds, from the weights in checkpoints/hotel-reviews
 *     deno task text --resume --steps 6000               # train the same run on
 *     deno task text --config runs/X/config.json         # the same run again, in another folder
 *     deno task text --data-dir DIR --preset small       # an hour: the released checkpoint
 *     deno task text --dataset math --stage baseline --baseline cot  # a GPT-2 to compare with
 *     deno task text --dataset sudoku                    # masked diffusion: see text/masked/run.ts
 *     deno task text --help                              # every setting, with ranges and defaults
 *
 * The stages are in text/stages.ts: vae, encode, diffusion, sample, baseline, evaluate. A stage whose
 * result is there already is passed over. The folder of a run holds report.html; the autoencoder's
 * config.json, metrics.csv, checkpoints/ (encoder and decoder in transformers' layout) and
 * evaluation.json; latents/; diffusion/ with config.json, metrics.csv and checkpoints/ of the denoiser,
 * samples/ and evaluation/; and baseline-KIND/ and judge/ with the models to compare with.
 */
import { EXIT } from "./base/errors.ts";
import { parseFlags } from "./cli/flags.ts";
import { helpText, helpTopic, printVersion, wantsHelp, wantsVersion } from "./cli/help.ts";
import { print, setOutput, warn } from "./cli/output.ts";
import { runProgram } from "./cli/program.ts";
import { openReplay, recordToRead, type Replay } from "./cli/replay.ts";
import { type Device, openDevice } from "./engine/device.ts";
import { checkTextConsistency } from "./text/config.ts";
import { loadTextData } from "./text/data.ts";
import { checkDenoiser } from "./text/denoiser/config.ts";
import { TEXT_FLAGS } from "./text/denoiser_flags.ts";
import { TEXT_ABOUT, TEXT_EXAMPLES } from "./text/flags.ts";
import { checkBaseline } from "./text/language_model/baseline.ts";
import { answerMaskedOnly, checkMaskedFlags, isMaskedRun, runMasked } from "./text/masked/run.ts";
import { answerSchemas } from "./text/masked/winograd.ts";
import { withOwnData } from "./text/own_data.ts";
import { defaultsOf, FROM_SCRATCH, PRESETS, type TextPreset } from "./text/presets.ts";
import {
  defaultFolder,
  openTextRun,
  replayFlags,
  resolveSettings,
  TEXT_PROGRAMS,
  type TextRun,
} from "./text/run.ts";
import { reportRun } from "./text/report.ts";
import { checkSamplingFlags, checkTextSampling, requestedClass } from "./text/sampling/sample.ts";
import { checkSampleOnly, sampleTextsOnly } from "./text/sampling/sample_only.ts";
import { flatSettings, type TextFlags, type TextSettings } from "./text/settings.ts";
import { pickStages, runStages, type Stage } from "./text/stages.ts";
import { openTextStart } from "./text/start.ts";
import { checkNoLeak } from "./text/trained_on.ts";

const ROOT = import.meta.dirname ?? ".";

/** Runs the program. @returns The exit code. */
export async function main(args: readonly string[]): Promise<number> {
  if (wantsHelp(args)) {
    console.log(help(helpTopic(args)));
    return EXIT.done;
  }
  if (wantsVersion(args)) return printVersion();
  const flags = withOwnData(parseFlags(args, TEXT_FLAGS));
  setOutput(flags);
  checkSampleOnly(flags);
  if (flags.sampleOnly) {
    await sampleOnly(flags);
    return EXIT.done;
  }
  const replay = await openReplay(await recordToRead(flags, defaultFolder(flags)), {
    programs: TEXT_PROGRAMS,
    flags: TEXT_FLAGS,
    given: flags,
    defaults: flatSettings(PRESETS.small),
  });
  const given = replayFlags(flags, replay);
  const settings = await resolveSettings(given, replay, print);
  checkMaskedFlags(given, settings);
  if (settings.masked.diffusion === "masked") {
    if (settings.autoencoder.dataset === "commonsense") {
      await answerSchemas(await deviceOf(given), given, settings);
      return EXIT.done;
    }
    const run = { args, given, replay, settings, directory: defaultFolder(given), code: ROOT };
    const isComplete = await runMasked(await deviceOf({ ...replay, ...given }), run);
    return isComplete ? EXIT.done : EXIT.interrupted;
  }
  checkSettings(settings, given);
  const device = await deviceOf({ ...replay, ...given });

  const stages = pickStages(given.stage);
  using run = await openRun(device, stages, { args, given, replay, settings });
  if (!await runStages(run, stages)) return EXIT.interrupted;
  await reportRun(run);
  return EXIT.done;
}

/** Texts, or answers, with a trained model. */
async function sampleOnly(flags: TextFlags): Promise<void> {
  const { preset = "nano", dataset, puzzles } = flags;
  const released = dataset === "sudoku" || puzzles !== undefined ? "sudoku" : "hotel-reviews";
  const { checkpoint = `${ROOT}/checkpoints/${released}` } = flags;
  const device = await deviceOf(flags);
  if (await isMaskedRun(checkpoint)) {
    const defaults = defaultsOf(preset, { ...PRESETS[preset].autoencoder, dataset: "sudoku" });
    return await answerMaskedOnly(device, flags, { checkpoint, defaults });
  }
  await sampleTextsOnly(device, flags, {
    checkpoint,
    defaultsOf: (data) => defaultsOf(preset, data),
    log: print,
    warn,
  });
}

/** Opens what a run starts with: the starting model, the data, and the folder. */
async function openRun(
  device: Device,
  stages: readonly Stage[],
  { args, given, replay, settings }: {
    args: readonly string[];
    given: TextFlags;
    replay: Replay | undefined;
    settings: TextSettings;
  },
): Promise<TextRun> {
  const start = await openTextStart(settings.autoencoder, given, {
    scratch: FROM_SCRATCH,
    root: ROOT,
    log: warn,
  });
  const autoencoder = start.config;
  const data = await loadTextData(given, autoencoder, {
    sampleOnly: replay?.sampleOnly,
    log: warn,
  });
  print(data.description);
  if (given.vae === undefined) checkNoLeak(start, data, warn);
  const { classes } = data.examples(settings.denoiser); // refuses a condition that the data does not have
  requestedClass(settings.sampling, classes);
  return await openTextRun(device, {
    args,
    given,
    replay,
    settings: { ...settings, autoencoder },
    groups: new Set(stages.flatMap((stage) => stage.settings)),
    start,
    data,
    code: ROOT,
    log: print,
    warn,
  });
}

/** @throws {UserError} With exit code 2 for settings that contradict each other. */
function checkSettings(settings: TextSettings, given: TextFlags): void {
  const { autoencoder, denoiser, sampling, evaluation } = settings;
  checkTextConsistency(autoencoder, given);
  checkDenoiser(denoiser);
  checkTextSampling(sampling, denoiser);
  checkSamplingFlags(given, { ...autoencoder, ...denoiser, sampler: sampling.sampler });
  checkBaseline(evaluation.baseline, denoiser, given.stage);
}

/** The device of the flags, or of a record. */
function deviceOf({ device = "onnx", threads }: Pick<TextFlags, "device" | "threads">) {
  return openDevice(device, { threads });
}

function help(topic: string | undefined): string {
  const presets = Object.entries(PRESETS).map(([name, { autoencoder }]) =>
    [name, flatSettings(defaultsOf(name as TextPreset, autoencoder))] as const
  );
  return helpText({
    usage: "deno task text [flags]",
    about: TEXT_ABOUT,
    examples: TEXT_EXAMPLES,
    flags: TEXT_FLAGS,
    presets: Object.fromEntries(presets),
    defaultPreset: "nano",
    topic,
  });
}

if (import.meta.main) await runProgram(() => main(Deno.args));
