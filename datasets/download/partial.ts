/**
 * A download that is not finished: `NAME.part`, and beside it `NAME.part.json`, which says from where
 * the bytes came and by which validator the server can tell whether the rest still fits them.
 */
import { writeFileAtomic } from "../../base/files.ts";

/** How far a download has come. */
export interface Progress {
  /** Bytes that are there. */
  readonly offset: number;
  /** A strong ETag, or a date, for `If-Range` (RFC 9110, section 13.1.5). */
  readonly validator: string;
}

/** What a header can hold: no control characters, and bytes only (RFC 9110, section 5.5). */
const HEADER_VALUE = /^[\x20-\x7e\x80-\xff]+$/;

/** The path of the bytes so far of a download to `target`. */
export function partialPath(target: string): string {
  return `${target}.part`;
}

const notesPath = (target: string) => `${partialPath(target)}.json`;

/**
 * What there is of a download.
 *
 * @param target The path that the whole file will have.
 * @param address Where it would be resumed from.
 * @returns Undefined where nothing can be resumed from this address.
 */
export async function readProgress(target: string, address: string): Promise<Progress | undefined> {
  try {
    const notes: unknown = JSON.parse(await Deno.readTextFile(notesPath(target)));
    const { size: offset } = await Deno.stat(partialPath(target));
    if (typeof notes !== "object" || notes === null || offset === 0) return undefined;
    const { address: origin, validator } = notes as Record<string, unknown>;
    const sound = typeof validator === "string" && HEADER_VALUE.test(validator);
    return origin === address && sound ? { offset, validator } : undefined;
  } catch (error) {
    // Notes that cannot be read only cost the bytes so far.
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Begins a download anew: empties the file and notes where its bytes will come from.
 *
 * @param validator Without one the download cannot be resumed.
 */
export async function beginPartial(
  target: string,
  address: string,
  validator: string | undefined,
): Promise<void> {
  // In this order, so that old bytes never meet new notes.
  await Deno.writeFile(partialPath(target), new Uint8Array(0));
  await writeFileAtomic(notesPath(target), JSON.stringify({ address, validator }));
}

/** Removes what there is of a download. */
export async function discardPartial(target: string): Promise<void> {
  for (const path of [partialPath(target), notesPath(target)]) {
    await Deno.remove(path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

/** Gives a finished download its name. */
export async function finishPartial(target: string): Promise<void> {
  await Deno.rename(partialPath(target), target);
  await discardPartial(target);
}
