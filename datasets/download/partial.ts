/**
 * Unfinished downloads: `NAME.part`, and beside it `NAME.part.json` with the address of the bytes and the
 * validator by which the server decides whether the rest still belongs to them.
 */
import { ignoreMissing, writeFileAtomic } from "../../base/files.ts";

export interface Progress {
  readonly offset: number;
  /** A strong ETag, or a date, for `If-Range` (RFC 9110, section 13.1.5). */
  readonly validator: string;
}

/** The values that a header can have: bytes without control characters (RFC 9110, section 5.5). */
const HEADER_VALUE = /^[\x20-\x7e\x80-\xff]+$/;

export function partialPath(target: string): string {
  return `${target}.part`;
}

const notesPath = (target: string) => `${partialPath(target)}.json`;

/** The progress of a download to `target`; undefined if it cannot be resumed from this address. */
export async function readProgress(target: string, address: string): Promise<Progress | undefined> {
  try {
    const notes: unknown = JSON.parse(await Deno.readTextFile(notesPath(target)));
    const { size: offset } = await Deno.stat(partialPath(target));
    if (typeof notes !== "object" || notes === null || offset === 0) return undefined;
    const { address: origin, validator } = notes as Record<string, unknown>;
    const sound = typeof validator === "string" && HEADER_VALUE.test(validator);
    return origin === address && sound ? { offset, validator } : undefined;
  } catch (error) {
    // Without readable notes, only the bytes so far are lost.
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Restarts a download: empties the file and writes the notes. Without a validator it cannot be resumed. */
export async function beginPartial(
  target: string,
  address: string,
  validator: string | undefined,
): Promise<void> {
  // In this order, so that there are never old bytes beside new notes.
  await Deno.writeFile(partialPath(target), new Uint8Array(0));
  await writeFileAtomic(notesPath(target), JSON.stringify({ address, validator }));
}

export async function discardPartial(target: string): Promise<void> {
  for (const path of [partialPath(target), notesPath(target)]) {
    await Deno.remove(path).catch(ignoreMissing);
  }
}

export async function finishPartial(target: string): Promise<void> {
  await Deno.rename(partialPath(target), target);
  await discardPartial(target);
}
