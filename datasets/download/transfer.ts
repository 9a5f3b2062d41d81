/** Makes one HTTP request for a file, or for the rest of a partial one. */
import { quote } from "../../base/quote.ts";
import { type Failure, isTransientStatus, type Network, retryAfter } from "./network.ts";
import {
  beginPartial,
  discardPartial,
  partialPath,
  type Progress,
  readProgress,
} from "./partial.ts";

export interface TransferOptions {
  readonly network: Network;
  readonly maxBytes: number;
  /** Milliseconds within which the server must begin to answer. */
  readonly answerTimeout: number;
  /** Milliseconds within which 16 KiB must arrive, or the rest if it is less. */
  readonly stallTimeout: number;
  readonly onProgress?: ((received: number, total: number | undefined) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class TransferError extends Error {
  constructor(
    message: string,
    /** "unreachable": no connection; "transient": a retry may succeed; "permanent": it will not. */
    readonly kind: "unreachable" | "transient" | "permanent",
    /** Whether the server has answered. */
    readonly answered: boolean,
    /** Milliseconds that the server asks to wait before the next request. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/**
 * A failed transfer as a failed attempt. `maxRetryAfter`: the longest wait that the server may ask for, in
 * milliseconds.
 */
export function failureOf(
  { message, retryAfter = 0 }: TransferError,
  mayPass: boolean,
  maxRetryAfter: number,
): Failure {
  if (retryAfter <= maxRetryAfter) {
    return { problem: message, retryAfter: mayPass ? retryAfter : undefined };
  }
  const seconds = Math.ceil(retryAfter / 1000);
  return { problem: `${message}; asks to come back in ${seconds} s`, retryAfter: undefined };
}

const STALL_BYTES = 16 * 1024;

/** An error of `fetch` in one clause, without the URL. */
function explain(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const message = inner instanceof Error ? inner.message : String(inner);
  return message.replace(/^error sending request for url \(.*?\): /, "");
}

/** The value for `If-Range`. Weak ETags are excluded, since they do not guarantee the same bytes. */
function validatorOf(headers: Headers): string | undefined {
  if (headers.get("content-encoding") !== null) return undefined; // ranges would be of packed bytes
  const etag = headers.get("etag");
  if (etag !== null && !etag.startsWith("W/")) return etag;
  return headers.get("last-modified") ?? undefined;
}

function lengthOf(headers: Headers): number | undefined {
  const value = headers.get("content-length");
  if (value === null || headers.get("content-encoding") !== null) return undefined;
  return /^\d+$/.test(value) ? Number(value) : undefined;
}

async function request(
  address: string,
  headers: HeadersInit,
  network: Network,
  signal: AbortSignal,
): Promise<Response> {
  try {
    return await network.fetch(address, { headers, signal });
  } catch (error) {
    if (signal.aborted) throw new TransferError(String(signal.reason), "unreachable", false);
    const message = explain(error);
    const kind = error instanceof Deno.errors.NotCapable || /redirect/i.test(message)
      ? "permanent"
      : /\(Connect\)|dns error/.test(message)
      ? "unreachable"
      : "transient";
    throw new TransferError(message, kind, false);
  }
}

/** Reads the head of an answer, and prepares the partial file for its body. */
async function accept(
  { status, headers }: Response,
  address: string,
  target: string,
  progress: Progress | undefined,
  now: number,
): Promise<{ received: number; total: number | undefined; whole: boolean }> {
  if (status === 200) {
    await beginPartial(target, address, validatorOf(headers));
    return { received: 0, total: lengthOf(headers), whole: false };
  }
  if (progress === undefined || (status !== 206 && status !== 416)) {
    throw new TransferError(
      `status ${status}`,
      isTransientStatus(status) ? "transient" : "permanent",
      true,
      retryAfter(headers.get("retry-after"), now),
    );
  }
  const range = headers.get("content-range") ?? "";
  const [, first, length] = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(range) ?? [];
  const { offset } = progress;
  const total = length === undefined || length === "*" ? undefined : Number(length);
  if (status === 416 && total === offset) return { received: offset, total, whole: true };
  if (status === 206 && Number(first) === offset) return { received: offset, total, whole: false };
  await discardPartial(target);
  const received = `status ${status}, range ${quote(range)}`;
  const message = `requested bytes from ${offset} on, received ${received}`;
  throw new TransferError(message, "transient", true);
}

/**
 * Fetches a file into the partial file of `target` (see partial.ts) and syncs it to disk. It resumes at
 * the end of the partial file if the server agrees. The content is not checked.
 */
export async function transfer(
  address: string,
  target: string,
  { network, maxBytes, answerTimeout, stallTimeout, onProgress, signal }: TransferOptions,
): Promise<void> {
  const watchdog = new AbortController();
  const stop = signal === undefined ? watchdog.signal : AbortSignal.any([watchdog.signal, signal]);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expect = (what: string, within: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => watchdog.abort(`no ${what} within ${within / 1000} s`), within);
  };
  try {
    const progress = await readProgress(target, address);
    const headers: Record<string, string> = { "accept-encoding": "identity" };
    if (progress !== undefined) {
      headers["range"] = `bytes=${progress.offset}-`;
      headers["if-range"] = progress.validator;
    }
    expect("answer", answerTimeout);
    const response = await request(address, headers, network, stop);
    const head = await accept(response, address, target, progress, network.now());
    if (head.whole) return;
    const { total } = head;
    let { received } = head;
    const requireLength = (bytes: number) => {
      if (bytes <= maxBytes) return;
      throw new TransferError(`more than the ${maxBytes} bytes it may have`, "permanent", true);
    };
    requireLength(total ?? 0);
    using file = await Deno.open(partialPath(target), { append: true });
    const reader = response.body?.getReader();
    for (let pending = STALL_BYTES;;) {
      if (pending >= STALL_BYTES) {
        expect("further 16 KiB", stallTimeout);
        pending = 0;
      }
      const chunk = await reader?.read().catch((error) => {
        const reason = stop.aborted ? String(stop.reason) : explain(error);
        throw new TransferError(`broke off at byte ${received}: ${reason}`, "transient", true);
      });
      if (chunk?.value === undefined) break;
      received += chunk.value.length;
      pending += chunk.value.length;
      requireLength(received);
      for (let written = 0; written < chunk.value.length;) {
        written += await file.write(chunk.value.subarray(written));
      }
      onProgress?.(received, total);
    }
    await file.sync();
    if (total !== undefined && received < total) {
      throw new TransferError(`broke off at byte ${received} of ${total}`, "transient", true);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    watchdog.abort(); // closes the answer if it is still open
  }
}
