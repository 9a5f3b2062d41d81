/** Fetches files of the Hugging Face hub into the cache. Only complete, checked files get their names. */
import { dirname } from "node:path";
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import { fileExists, makeFolder } from "../../base/files.ts";
import { withFileLock } from "../../base/file_lock.ts";
import { type Failure, type Network, systemNetwork, withRetries } from "./network.ts";
import { discardPartial, finishPartial, partialPath } from "./partial.ts";
import { failureOf, transfer, TransferError } from "./transfer.ts";

export interface HubFetchOptions {
  readonly token: string | undefined;
  readonly network?: Network | undefined;
  readonly tries?: number | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

export interface HubRequest {
  readonly address: string;
  readonly path: string;
  /** Its name in messages. */
  readonly what: string;
  readonly maxBytes: number;
  /** Returns a clause about a fault of the bytes, or undefined. */
  readonly check: (bytes: Uint8Array<ArrayBuffer>) => Promise<string | undefined>;
  /** Whether to fetch it even if it exists. */
  readonly again?: boolean | undefined;
}

/** Milliseconds within which an answer must begin, and within which 16 KiB must arrive. */
const TIMEOUT = 30_000;

/** The longest `Retry-After` to wait for, in milliseconds. */
const LONGEST_WAIT = 60_000;

/** Makes a function that fetches a file to its path, one process at a time. */
export function hubFetcher(
  { network = systemNetwork, tries = 5, token, log }: HubFetchOptions,
): (request: HubRequest) => Promise<void> {
  const authorized: Network = token === undefined ? network : {
    ...network,
    // fetch drops the token when it follows a redirect to another host.
    fetch: (url, init) =>
      network.fetch(url, {
        ...init,
        headers: { ...init.headers as Record<string, string>, authorization: `Bearer ${token}` },
      }),
  };

  async function attempt(
    { address, path, maxBytes, check }: HubRequest,
  ): Promise<{ path: string } | Failure> {
    try {
      await transfer(address, path, {
        network: authorized,
        maxBytes,
        answerTimeout: TIMEOUT,
        stallTimeout: TIMEOUT,
      });
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      const mayPass = error.kind === "transient";
      if (!mayPass) await discardPartial(path);
      return failureOf(error, mayPass, LONGEST_WAIT);
    }
    const problem = await check(await Deno.readFile(partialPath(path)));
    if (problem === undefined) {
      await finishPartial(path);
      return { path };
    }
    await discardPartial(path);
    return { problem, retryAfter: 0 };
  }

  return async (request) => {
    const { address, path, what, again = false } = request;
    const { host } = new URL(address);
    if (!network.mayReach(address)) {
      throw new UserError(`${what}: no permission to reach ${host} (--allow-net=${host})`);
    }
    await makeFolder(dirname(path));
    try {
      // Another process may have fetched the file while this one waited for the lock.
      await withFileLock(`${dirname(path)}/.lock`, async () => {
        if (!again && await fileExists(path)) return;
        const name = `${what}: ${host}`;
        const result = await withRetries(() => attempt(request), { name, tries, network, log });
        if (typeof result !== "string") return;
        throw new UserError(`${name}: ${result}: ${remedy(result, token !== undefined)}`);
      }, { log, sleep: network.sleep, now: network.now });
    } catch (error) {
      throw fileError(error, `keep ${path}`);
    }
  };
}

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
