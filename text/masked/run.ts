/** A run of masked diffusion, from its settings to its report: it trains, answers, and measures. */
import { usageError, UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import { findCheckpoint } from "../../training/checkpoint/folders.ts";
import { kebabCase } from "../../cli/flags.ts";
import { print, printResult, warn } from "../../cli/output.ts";
import type { Replay } from "../../cli/replay.ts";
import { openRunFolder, type RunFolder } from "../../cli/run_folder.ts";
import { readRecord, RECORD_NAME } from "../../cli/run_record.ts";
import { newFolder } from "../../cli/samples_folder.ts";
import { describeSession } from "../../cli/session.ts";
import { readTrainingTime, trainingSummary } from "../../cli/training_time.ts";
import type { Device } from "../../engine/device.ts";
import { countNumbers } from "../../nn/parameters.ts";
import { writeReport } from "../../report/report.ts";
import {
  DENOISER_EXTENDABLE,
  type DenoiserConfig,
  flatSettings,
  groupOfFlag,
  nestSettings,
  type SomeSettings,
  type TextFlags,
  type TextSettings,
  withChanges,
} from "../settings.ts";
import { openMaskedModel } from "./checkpoint.ts";
import {
  fillingLines,
  maskedEvaluation,
  maskedFigures,
  maskedTexts,
  maskedTraining,
} from "./report.ts";
import { answerOnce, type MaskedSamples, type MaskedSampleTask } from "./sample.ts";
import { countdownTask, multiplicationTask } from "./problems.ts";
import { readPuzzles, sudokuTask } from "./sudoku.ts";
import type { MaskedTask } from "./task.ts";
import { trainMasked } from "./train.ts";

export const MASKED_PROGRAM = "text-masked";

/** The settings of each data set. */
const OF_DATA = {
  sudoku: ({ masked: { givens, level } }: TextSettings): SomeSettings => ({
    masked: { givens, level },
  }),
  countdown: ({ autoencoder: { numbers = 4 } }: TextSettings): SomeSettings => ({
    autoencoder: { numbers },
  }),
  multiplication: ({ autoencoder: { digits } }: TextSettings): SomeSettings => ({
    autoencoder: { digits },
  }),
};

/** The flags of {@linkcode answerSchemas}, which trains nothing. */
const OF_SCHEMAS = ["encoderFrom", "dataDir", "trainSize", "samples", "seed"];

type MaskedDataset = keyof typeof OF_DATA;

const DATASETS = Object.keys(OF_DATA) as MaskedDataset[];

function datasetOf({ autoencoder: { dataset } }: TextSettings): MaskedDataset {
  const found = DATASETS.find((name) => name === dataset);
  if (found !== undefined) return found;
  throw usageError(
    `--diffusion masked is for --dataset ${DATASETS.join(", ")} and commonsense, not ${dataset}.`,
  );
}

async function taskOf(settings: TextSettings): Promise<MaskedTask> {
  const { seed, digits, numbers = 4 } = settings.autoencoder;
  return await {
    sudoku: () => sudokuTask(settings.masked, { seed }),
    countdown: () => countdownTask(numbers),
    multiplication: () => multiplicationTask(digits),
  }[datasetOf(settings)]();
}

/** The settings that decide what a run trains. */
function trainingSettings(settings: TextSettings): SomeSettings {
  const { autoencoder: { dataset, seed }, denoiser, masked } = settings;
  const { diffusion, timeWeight } = masked;
  const ofData = OF_DATA[datasetOf(settings)](settings);
  const names = [
    ...["layers", "width", "heads", "steps", "batchSize", "learningRate", "lrSchedule"],
    ...["warmupSteps", "weightDecay", "maxGradNorm", "emaDecay", "logEvery", "evalEvery"],
    ...["checkpointEvery", "validationSize"],
  ];
  const used = Object.entries(denoiser).filter(([name]) => names.includes(name));
  return {
    autoencoder: { dataset, seed, ...ofData.autoencoder },
    denoiser: Object.fromEntries(used) as Partial<DenoiserConfig>,
    masked: { diffusion, ...ofData.masked, timeWeight },
  };
}

/** The settings that decide how it answers. */
function samplingSettings({ sampling, masked }: TextSettings): SomeSettings {
  const { samples, sampleSteps, sampleBatchSize, decodingTemperature, trajectory } = sampling;
  return {
    sampling: { samples, sampleSteps, sampleBatchSize, decodingTemperature, trajectory },
    masked: { unmaskingOrder: masked.unmaskingOrder },
  };
}

/** Refuses flags that have no effect on the kind of diffusion. @throws {UserError} With exit code 2. */
export function checkMaskedFlags(given: TextFlags, settings: TextSettings): void {
  const { masked: { diffusion }, denoiser: { width, heads } } = settings;
  const flags = Object.entries(given)
    .flatMap(([name, value]) => value === undefined ? [] : [name]);
  const refuse = (name: string | undefined, reason: string) => {
    if (name !== undefined) throw usageError(`--${kebabCase(name)} ${reason}`);
  };
  if (diffusion === "latent") {
    const other = flags.find((name) =>
      name === "puzzles" || groupOfFlag(name) === "masked" && name !== "diffusion"
    );
    return refuse(other, "is for --diffusion masked: leave it out.");
  }
  if (settings.autoencoder.dataset === "commonsense") {
    const settings = flags.filter((name) => groupOfFlag(name) !== undefined || name === "puzzles");
    const other = settings.find((name) => ![...OF_SCHEMAS, "dataset", "diffusion"].includes(name));
    return refuse(
      other,
      "has no effect on published weights, which are not trained: leave it out.",
    );
  }
  if (given.puzzles !== undefined && datasetOf(settings) !== "sudoku") {
    refuse("puzzles", "is for --dataset sudoku: leave it out.");
  }
  const used = new Set(
    [trainingSettings(settings), samplingSettings(settings)].flatMap((some) =>
      Object.keys(flatSettings(some))
    ),
  );
  const unused = ["vae", "dataDir"];
  const other = flags.find((name) =>
    unused.includes(name) || groupOfFlag(name) !== undefined && !used.has(name)
  );
  refuse(other, "is for --diffusion latent: leave it out.");
  if (["vae", "encode", "baseline"].includes(given.stage ?? "all")) {
    throw usageError(`--stage ${given.stage} is for --diffusion latent: leave it out.`);
  }
  if (width % heads === 0) return;
  throw usageError(`--denoiser-width ${width} must be a multiple of --denoiser-heads ${heads}.`);
}

async function examplesOf(
  { puzzles }: TextFlags,
  task: MaskedTask,
  { sampling: { samples } }: TextSettings,
): Promise<Pick<MaskedSampleTask, "examples" | "source">> {
  if (puzzles === undefined) {
    return { examples: task.heldOut("test", samples), source: "held out" };
  }
  const text = await Deno.readTextFile(puzzles).catch((error) => {
    throw fileError(error, `read ${puzzles}`);
  });
  return { examples: readPuzzles(text, puzzles), source: `of ${puzzles}` };
}

interface MaskedRunOptions {
  readonly args: readonly string[]; // the command line, for the record of the run
  readonly given: TextFlags;
  readonly replay: Replay | undefined;
  readonly settings: TextSettings;
  readonly directory: string; // if `--out` names none
  readonly code: string;
}

/** Trains, answers and reports. @returns Whether all of it is complete: false after Ctrl-C. */
export async function runMasked(device: Device, options: MaskedRunOptions): Promise<boolean> {
  const { given, settings } = options;
  const { seed } = settings.autoencoder;
  const { stage = "all" } = given;
  const task = await taskOf(settings);
  print(task.description);
  using folder = await openMaskedFolder(device, task, options);
  folder.notes.forEach(print);
  const { directory } = folder;
  const config = settings.denoiser;
  if (stage === "all" || stage === "diffusion") {
    const newest = await findCheckpoint(directory);
    if (newest === undefined || newest.step < config.steps) {
      const { masked } = settings;
      const training = { device, task, run: folder, config, masked, seed, log: print };
      if (!await trainMasked(training)) return false;
    }
    const time = await readTrainingTime(directory);
    print(trainingSummary(time, { config, unit: task.unit, device }));
  } else if (await findCheckpoint(directory) === undefined) {
    throw new UserError(`there is no model in ${directory} yet: run --stage diffusion first`);
  }
  const samples = stage === "diffusion" ? undefined : await answerOnce({
    ...await sampleTask(device, task, { given, settings, checkpoint: directory }),
    folder: `${directory}/samples`,
    compares: stage !== "sample",
  });
  await reportMasked(folder, samples, { device, task, settings });
  return true;
}

async function openMaskedFolder(
  device: Device,
  task: MaskedTask,
  { args, given, replay, settings, directory, code }: MaskedRunOptions,
): Promise<RunFolder> {
  const data = [{
    name: `${task.name}, train`,
    origin: task.origin,
    sha256: task.sha256,
    rows: task.trainSize,
  }];
  const session = await describeSession(["text", ...args], device, {
    root: code,
    now: Date.now(),
    settings: flatSettings(samplingSettings(settings)),
  });
  replay?.check(data, session).forEach(print);
  replay?.changes.forEach(print);
  return await openRunFolder({
    directory: given.out ?? replay?.directory ?? directory,
    automatic: given.out === undefined,
    program: MASKED_PROGRAM,
    seed: settings.autoencoder.seed,
    config: flatSettings(trainingSettings(settings)),
    data,
    session,
    resume: given.resume,
    fresh: given.resume === false,
    overwrite: given.overwrite,
    results: ["report.html", "samples"],
    extendable: DENOISER_EXTENDABLE,
    steps: settings.denoiser.steps,
  });
}

async function sampleTask(
  device: Device,
  task: MaskedTask,
  { given, settings, checkpoint }: {
    readonly given: TextFlags;
    readonly settings: TextSettings;
    readonly checkpoint: string;
  },
): Promise<Omit<MaskedSampleTask, "folder" | "compares">> {
  return {
    device,
    task,
    model: await openMaskedModel(checkpoint, task, warn),
    ...await examplesOf(given, task, settings),
    sampling: settings.sampling,
    masked: settings.masked,
    seed: settings.autoencoder.seed,
    log: print,
  };
}

async function reportMasked(
  { directory, record }: RunFolder,
  samples: MaskedSamples | undefined,
  { device, task, settings }: {
    readonly device: Device;
    readonly task: MaskedTask;
    readonly settings: TextSettings;
  },
): Promise<void> {
  const { parameters } = await openMaskedModel(directory, task);
  const session = record.sessions.at(-1)!;
  const { unit } = task;
  const figures = [...await maskedFigures(directory), ...samples?.figures ?? []];
  const report = await writeReport(directory, {
    title: `${task.name}: masked diffusion of ${countNumbers(parameters).toLocaleString("en")} ` +
      "parameters",
    summary: `${session.started.slice(0, 10)}: deno task ${session.command.join(" ")}`,
    figures,
    texts: samples === undefined ? [] : maskedTexts(samples, task),
    sections: [
      ...samples === undefined ? [] : [maskedEvaluation(samples, task)],
      await maskedTraining(directory, { config: settings.denoiser, unit, device }),
    ],
    config: { ...record.config, ...session.settings },
    origin: record,
  });
  const files = samples === undefined
    ? { report }
    : { samples: `${directory}/samples/samples.jsonl`, report };
  printResult({ folder: directory, files, figures });
}

/** Whether a folder holds a run, or a released checkpoint, of masked diffusion. */
export async function isMaskedRun(folder: string): Promise<boolean> {
  return (await readRecord(`${folder}/${RECORD_NAME}`))?.program === MASKED_PROGRAM;
}

/** `--sample-only`: answers puzzles with a trained run or a released checkpoint. */
export async function answerMaskedOnly(
  device: Device,
  given: TextFlags,
  { checkpoint, defaults }: { readonly checkpoint: string; readonly defaults: TextSettings },
): Promise<void> {
  const record = (await readRecord(`${checkpoint}/${RECORD_NAME}`))!;
  const later = record.sessions.map(({ settings = {} }) => nestSettings(settings));
  const settings = withChanges(
    defaults,
    nestSettings(record.config),
    ...later.map(({ masked = {}, sampling = {} }) => ({ masked, sampling })),
    nestSettings(given),
  );
  checkMaskedFlags(given, settings);
  const { seed } = settings.autoencoder;
  const task = await taskOf(settings);
  print(`model: ${checkpoint}, ${device.name} device, ${device.threads} threads`);
  const sampling = await sampleTask(device, task, { given, settings, checkpoint });
  const out = await newFolder(given.out, `runs/text-samples-${seed}`);
  const samples = await answerOnce({ ...sampling, folder: `${out}/samples`, compares: false });
  fillingLines(samples, task).forEach(print);
  print("");
  const { figures } = samples;
  const report = await writeReport(out, {
    title: `${task.name}: ${samples.answers.length} ${task.unit} answered by ` +
      `${checkpoint.split("/").at(-1)}`,
    figures,
    texts: maskedTexts(samples, task),
    config: flatSettings(samplingSettings(settings)),
    origin: { checkpoint },
  });
  printResult({ folder: out, files: { samples: `${out}/samples/samples.jsonl`, report }, figures });
}
