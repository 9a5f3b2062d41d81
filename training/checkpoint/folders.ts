/** The checkpoints of a run: `checkpoints/step-000123/`. Only the last few are kept. */
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import { fileExists, ignoreMissing, makeFolder, syncFolder } from "../../base/files.ts";
import { type Checkpoint, writeCheckpoint } from "./checkpoint.ts";
import { MANIFEST_NAME, verifyManifest } from "./manifest.ts";

/** The end of a temporary name, used while something is written or removed. */
const TEMPORARY = /\.tmp-[\w-]*$/;

export interface CheckpointFolder {
  readonly directory: string;
  readonly step: number;
}

interface FoundCheckpoint extends CheckpointFolder {
  /** Newer checkpoints that are damaged, and how. */
  readonly damaged: readonly (CheckpointFolder & { readonly error: UserError })[];
}

/** The folder of the checkpoint of a step. */
export function checkpointDirectory(runDirectory: string, step: number): string {
  return `${runDirectory}/checkpoints/step-${String(step).padStart(6, "0")}`;
}

/**
 * Saves a checkpoint of a run: writes it under a temporary name, syncs it, renames it, and only then removes
 * older ones. If this fails at any point, the existing checkpoints are intact. Needs the run's lock.
 *
 * @param options `keep`: the number of checkpoints to keep, including this one. @default {2}
 * @returns The folder of the checkpoint.
 * @throws {UserError} If it cannot be written, for example because the disk is full.
 */
export async function saveCheckpoint(
  runDirectory: string,
  checkpoint: Checkpoint & Required<Pick<Checkpoint, "state">>,
  { keep = 2 }: { keep?: number | undefined } = {},
): Promise<string> {
  if (!(keep >= 1)) throw new RangeError(`keep must be at least 1, not ${keep}`);
  const { step } = checkpoint.state;
  const directory = checkpointDirectory(runDirectory, step);
  await makeFolder(`${runDirectory}/checkpoints`);
  await writeCheckpoint(directory, checkpoint);
  // Later steps were saved before the run was resumed from an older checkpoint.
  const older = (await listCheckpoints(runDirectory)).filter((other) => other.step <= step);
  for (const { directory } of older.slice(keep)) await removeCheckpoint(directory);
  return directory;
}

/** Removes a checkpoint. If this is interrupted, the rest of it does not look complete. */
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

/** The checkpoints of a run, newest first, including damaged ones. */
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
 * The newest checkpoint of a run whose files are all as they were saved; undefined if the run has none. The
 * steps are read from the names of the folders; there is no pointer that could be out of date.
 *
 * @throws {UserError} If all of its checkpoints are damaged.
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
    `all checkpoints of ${runDirectory} are damaged (${newest.error.message}): restore one from a ` +
      "copy, or start again with --overwrite",
  );
}

/** A message for each damaged checkpoint that was skipped. */
export function describeDamage(found: FoundCheckpoint | undefined): string[] {
  return (found?.damaged ?? [])
    .map(({ directory, error }) => `skipping ${directory}: ${error.message}`);
}

/**
 * The folder of a checkpoint, given that folder, or given the folder of a run, which stands for its newest
 * intact checkpoint.
 *
 * @param report Called with a message for each newer checkpoint that is damaged.
 */
export async function resolveCheckpoint(
  path: string,
  report: (line: string) => void = () => {},
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
  describeDamage(found).forEach(report);
  return found?.directory ?? directory;
}

/**
 * Cleans up after a run that was killed: removes incomplete folders and files with temporary names, and
 * renames a checkpoint that was complete except for its name. Needs the run's lock. Returns a message for
 * each change.
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
      throw fileError(error, `clean up ${runDirectory}`);
    }
  }
  return log;
}

async function clearLeftover(directory: string, name: string): Promise<string> {
  const path = `${directory}/${name}`;
  const target = `${directory}/${name.replace(TEMPORARY, "")}`;
  // A checkpoint that ends in `.tmp-removed` was being removed.
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
  return `removed ${path}, which an interrupted run left behind`;
}
