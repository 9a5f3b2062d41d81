/** The folder of what a program makes with a trained model: one of its own each time, with record.json. */
import { usageError } from "../base/errors.ts";
import { fileError } from "../base/file_errors.ts";
import { makeFolder, writeFileAtomic } from "../base/files.ts";
import { whenInterrupted } from "./interrupt.ts";
import { parseRecord, type RunRecord, type RunSession } from "./run_record.ts";

const RECORD = "record.json";

/**
 * The folder of new samples: the one that `--out` names, or the first free one of NAME, NAME-2, NAME-3 ...
 *
 * @throws {UserError} If `--out` names a folder that is not empty.
 */
export async function newFolder(out: string | undefined, name: string): Promise<string> {
  if (out !== undefined && !await isEmpty(out)) {
    throw usageError(`--out ${out} is not empty: choose another folder.`);
  }
  const folder = out ?? await freeName(name);
  whenInterrupted(() => tidy(folder));
  return folder;
}

/** Removes a folder that has a record and nothing else, and says what is left. */
function tidy(folder: string): string {
  try {
    if ([...Deno.readDirSync(folder)].some(({ name }) => name !== RECORD)) {
      return `what was finished is in ${folder}; the same command starts anew`;
    }
    Deno.removeSync(folder, { recursive: true });
  } catch {
    // It was not made yet.
  }
  return "nothing was written";
}

async function freeName(name: string): Promise<string> {
  for (let number = 1;; number++) {
    const folder = number === 1 ? name : `${name}-${number}`;
    if (await isEmpty(folder)) return folder;
  }
}

async function isEmpty(folder: string): Promise<boolean> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).length === 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw fileError(error, `open ${folder}`);
  }
}

/** How samples were made: enough to make them again. */
export interface SamplesRecord {
  readonly checkpoint: { readonly path: string; readonly sha256: string };
  readonly settings: object;
  readonly session: RunSession;
}

export async function writeSamplesRecord(folder: string, record: SamplesRecord): Promise<void> {
  await makeFolder(folder);
  await writeFileAtomic(`${folder}/${RECORD}`, JSON.stringify(record, null, 2) + "\n");
}

/** The record of the run that a checkpoint `RUN/checkpoints/step-N` belongs to; undefined if it is of none. */
export async function recordOfCheckpoint(directory: string): Promise<RunRecord | undefined> {
  const [, run] = /^(.+)\/checkpoints\/[^/]+$/.exec(directory) ?? [];
  if (run === undefined) return undefined;
  const path = `${run}/config.json`;
  // There may be none, or no permission to read it where only the checkpoint was named.
  const text = await Deno.readTextFile(path).catch(() => undefined);
  return text === undefined ? undefined : await parseRecord(text, path);
}
