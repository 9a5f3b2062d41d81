/** Downloads pinned files from mirrors, with retries; only files with the right hash are kept. */
import type { RemoteFile } from "../dataset.ts";
import { inspect, maxStoredBytes } from "./integrity.ts";
import { type Failure, type Network, systemNetwork, withRetries } from "./network.ts";
import { discardPartial, finishPartial, partialPath, readProgress } from "./partial.ts";
import { failureOf, transfer, TransferError } from "./transfer.ts";

/** Options of {@linkcode downloader}. */
export interface DownloadOptions {
  /** The network and the clock. @default {systemNetwork} */
  readonly network?: Network | undefined;
  /** Attempts per mirror, for temporary faults. @default {5} */
  readonly tries?: number | undefined;
  /** Milliseconds for a first answer, shared by a file's mirrors. @default {10_000} */
  readonly contactTimeout?: number | undefined;
  /** Milliseconds for an answer from a mirror that has answered before. @default {30_000} */
  readonly answerTimeout?: number | undefined;
  /** Milliseconds within which 16 KiB must arrive. @default {30_000} */
  readonly stallTimeout?: number | undefined;
  /** The longest `Retry-After` to wait for, in milliseconds. @default {60_000} */
  readonly maxRetryAfter?: number | undefined;
  /** Receives one line about each download, and about each retry with its reason. */
  readonly log?: ((line: string) => void) | undefined;
  /** Receives the file's name, the number of bytes so far and, if known, the total. */
  readonly onProgress?:
    | ((name: string, received: number, total: number | undefined) => void)
    | undefined;
  /** Stops the download at once; the next one resumes it. */
  readonly signal?: AbortSignal | undefined;
}

export interface Downloaded {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly address: string;
}

/** No mirror has the file; the message gives the reason of each, on one line. */
export class DownloadError extends Error {}

/**
 * Makes a function that downloads a file, as it was sent (packed), to a path in a folder whose lock the
 * caller holds. It remembers which hosts answer: a host that cannot be reached is tried once, so that
 * without a network all files together take at most `contactTimeout`.
 */
export function downloader(
  options: DownloadOptions = {},
): (file: RemoteFile, target: string) => Promise<Downloaded> {
  const { network = systemNetwork, tries = 5, log, onProgress, signal } = options;
  const { contactTimeout = 10_000, answerTimeout = 30_000, stallTimeout = 30_000 } = options;
  const { maxRetryAfter = 60_000 } = options;
  const answering = new Set<string>();
  const dead = new Set<string>();

  async function attempt(
    file: RemoteFile,
    target: string,
    address: string,
  ): Promise<Downloaded | Failure> {
    const { host } = new URL(address);
    const isResumed = await readProgress(target, address) !== undefined;
    try {
      await transfer(address, target, {
        network,
        maxBytes: maxStoredBytes(file),
        answerTimeout: answering.has(host) ? answerTimeout : contactTimeout / file.addresses.length,
        stallTimeout,
        onProgress: (received, total) => onProgress?.(file.name, received, total),
        signal,
      });
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      if (error.answered) answering.add(host);
      if (error.kind === "unreachable" && !answering.has(host)) dead.add(host);
      return failureOf(error, error.kind !== "permanent" && !dead.has(host), maxRetryAfter);
    }
    answering.add(host);
    const found = await inspect(await Deno.readFile(partialPath(target)), file);
    if ("bytes" in found) {
      await finishPartial(target);
      return { bytes: found.bytes, address };
    }
    await discardPartial(target);
    // Parts of different versions, or an early end, may be right the next time.
    const mayPass = isResumed || found.fault === "truncated" || found.fault === "empty";
    const problem = `refused what it sent: ${found.detail}`;
    return { problem, retryAfter: mayPass ? 0 : undefined };
  }

  /** The file, or a clause with the reason why the mirror does not provide it. */
  async function fromMirror(
    file: RemoteFile,
    target: string,
    address: string,
  ): Promise<Downloaded | string> {
    const { host } = new URL(address);
    if (!network.mayReach(address)) return `no permission to reach it (--allow-net=${host})`;
    if (dead.has(host)) return "could not be reached before";
    log?.(`${file.name}: downloading from ${host}`);
    const name = `${file.name}: ${host}`;
    const retries = { name, tries, network, log, signal };
    return await withRetries(() => attempt(file, target, address), retries);
  }

  return async (file, target) => {
    const problems: string[] = [];
    for (const address of file.addresses) {
      signal?.throwIfAborted();
      const result = await fromMirror(file, target, address);
      if (typeof result !== "string") return result;
      problems.push(`${new URL(address).host}: ${result}`);
    }
    throw new DownloadError(`${file.name} from ${problems.join("; from ")}`);
  };
}
