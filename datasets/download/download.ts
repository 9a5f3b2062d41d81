/** Downloads: several mirrors, several tries, resumed, and kept only if their hash is right. */
import type { RemoteFile } from "../dataset.ts";
import { inspect, maxStoredBytes } from "./integrity.ts";
import { type Network, systemNetwork } from "./network.ts";
import { discardPartial, finishPartial, partialPath, readProgress } from "./partial.ts";
import { backoff } from "./retry.ts";
import { transfer, TransferError } from "./transfer.ts";

/** Options of {@linkcode downloader}. */
export interface DownloadOptions {
  /** The network and the clock. @default {systemNetwork} */
  readonly network?: Network;
  /** Tries a mirror, for faults that may pass. @default {5} */
  readonly tries?: number;
  /** Milliseconds for the first sign of life, shared among a file's mirrors. @default {10_000} */
  readonly contactTimeout?: number;
  /** Milliseconds for an answer from a mirror that has answered before. @default {30_000} */
  readonly answerTimeout?: number;
  /** Milliseconds without 16 KiB of data that count as broken off. @default {30_000} */
  readonly stallTimeout?: number;
  /** The longest `Retry-After` that is waited for, in milliseconds. @default {60_000} */
  readonly maxRetryAfter?: number;
  /** Told in a line what is downloaded, and what is tried again and why. */
  readonly log?: ((line: string) => void) | undefined;
  /** Told the file's name, its bytes so far and, where known, all of them. */
  readonly onProgress?:
    | ((name: string, received: number, total: number | undefined) => void)
    | undefined;
  /** Stops at once; what has arrived is resumed by the next download. */
  readonly signal?: AbortSignal | undefined;
}

/** A file that has been downloaded and is what it should be. */
export interface Downloaded {
  /** The unpacked content. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The address that it came from. */
  readonly address: string;
}

/** No mirror gave the file; the message says for each one why, on one line. */
export class DownloadError extends Error {}

/**
 * Makes a function that downloads files, and remembers between files which hosts answer: one that
 * cannot be reached is asked once, so that without a network all is over within `contactTimeout`.
 *
 * @returns A function of the file and the path to put it at, as it was sent (packed), under its lock.
 * It throws {@linkcode DownloadError} where no mirror has the file; errors in writing go through.
 */
export function downloader(
  {
    network = systemNetwork,
    tries = 5,
    contactTimeout = 10_000,
    answerTimeout = 30_000,
    stallTimeout = 30_000,
    maxRetryAfter = 60_000,
    log,
    onProgress,
    signal,
  }: DownloadOptions = {},
): (file: RemoteFile, target: string) => Promise<Downloaded> {
  const answering = new Set<string>();
  const dead = new Set<string>();

  /** The whole file from one mirror, or a clause that says why not. */
  async function fromMirror(
    file: RemoteFile,
    target: string,
    address: string,
  ): Promise<Downloaded | string> {
    const { host } = new URL(address);
    if (!network.mayReach(address)) return `no permission to reach it (--allow-net=${host})`;
    if (dead.has(host)) return "could not be reached before";
    log?.(`${file.name}: downloading from ${host}`);
    for (let attempt = 1;; attempt++) {
      const resumed = await readProgress(target, address) !== undefined;
      let problem: string;
      let mayPass: boolean;
      let wait = backoff(attempt, network.random());
      try {
        await transfer(address, target, {
          network,
          maxBytes: maxStoredBytes(file),
          answerTimeout: answering.has(host)
            ? answerTimeout
            : contactTimeout / file.addresses.length,
          stallTimeout,
          onProgress: (received, total) => onProgress?.(file.name, received, total),
          signal,
        });
        answering.add(host);
        const found = await inspect(await Deno.readFile(partialPath(target)), file);
        if ("bytes" in found) {
          await finishPartial(target);
          return { bytes: found.bytes, address };
        }
        await discardPartial(target);
        problem = `refused what it sent: ${found.detail}`;
        // Pieces that do not fit, or an end that nobody announced, can be better next time.
        mayPass = resumed || found.fault === "truncated" || found.fault === "empty";
      } catch (error) {
        if (!(error instanceof TransferError)) throw error;
        if (error.answered) answering.add(host);
        if (error.kind === "unreachable" && !answering.has(host)) dead.add(host);
        problem = error.message;
        mayPass = error.kind !== "permanent" && !dead.has(host);
        wait = Math.max(wait, error.retryAfter ?? 0);
        if (error.retryAfter !== undefined && error.retryAfter > maxRetryAfter) {
          return `${problem}; asks to come back in ${Math.ceil(error.retryAfter / 1000)} s`;
        }
      }
      if (!mayPass) return problem;
      if (attempt >= tries) return `${problem} (tried ${tries} times)`;
      log?.(
        `${file.name}: ${host}: ${problem}; trying again in ${(wait / 1000).toFixed(1)} s ` +
          `(${attempt} of ${tries} tries)`,
      );
      await network.sleep(wait, signal);
    }
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
