/** A run of text.ts: its settings, its folder, and the models that its stages share. */
import { usageError } from "../base/errors.ts";
import type { KeyFigure } from "../base/figure.ts";
import { fileExists } from "../base/files.ts";
import type { Replay } from "../cli/replay.ts";
import { openRunFolder, type RunFolder, type RunFolderOptions } from "../cli/run_folder.ts";
import { BUNDLED, type DataOrigin, type RunSession } from "../cli/run_record.ts";
import { describeSession } from "../cli/session.ts";
import type { Device } from "../engine/device.ts";
import { AUTOENCODER_RESULTS, type AutoencoderResults } from "./autoencoder/report.ts";
import { type OpenedTextVae, openTextVae } from "./autoencoder/checkpoint.ts";
import { openTextDenoiser, type TextDenoiserModel } from "./denoiser/checkpoint.ts";
import type { TextEvaluation } from "./evaluation/evaluate.ts";
import type { TextData } from "./examples.ts";
import { fitOwnData } from "./fitting.ts";
import { dataName, readOwnData } from "./own_data.ts";
import { maskedDefaults } from "./dataset_defaults.ts";
import { defaultsOf, PRESETS } from "./presets.ts";
import type { TextSamples } from "./sampling/session.ts";
import {
  AUTOENCODER_EXTENDABLE,
  DENOISER_EXTENDABLE,
  flatSettings,
  nestSettings,
  type SettingsGroup,
  type TextFlags,
  type TextSettings,
  withChanges,
} from "./settings.ts";
import type { TextStart } from "./start.ts";

export interface Messages {
  readonly log: (line: string) => void;
  readonly warn: (line: string) => void; // receives a line that the user must not miss
}

/** A run, while its stages work on it. */
export interface TextRun extends Messages, Disposable {
  readonly device: Device;
  readonly given: TextFlags;
  readonly settings: TextSettings;
  readonly start: TextStart;
  readonly data: TextData;
  readonly root: string;
  /** The opened folder; undefined where `--vae` names an autoencoder, so that none is trained here. */
  readonly folder: RunFolder | undefined;
  readonly vae: () => Promise<OpenedTextVae>; // opens the autoencoder, once
  readonly denoiser: () => Promise<TextDenoiserModel>; // opens the trained denoiser, once
  readonly denoiserFolder: () => Promise<RunFolder>; // opens the folder of the denoiser's run, once
  /** The common parts of the records of all stages after the autoencoder. */
  readonly shared: () => Promise<Pick<RunFolderOptions, "session" | "seed" | "data">>;
  /** The results of this start of the program, for the report. */
  readonly results: {
    autoencoder?: AutoencoderResults;
    hasDenoiser?: boolean; // whether a denoiser was trained or sampled from
    samples?: TextSamples;
    evaluation?: TextEvaluation;
    baseline?: readonly KeyFigure[];
  };
}

/** The programs whose records text.ts can replay: a run, and a denoiser with an autoencoder of its own. */
export const TEXT_PROGRAMS = ["text", "text-diffusion", "text-masked"] as const;

/** The flags, with those that follow from the run that is replayed: its stages and its starting weights. */
export function replayFlags<F extends TextFlags>(given: F, replay: Replay | undefined): F {
  if (replay === undefined) return given;
  const { recorded } = replay;
  if (recorded["diffusion"] === "masked") return given;
  if (recorded["steps"] === undefined && given.vae === undefined) {
    throw usageError(
      `--config ${given.config} is the record of a denoiser: name its autoencoder with --vae.`,
    );
  }
  const { startFrom } = recorded;
  const isBegun = recorded["diffusionSteps"] !== undefined;
  if (given.config === undefined && !isBegun && given.stage !== "vae") {
    throw usageError(
      "--resume: this run has only an autoencoder so far, and no settings of the later stages: give " +
        "its --preset too, or --stage vae.",
    );
  }
  return {
    ...(isBegun ? {} : { stage: "vae" }),
    ...(typeof startFrom === "string" ? { startFrom } : {}),
    ...given,
  };
}

/**
 * The settings: flags over the replayed run's settings, or over the preset's, the data set's and those that
 * fit a file of the user's, whose reasons are logged.
 */
export async function resolveSettings(
  given: TextFlags,
  replay: Replay | undefined,
  log: (line: string) => void,
): Promise<TextSettings> {
  const { preset = "nano" } = given;
  const flags = nestSettings(given);
  if (replay !== undefined) {
    return withChanges(PRESETS.small, nestSettings(replay.settings), flags);
  }
  const wanted = withChanges(PRESETS[preset], flags).autoencoder;
  const defaults = defaultsOf(preset, wanted);
  const own = await readOwnData(wanted);
  const isMasked = given.diffusion === "masked" &&
    ["countdown", "multiplication"].includes(wanted.dataset); // sudoku's defaults are masked
  const masked = isMasked ? maskedDefaults(preset) : {};
  if (own === undefined) return withChanges(defaults, masked, flags);
  const { settings, reasons } = fitOwnData(own, defaults, given);
  log(["settings that fit the file:", ...reasons].join("\n  "));
  return withChanges(defaults, settings, flags);
}

/** A function that computes its result at its first call only. */
function once<T>(compute: () => T): () => T {
  let result: { readonly value: T } | undefined;
  return () => (result ??= { value: compute() }).value;
}

export interface TextRunOptions extends Messages {
  readonly args: readonly string[]; // the command line, for the record of the run
  readonly given: TextFlags;
  readonly replay: Replay | undefined;
  readonly settings: TextSettings; // with those of the starting model
  /** The groups of settings that the stages of this start use. */
  readonly groups: ReadonlySet<SettingsGroup>;
  readonly start: TextStart;
  readonly data: TextData;
  readonly code: string;
}

/** Opens the folder of a run. Prints how it differs from the run that it repeats. */
export async function openTextRun(device: Device, options: TextRunOptions): Promise<TextRun> {
  const { given, replay, settings, start, data, log, warn } = options;
  const origins = originsOf(options);
  const session = await sessionOf(device, options);
  replay?.check(origins, session).forEach((note) => log(note));
  replay?.changes.forEach((change) => log(change));
  using opened = new DisposableStack();
  const folder = given.vae !== undefined
    ? undefined
    : opened.use(await openAutoencoderFolder(options, { origins, session }));
  folder?.notes.forEach((note) => log(note));
  const root = folder?.directory ?? directoryOf(options);

  const vae = once(() => openTextVae(given.vae ?? root, warn));
  const shared = once(async () => {
    const autoencoder = {
      name: "autoencoder",
      origin: given.vae ?? "this run",
      sha256: { vae: (await vae()).hash },
    };
    const all = [...origins, autoencoder];
    replay?.check(all, session);
    return { session, seed: settings.autoencoder.seed, data: all };
  });
  const denoiserRoot = `${root}/diffusion`;
  const folders = opened.move();
  return {
    device,
    given,
    settings,
    start,
    data,
    root,
    folder,
    vae,
    denoiser: once(async () => openTextDenoiser(denoiserRoot, await vae(), warn)),
    denoiserFolder: once(async () => {
      return folders.use(await openDenoiserFolder(denoiserRoot, options, await shared()));
    }),
    shared,
    results: {},
    log,
    warn,
    [Symbol.dispose]: () => folders.dispose(),
  };
}

/** The data of the run, and the weights that it starts with. */
function originsOf({ settings, data, start }: TextRunOptions): readonly DataOrigin[] {
  return [{
    name: `${settings.autoencoder.dataset}, train`,
    origin: data.origin === "sample" ? BUNDLED : data.origin,
    sha256: data.sha256,
    rows: data.rows,
    classNames: data.labels,
  }, ...start.origins];
}

/** This start of the program. It records the settings that are not in the run's own configuration. */
async function sessionOf(
  device: Device,
  { args, settings, groups, code }: TextRunOptions,
): Promise<RunSession> {
  const later = Object.entries(settings)
    .filter(([group]) => group !== "autoencoder" && groups.has(group as SettingsGroup));
  return await describeSession(["text", ...args], device, {
    root: code,
    now: Date.now(),
    settings: flatSettings(Object.fromEntries(later)),
  });
}

/** The folder of a run if `--out` names none. */
export function defaultFolder({ preset = "nano", seed = 0, ...flags }: TextFlags): string {
  return `runs/text-${dataName(flags)}-${preset}-${seed}`;
}

function directoryOf({ given, replay, settings: { autoencoder } }: TextRunOptions): string {
  return given.out ?? replay?.directory ?? defaultFolder({ ...given, ...autoencoder });
}

async function openAutoencoderFolder(
  options: TextRunOptions,
  { origins, session }: { origins: readonly DataOrigin[]; session: RunSession },
): Promise<RunFolder> {
  const { given, settings: { autoencoder } } = options;
  const { stage = "all", resume = false, overwrite = false } = given;
  return await openRunFolder({
    directory: directoryOf(options),
    automatic: given.out === undefined,
    program: "text",
    seed: autoencoder.seed,
    config: flatSettings({ autoencoder }),
    data: origins,
    session,
    resume,
    fresh: given.resume === false && (stage === "all" || stage === "vae"),
    overwrite: overwrite && (stage === "all" || stage === "vae"), // a later stage removes its own result
    results: [
      "report.html",
      "evaluation.json",
      AUTOENCODER_RESULTS,
      "latents",
      "diffusion",
      "baseline-direct",
      "baseline-cot",
      "judge",
    ],
    extendable: AUTOENCODER_EXTENDABLE,
    steps: autoencoder.steps,
  });
}

/** The settings of the autoencoder that define the texts. */
const DEFINE_TEXTS: readonly string[] = [
  ...["dataset", "digits", "trainSize", "seed", "validationSize"],
  ...["texts", "column", "labelColumn", "field", "labelField", "problems"],
];

async function openDenoiserFolder(
  directory: string,
  options: TextRunOptions,
  shared: Pick<RunFolderOptions, "session" | "seed" | "data">,
): Promise<RunFolder> {
  const { given, settings: { autoencoder, denoiser } } = options;
  const texts = Object.entries(autoencoder).filter(([name]) => DEFINE_TEXTS.includes(name));
  return await openRunFolder({
    ...shared,
    directory,
    program: "text-diffusion",
    config: {
      ...flatSettings({ autoencoder: Object.fromEntries(texts) }),
      ...flatSettings({ denoiser }),
    },
    resume: given.resume === true && await fileExists(`${directory}/config.json`),
    fresh: given.resume === false && given.stage === "diffusion",
    overwrite: given.overwrite === true && given.stage === "diffusion",
    results: ["samples", "evaluation"],
    extendable: DENOISER_EXTENDABLE,
    steps: denoiser.steps,
  });
}
