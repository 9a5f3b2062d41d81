/** The checkpoints of a run: `checkpoints/step-000123/`, of which the last few are kept. */
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import { fileExists, ignoreMissing, syncFolder } from "../../base/files.ts";
import { type Checkpoint, writeCheckpoint } from "./checkpoint.ts";
import { MANIFEST_NAME, verifyManifest } from "./manifest.ts";

/** The end of a name under which something is written, or on its way out. */
const TEMPORARY = /\.tmp-[\w-]*$/;

/** A checkpoint's place in a run. */
export interface CheckpointFolder {
  /** The folder. */
  readonly directory: string;
  /** Steps done. */
  readonly step: number;
}

/** What {@linkcode findCheckpoint} found. */
export interface FoundCheckpoint extends CheckpointFolder {
  /** Newer checkpoints that were passed over, with what is wrong with them: tell the user. */
  readonly damaged: readonly (CheckpointFolder & { readonly error: UserError })[];
}

/** Where the checkpoint of a step lies within a run's folder. */
export function checkpointDirectory(runDirectory: string, step: number): string {
  return `${runDirectory}/checkpoints/step-${String(step).padStart(6, "0")}`;
}

/**
 * Saves a checkpoint of a run: writes it beside the others, syncs it, renames it into place, and only
 * then removes older ones. Whatever happens on the way, the checkpoints that were there stay whole.
 * Needs the run's lock: see run_lock.ts.
 *
 * @param runDirectory The run's folder.
 * @param checkpoint Its `state.step` names the folder.
 * @param options `keep`: how many checkpoints to keep, this one included. @default 2
 * @returns The checkpoint's folder.
 * @throws {UserError} If it cannot be written, such as to a full disk.
 */
export async function saveCheckpoint(
  runDirectory: string,
  checkpoint: Checkpoint & Required<Pick<Checkpoint, "state">>,
  { keep = 2 }: { keep?: number } = {},
): Promise<string> {
  if (!(keep >= 1)) throw new RangeError(`keep must be at least 1, not ${keep}`);
  const { step } = checkpoint.state;
  const directory = checkpointDirectory(runDirectory, step);
  try {
    await Deno.mkdir(`${runDirectory}/checkpoints`, { recursive: true });
  } catch (error) {
    throw fileError(error, `write ${runDirectory}/checkpoints`);
  }
  await writeCheckpoint(directory, checkpoint);
  // Steps beyond this one are of a time before the run went back to an older checkpoint.
  const older = (await listCheckpoints(runDirectory)).filter((other) => other.step <= step);
  for (const { directory } of older.slice(keep)) await removeCheckpoint(directory);
  return directory;
}

/** Removes a checkpoint so that a crash halfway leaves none that looks whole. */
async function removeCheckpoint(directory: string): Promise<void> {
  const doomed = `${directory}.tmp-removed`;
  try {
    await Deno.rename(directory, doomed);
    await Deno.remove(`${doomed}/${MANIFEST_NAME}`).catch(ignoreMissing);
    await Deno.remove(doomed, { recursive: true });
  } catch (error) {
    throw fileError(error, `remove the old checkpoint ${directory}`);
  }
}

/** The checkpoints of a run by their names, newest first. Damaged ones are among them. */
export async function listCheckpoints(runDirectory: string): Promise<CheckpointFolder[]> {
  const folder = `${runDirectory}/checkpoints`;
  const found: CheckpointFolder[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const step = /^step-(\d{6,15})$/.exec(name)?.[1];
      if (isDirectory && step !== undefined) {
        found.push({ directory: `${folder}/${name}`, step: Number(step) });
      }
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw fileError(error, `read ${folder}`);
  }
  return found.sort((a, b) => b.step - a.step);
}

/**
 * The newest checkpoint of a run whose files are all as they were saved. What is newest is read from
 * the folders alone: no pointer can be out of date.
 *
 * @returns undefined where the run has no checkpoint.
 * @throws {UserError} If it has some, and all are damaged.
 */
export async function findCheckpoint(runDirectory: string): Promise<FoundCheckpoint | undefined> {
  const damaged: (CheckpointFolder & { error: UserError })[] = [];
  for (const folder of await listCheckpoints(runDirectory)) {
    try {
      await verifyManifest(folder.directory);
      return { ...folder, damaged };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      damaged.push({ ...folder, error });
    }
  }
  const newest = damaged[0];
  if (newest === undefined) return undefined;
  throw new UserError(
    `no checkpoint of ${runDirectory} is whole (${newest.error.message}): put a copy of it back, ` +
      "or start again with --overwrite",
  );
}

/** What was passed over, in words, for the user. */
export function describeDamage(found: FoundCheckpoint | undefined): string[] {
  return (found?.damaged ?? [])
    .map(({ directory, error }) => `passing over ${directory}: ${error.message}`);
}

/**
 * What a user means by the path of a checkpoint: the folder itself, or a run's folder, which stands for
 * its newest whole checkpoint.
 *
 * @param tell Is told, in words, of each newer checkpoint of the run that is damaged.
 * @throws {UserError} If there is no such folder, or the run has no whole checkpoint.
 */
export async function resolveCheckpoint(
  path: string,
  tell: (line: string) => void = () => {},
): Promise<string> {
  const directory = path.replace(/(?<=[^/])\/+$/, "");
  try {
    if (!(await Deno.stat(directory)).isDirectory) {
      throw new UserError(`${directory} is not a checkpoint: it is a file, not a folder`);
    }
  } catch (error) {
    throw fileError(error, `open the checkpoint ${directory}`);
  }
  const found = await findCheckpoint(directory);
  describeDamage(found).forEach(tell);
  return found?.directory ?? directory;
}

/**
 * Clears up after a run that was cut off: removes half-written folders and files under temporary
 * names, and gives a checkpoint that only its last rename was missing its name. Needs the run's lock.
 *
 * @returns What was done, in words, for the log.
 */
export async function clearLeftovers(runDirectory: string): Promise<string[]> {
  const log: string[] = [];
  try {
    const folders = [runDirectory];
    for await (const { name, isDirectory } of Deno.readDir(runDirectory)) {
      if (isDirectory && !TEMPORARY.test(name)) folders.push(`${runDirectory}/${name}`);
    }
    for (const folder of folders.sort()) {
      const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
      for (const name of names.filter((name) => TEMPORARY.test(name)).sort()) {
        log.push(await clearLeftover(folder, name));
      }
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw fileError(error, `clear up ${runDirectory}`);
    }
  }
  return log;
}

async function clearLeftover(directory: string, name: string): Promise<string> {
  const path = `${directory}/${name}`;
  const target = `${directory}/${name.replace(TEMPORARY, "")}`;
  // `.tmp-removed` was whole and on its way out; bringing it back would do no harm, and no good.
  if (/^step-\d{6,15}\.tmp-(?!removed)/.test(name) && !await fileExists(target)) {
    try {
      await verifyManifest(path);
      await Deno.rename(path, target);
      await syncFolder(directory);
      return `recovered ${target}`;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
  await Deno.remove(path, { recursive: true });
  return `removed ${path}, left by a run that was cut off`;
}
