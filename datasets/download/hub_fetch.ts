/** Files of the Hugging Face hub into the cache, whole and checked or not at all. */
import { dirname } from "node:path";
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import { fileExists, makeFolder } from "../../base/files.ts";
import { withLock } from "./lock.ts";
import { type Network, systemNetwork } from "./network.ts";
import { discardPartial, finishPartial, partialPath } from "./partial.ts";
import { backoff } from "./retry.ts";
import { transfer, TransferError } from "./transfer.ts";

/** Options of {@linkcode hubFetcher}. */
export interface HubFetchOptions {
  /** Gives access to models that are not public. */
  readonly token: string | undefined;
  /** The network and the clock. @default {systemNetwork} */
  readonly network?: Network;
  /** Tries a file, for faults that may pass. @default {5} */
  readonly tries?: number;
  /** Told in a line what is tried again and why. */
  readonly log?: (line: string) => void;
}

/** A file to fetch. */
export interface HubRequest {
  /** Its address. */
  readonly address: string;
  /** Where it is kept. */
  readonly path: string;
  /** What messages call it. */
  readonly what: string;
  /** The most bytes that it may have. */
  readonly maxBytes: number;
  /** Says in a clause what is wrong with what was sent, if anything is. */
  readonly check: (bytes: Uint8Array<ArrayBuffer>) => Promise<string | undefined>;
  /** Whether it is fetched even where it is there. @default {false} */
  readonly again?: boolean;
}

/** Milliseconds for an answer, and without data. */
const [ANSWER, STALL] = [30_000, 30_000] as const;

/** The longest `Retry-After` that is waited for, in milliseconds. */
const LONGEST_WAIT = 60_000;

/**
 * Makes a function that fetches a file to its path, one process at a time; what is wrong never gets its
 * name there.
 *
 * @returns It throws {@linkcode UserError} where the file cannot be had: the message says what to do.
 */
export function hubFetcher(
  { network = systemNetwork, tries = 5, token, log }: HubFetchOptions,
): (request: HubRequest) => Promise<void> {
  const authorized: Network = token === undefined ? network : {
    ...network,
    // fetch leaves the token out where it is redirected to another host.
    fetch: (url, init) =>
      network.fetch(url, {
        ...init,
        headers: { ...init.headers as Record<string, string>, authorization: `Bearer ${token}` },
      }),
  };

  /** One try. @returns What went wrong, and how long to wait for the next one if there may be one. */
  async function attempt(
    { address, path, maxBytes, check }: HubRequest,
    wait: number,
  ): Promise<{ problem: string; wait: number | undefined } | undefined> {
    try {
      await transfer(address, path, {
        ...{ network: authorized, maxBytes, answerTimeout: ANSWER, stallTimeout: STALL },
      });
      const problem = await check(await Deno.readFile(partialPath(path)));
      if (problem !== undefined) {
        await discardPartial(path);
        return { problem, wait };
      }
      await finishPartial(path);
      return undefined;
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      const { message: problem, kind, retryAfter = 0 } = error;
      if (retryAfter > LONGEST_WAIT) {
        const seconds = Math.ceil(retryAfter / 1000);
        return { problem: `${problem}; asks to come back in ${seconds} s`, wait: undefined };
      }
      if (kind === "transient") return { problem, wait: Math.max(wait, retryAfter) };
      await discardPartial(path);
      return { problem, wait: undefined };
    }
  }

  async function underLock(request: HubRequest, host: string): Promise<void> {
    for (let count = 1;; count++) {
      const failed = await attempt(request, backoff(count, network.random()));
      if (failed === undefined) return;
      const { problem, wait } = failed;
      if (wait === undefined || count >= tries) {
        throw new UserError(
          `${request.what}: ${host}: ${problem}${count > 1 ? ` (tried ${count} times)` : ""}: ` +
            remedy(problem, token !== undefined),
        );
      }
      log?.(`${request.what}: ${host}: ${problem}; trying again in ${(wait / 1000).toFixed(1)} s`);
      await network.sleep(wait);
    }
  }

  return async (request) => {
    const { address, path, what, again = false } = request;
    const { host } = new URL(address);
    if (!network.mayReach(address)) {
      throw new UserError(`${what}: no permission to reach ${host} (--allow-net=${host})`);
    }
    await makeFolder(dirname(path));
    try {
      // Another process may want the same file at the same time, and have it by now.
      await withLock(`${dirname(path)}/.lock`, async () => {
        if (again || !await fileExists(path)) await underLock(request, host);
      }, { log: (line) => log?.(line), sleep: network.sleep, now: network.now });
    } catch (error) {
      throw fileError(error, `keep ${path}`);
    }
  };
}

/** What a person can do. */
function remedy(problem: string, hasToken: boolean): string {
  const forbidden = /^Requires net access to "([^"]*)"/.exec(problem)?.[1];
  if (forbidden !== undefined) {
    return `the hub keeps this file elsewhere; allow that as well (--allow-net=${forbidden})`;
  }
  const status = /^status (\d+)/.exec(problem)?.[1];
  if (status === "401" || status === "403") {
    return hasToken
      ? "HF_TOKEN gives no access to it; ask for access on the model's page, or use another token"
      : "there is no such public model; check the name, or set HF_TOKEN to a token that may read it";
  }
  if (status === "404") return "there is no such model, revision or file; check the name";
  return "try again later, name another server as HF_ENDPOINT, or a folder that holds the model";
}
