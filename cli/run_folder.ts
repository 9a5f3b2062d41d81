/**
 * The folder of a run: `runs/NAME/` with config.json, metrics.csv, checkpoints/, samples/ and
 * report.html. What a program does depends on what it finds in its folder:
 *
 * | the folder | the program |
 * | --- | --- |
 * | is missing or empty | starts a run |
 * | holds a run with the same settings and data | continues from its last checkpoint; if training is finished, it samples and reports again |
 * | holds another run or `fresh` is set, and the program chose its name | takes the next free name: NAME-2, NAME-3 ... |
 * | holds another run or `fresh` is set, and the user chose its name | refuses, and names the first difference |
 * | holds something else | refuses |
 * | is being written by another process | refuses, and names the process |
 *
 * So the same command twice loses nothing and repeats nothing, and continues a run that was interrupted.
 * `resume` requires that there is a run, and allows some settings, such as the number of steps, to
 * differ. `overwrite` removes the files of the run, and nothing else.
 */
import { usageError, UserError } from "../base/errors.ts";
import { fileError } from "../base/file_errors.ts";
import { ignoreMissing, makeFolder, writeFileAtomic } from "../base/files.ts";
import { quote } from "../base/quote.ts";
import { clearLeftovers, listCheckpoints } from "../training/checkpoint/folders.ts";
import { KEPT_BATCHES } from "../training/watch_steps.ts";
import { type FileLock, readLockOwner, tryFileLock } from "../base/file_lock.ts";
import {
  configHash,
  type DataOrigin,
  formatRecord,
  jsonOf,
  readRecord,
  RECORD_NAME,
  type RunRecord,
  type RunSession,
} from "./run_record.ts";
import { TIMES_NAME } from "./training_time.ts";
import { configDifference, dataDifference, sessionNotes } from "./compare_runs.ts";

const TRAINING_FILES = ["checkpoints", "metrics.csv", TIMES_NAME, KEPT_BATCHES] as const;

/** The name of the lock's file in a run's folder. It stays there; only the lock on it counts. */
const LOCK_NAME = "run.lock";

/** How many names the program tries if it may choose the name. */
const MAX_NAMES = 1000;

export interface RunFolderOptions {
  readonly directory: string;
  /** Whether the program chose the name, and may choose another. @default false */
  readonly automatic?: boolean | undefined;
  readonly program: string;
  readonly seed: number;
  /** Every setting that decides what the run computes. Device and threads are in `session`. */
  readonly config: object;
  readonly data: readonly DataOrigin[];
  readonly session: RunSession;
  /** Whether there must be a run to continue. @default false */
  readonly resume?: boolean | undefined;
  /** Whether a new run must be started. @default false */
  readonly fresh?: boolean | undefined;
  /** Settings that may differ when `resume` is given, such as "steps". @default [] */
  readonly extendable?: readonly string[] | undefined;
  /** The steps of the whole run. A run that has done more steps is refused. */
  readonly steps?: number | undefined;
  readonly overwrite?: boolean | undefined;
  /** What the program writes besides the files of training; `overwrite` removes it. @default [] */
  readonly results?: readonly string[] | undefined;
}

/** A run's folder, locked for this process until it is disposed of. */
export interface RunFolder extends Disposable {
  /** The folder. */
  readonly directory: string;
  /** Whether there is a run to continue. */
  readonly continued: boolean;
  /** The content of config.json. */
  readonly record: RunRecord;
  /** Warnings for the user, a line each. */
  readonly notes: readonly string[];
}

/**
 * Opens a run's folder: locks it, removes what an interrupted run left half-written, and writes
 * config.json. Needs permission to read and write the folder.
 *
 * @throws {UserError} As the table above says, and if the folder cannot be written.
 */
export async function openRunFolder(options: RunFolderOptions): Promise<RunFolder> {
  let refusal = "";
  for await (const name of candidates(options)) {
    const directory = name.replace(/(?<=[^/])\/+$/, ""); // messages and titles end with the name
    const opened = await openNamed(directory, options);
    if (typeof opened !== "string") return opened;
    refusal ||= `${directory} holds another run: ${opened}. Choose another folder with --out, or ` +
      `continue that run with --resume --out ${directory} and no other settings, also no --preset; --overwrite would ` +
      "replace it";
  }
  throw new UserError(refusal);
}

/** The folders to try: the one in the options and, if the program chose its name, numbered ones. */
async function* candidates(
  { directory, automatic = false, resume = false, overwrite = false }: RunFolderOptions,
): AsyncGenerator<string> {
  yield directory;
  if (!automatic || overwrite) return;
  for (let number = 2; number <= MAX_NAMES; number++) {
    const name = `${directory}-${number}`;
    if (resume && !await isRun(name)) return; // there are no more runs of that name
    yield name;
  }
}

/**
 * Claims an existing run's folder for this process. If the file system has no locks, two runs in one folder
 * go unnoticed.
 *
 * @throws {UserError} If another run holds the lock, or the folder cannot be written.
 */
export async function lockRun(directory: string): Promise<FileLock> {
  const path = `${directory}/${LOCK_NAME}`;
  const lock = await tryFileLock(path).catch((error) => {
    throw fileError(error, `write ${path}`);
  });
  if (lock !== undefined) return lock;
  const owner = await readLockOwner(path);
  throw new UserError(
    `another run${owner === undefined ? "" : ` (process ${owner.pid})`} is writing ${directory}: ` +
      "wait until it ends, or choose another folder with --out",
  );
}

/** Opens one folder. @returns The first difference, in words, if the folder holds another run. */
async function openNamed(
  directory: string,
  options: RunFolderOptions,
): Promise<RunFolder | string> {
  const { resume = false, overwrite = false, results = [] } = options;
  await checkFolder(directory, options);
  const path = `${directory}/${RECORD_NAME}`;
  // Compared before locking, because the other run may be active, and again after locking, because it may
  // have started in the meantime.
  const seen = overwrite ? undefined : runDifference(await readRecord(path), options);
  if (seen !== undefined) return seen;
  await makeFolder(directory);
  using opening = new DisposableStack(); // releases the lock unless the folder is opened
  const lock = opening.use(await lockRun(directory));
  if (overwrite) await removeRun(directory, results);
  const found = await readRecord(path);
  const difference = runDifference(found, options);
  if (difference !== undefined) return difference;
  if (found === undefined && resume && !overwrite) throw nothingToResume(directory);
  await refuseFewerSteps(directory, options);
  const notes = [
    ...lock.supported
      ? []
      : [`${directory} is on a file system without locks: do not start two runs in it`],
    ...sessionNotes(found?.sessions.at(-1), options.session),
    ...await clearLeftovers(directory),
  ];
  const record = await recordOf(options, found);
  await writeFileAtomic(path, formatRecord(record));
  const held = opening.move();
  const continued = found !== undefined;
  return { directory, continued, record, notes, [Symbol.dispose]: () => held.dispose() };
}

/** The record of a run with this start added. */
async function recordOf(
  { program, seed, config, data, session }: RunFolderOptions,
  found: RunRecord | undefined,
): Promise<RunRecord> {
  const settings = jsonOf(config);
  return {
    program,
    seed,
    config: settings,
    configHash: await configHash(settings),
    data: found?.data ?? data,
    sessions: [...found?.sessions ?? [], session],
  };
}

/** Refuses a folder of something else, before anything is written to it. */
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
    throw new UserError(
      `${directory} is not the folder of a run: nothing was removed. Choose another with --out`,
    );
  }
  const foreign = names.find((name) => name !== LOCK_NAME && !/\.tmp-/.test(name));
  if (foreign !== undefined) {
    throw new UserError(
      `${directory} is not the folder of a run and is not empty (it has ${quote(foreign)}): ` +
        "choose another with --out",
    );
  }
}

/** Whether a folder holds a run's record, even one that was edited. */
async function isRun(directory: string): Promise<boolean> {
  return await Deno.readTextFile(`${directory}/${RECORD_NAME}`)
    .then((text) => text.includes('"nanodiffusion-run"'), () => false);
}

function nothingToResume(directory: string): UserError {
  return new UserError(`there is no run to resume in ${directory}: leave --resume out to start`);
}

/** Refuses to shorten a run, before its record is written. */
async function refuseFewerSteps(directory: string, { steps }: RunFolderOptions): Promise<void> {
  const [newest] = await listCheckpoints(directory);
  if (newest === undefined || steps === undefined || newest.step <= steps) return;
  throw usageError(
    `--steps ${steps}: the run in ${directory} has already done ${newest.step} steps. Give at least ` +
      "that number, or choose another folder with --out",
  );
}

/** The first difference between a run and the options, in words; undefined if there is none. */
function runDifference(
  record: RunRecord | undefined,
  { program, config, data, resume = false, fresh = false, extendable = [] }: RunFolderOptions,
): string | undefined {
  if (record === undefined) return undefined;
  if (fresh) return "it exists, and --no-resume starts a new one";
  if (record.program !== program) {
    return `it is a run of ${quote(record.program)}, not of ${quote(program)}`;
  }
  return configDifference(record.config, jsonOf(config), resume ? extendable : []) ??
    dataDifference(record.data, data);
}

/** Removes a run's files: the record last, because it marks the folder as that of a run. */
async function removeRun(directory: string, results: readonly string[]): Promise<void> {
  for (const name of [...TRAINING_FILES, ...results, RECORD_NAME]) {
    const path = `${directory}/${name}`;
    const renamed = `${path}.tmp-removed`;
    try {
      await Deno.remove(renamed, { recursive: true }).catch(ignoreMissing);
      await Deno.rename(path, renamed); // so that nothing is left half-removed under its own name
      await Deno.remove(renamed, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw fileError(error, `remove ${path}`);
    }
  }
}
