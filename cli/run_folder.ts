/**
 * The folder of a run: `runs/NAME/` with config.json, metrics.csv, checkpoints/, samples/ and
 * report.html. What a program that is started for a folder does with what it finds there:
 *
 * | the folder | |
 * | --- | --- |
 * | is missing, or empty | starts there |
 * | holds a run of the same configuration and data | goes on from its last checkpoint; where training is over already, it samples and reports again |
 * | holds another run, and its name was the program's choice | takes the next free name: NAME-2, NAME-3 ... |
 * | holds another run, and its name was the user's choice | refuses, and names the first difference |
 * | holds something else | refuses |
 * | is being written by another process | refuses, and names it |
 *
 * So the same command twice loses nothing and repeats nothing, and an interrupted run goes on when its
 * command is given again. `resume` demands that there is something to go on from, and allows
 * settings such as the number of steps to differ; `overwrite` removes the files of the run that is
 * there, and nothing else.
 */
import { usageError, UserError } from "../base/errors.ts";
import { fileError } from "../base/file_errors.ts";
import { ignoreMissing, writeFileAtomic } from "../base/files.ts";
import type { JsonObject } from "../base/json.ts";
import { quote } from "../base/quote.ts";
import { clearLeftovers, listCheckpoints } from "../training/checkpoint/folders.ts";
import { KEPT_BATCHES } from "../training/watch_steps.ts";
import type { FileLock } from "../base/file_lock.ts";
import { LOCK_NAME, lockRun } from "./run_lock.ts";
import {
  configHash,
  type DataOrigin,
  formatRecord,
  readRecord,
  RECORD_NAME,
  type RunRecord,
  type RunSession,
} from "./run_record.ts";
import { configDifference, dataDifference, sessionNotes } from "./compare_runs.ts";

/** What `overwrite` removes, in this order: the record last, since it is what marks a run's folder. */
const RUN_FILES = [
  "checkpoints",
  "report.html",
  "evaluation.json",
  "metrics.csv",
  "samples",
  "latents",
  "diffusion",
  ...["evaluation", "baseline-direct", "baseline-cot", "judge"] as const,
  KEPT_BATCHES,
] as const;

/** Names that the program tries before it gives up. */
const MAX_NAMES = 1000;

/** Options of {@linkcode openRunFolder}. */
export interface RunFolderOptions {
  /** The folder. */
  readonly directory: string;
  /** Whether the program chose the name, and may choose another. @default false */
  readonly automatic?: boolean;
  /** The program, "image" or "text". */
  readonly program: string;
  /** The run's seed. */
  readonly seed: number;
  /** Every setting that decides what the run computes. Device and threads belong to `session`. */
  readonly config: JsonObject;
  /** What settings were in records of a time before there were settings for them. @default {} */
  readonly absent?: JsonObject;
  /** The data, with hashes. */
  readonly data: readonly DataOrigin[];
  /** This start of the program. */
  readonly session: RunSession;
  /** Whether there must be a run to go on with. @default false */
  readonly resume?: boolean;
  /** Keys of the configuration that may differ when `resume` is given, such as "steps". @default [] */
  readonly extendable?: readonly string[];
  /** Steps that the run is to have in the end, if it counts them: one with more is not cut short. */
  readonly steps?: number;
  /** Whether a run that is there is to be removed. @default false */
  readonly overwrite?: boolean;
}

/** A run's folder, claimed for this process until it is disposed of. */
export interface RunFolder extends Disposable {
  /** The folder. */
  readonly directory: string;
  /** Whether a run was there already, whose checkpoints are to be used. */
  readonly continued: boolean;
  /** The content of config.json. */
  readonly record: RunRecord;
  /** What the user should be told, a line each. */
  readonly notes: readonly string[];
}

/**
 * Opens a run's folder, claims it, clears up what a run that was cut off left in it, and writes
 * config.json. Needs the permission to read and write the folder.
 *
 * @throws {UserError} As the table above says, and where the folder cannot be written.
 */
export async function openRunFolder(options: RunFolderOptions): Promise<RunFolder> {
  let refusal = "";
  for await (const name of candidates(options)) {
    const directory = name.replace(/(?<=[^/])\/+$/, ""); // messages and titles end with the name
    const opened = await openNamed(directory, options);
    if (typeof opened !== "string") return opened;
    refusal ||= `${directory} holds another run: ${opened}. Choose another folder with --out, or ` +
      "replace that run with --overwrite";
  }
  throw new UserError(refusal);
}

/** The folders to try: the one that was asked for, and, if the program named it, others like it. */
async function* candidates(
  { directory, automatic = false, resume = false, overwrite = false }: RunFolderOptions,
): AsyncGenerator<string> {
  yield directory;
  if (!automatic || overwrite) return;
  for (let number = 2; number <= MAX_NAMES; number++) {
    const name = `${directory}-${number}`;
    if (resume && !await isRun(name)) return; // all runs of that name have been seen
    yield name;
  }
}

/** Opens one folder. @returns In what the run that is there differs from the one that is wanted. */
async function openNamed(
  directory: string,
  options: RunFolderOptions,
): Promise<RunFolder | string> {
  const { config, program, seed, data, session, resume = false, overwrite = false } = options;
  await checkFolder(directory, options);
  const path = `${directory}/${RECORD_NAME}`;
  // Read before the lock is taken, since another run may be busy there, and after, since it may have
  // begun in between.
  const seen = overwrite ? undefined : await differenceThere(path, options);
  if (seen !== undefined) return seen;
  const lock = await claim(directory);
  try {
    if (overwrite) await removeRun(directory);
    const found = await readRecord(path);
    const difference = found === undefined ? undefined : describeDifference(found, options);
    if (difference !== undefined) {
      lock[Symbol.dispose]();
      return difference;
    }
    if (found === undefined && resume && !overwrite) throw nothingToResume(directory);
    await refuseFewerSteps(directory, options);
    const notes = [
      ...lock.supported
        ? []
        : [`${directory} lies on a file system without locks: do not start two runs in it`],
      ...sessionNotes(found?.sessions.at(-1), session),
      ...await clearLeftovers(directory),
    ];
    const record: RunRecord = {
      program,
      seed,
      config,
      configHash: await configHash(config),
      data: found?.data ?? data,
      sessions: [...found?.sessions ?? [], session],
    };
    await write(path, formatRecord(record));
    const continued = found !== undefined;
    return { directory, continued, record, notes, [Symbol.dispose]: () => lock[Symbol.dispose]() };
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

/** Refuses a folder of other things, before anything is written to it. */
async function checkFolder(
  directory: string,
  { resume = false, overwrite = false }: RunFolderOptions,
): Promise<void> {
  let names: string[];
  try {
    names = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw fileError(error, `open ${directory}`);
    if (resume && !overwrite) throw nothingToResume(directory);
    return;
  }
  if (names.includes(RECORD_NAME)) {
    if (!overwrite || await isRun(directory)) return;
    throw new UserError(`${directory} is not the folder of a run: nothing was removed from it`);
  }
  const stranger = names.find((name) => name !== LOCK_NAME && !/\.tmp-/.test(name));
  if (stranger !== undefined) {
    throw new UserError(
      `${directory} is not the folder of a run and is not empty (it has ${quote(stranger)}): ` +
        "choose another with --out",
    );
  }
}

/** Whether a folder holds a run's record, sound or not: one that was edited is still a run's. */
async function isRun(directory: string): Promise<boolean> {
  return await Deno.readTextFile(`${directory}/${RECORD_NAME}`)
    .then((text) => text.includes('"nanodiffusion-run"'), () => false);
}

function nothingToResume(directory: string): UserError {
  return new UserError(`there is no run to resume in ${directory}: leave --resume out to start`);
}

/** Before anything is written: the record of a run must not say less than its checkpoints hold. */
async function refuseFewerSteps(directory: string, { steps }: RunFolderOptions): Promise<void> {
  const [newest] = await listCheckpoints(directory);
  if (newest === undefined || steps === undefined || newest.step <= steps) return;
  throw usageError(
    `--steps ${steps}: the run in ${directory} has done ${newest.step} already. Give at least as ` +
      "many, or start again with --overwrite",
  );
}

/** Creates the folder where it is missing, and locks it. */
async function claim(directory: string): Promise<FileLock> {
  try {
    await Deno.mkdir(directory, { recursive: true });
  } catch (error) {
    throw fileError(error, `create the folder ${directory}`);
  }
  return await lockRun(directory);
}

/** In what a run differs from the one that is wanted, if there is one and it does. */
async function differenceThere(
  path: string,
  options: RunFolderOptions,
): Promise<string | undefined> {
  const record = await readRecord(path);
  return record === undefined ? undefined : describeDifference(record, options);
}

function describeDifference(record: RunRecord, options: RunFolderOptions): string | undefined {
  const { program, config, absent = {}, data, resume = false, extendable = [] } = options;
  if (record.program !== program) {
    return `it is of the program ${quote(record.program)}, not ${quote(program)}`;
  }
  const now = Object.entries(absent).filter(([key]) => key in config);
  const before = { ...Object.fromEntries(now), ...record.config };
  return configDifference(before, config, resume ? extendable : []) ??
    dataDifference(record.data, data);
}

async function removeRun(directory: string): Promise<void> {
  for (const name of [...RUN_FILES, RECORD_NAME]) {
    const path = `${directory}/${name}`;
    const doomed = `${path}.tmp-removed`;
    try {
      await Deno.remove(doomed, { recursive: true }).catch(ignoreMissing);
      await Deno.rename(path, doomed); // at once, so that nothing half-removed is taken for whole
      await Deno.remove(doomed, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw fileError(error, `remove ${path}`);
    }
  }
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFileAtomic(path, text);
  } catch (error) {
    throw fileError(error, `write ${path}`);
  }
}
