/** The worker: computes for the page, so that the page never freezes. */
import { UserError } from "../base/errors.ts";
import { type BrowserDeviceName, openBrowserDevice } from "../engine/browser.ts";
import type { Device } from "../engine/device_of.ts";
import { drawGarments } from "./garments/compute.ts";
import { drawPlane } from "./plane/compute.ts";
import type { Context, FromWorker, Status, ToWorker } from "./protocol.ts";
import { fillSudoku, newSudoku } from "./sudoku/compute.ts";
import { writeReviews } from "./texts/compute.ts";

const CALLS = { drawGarments, drawPlane, fillSudoku, newSudoku, writeReviews };

/** The functions that the page may call. */
export type Calls = typeof CALLS;

const post = (message: FromWorker) => self.postMessage(message);
const report = (status: Status) => post({ status });
const stopped = new Set<number>();

let device: Promise<Device> | undefined;

/** WebGPU where there is one, else WebAssembly; `?device=wasm` chooses. */
async function open(): Promise<Device> {
  const asked = new URLSearchParams(location.search).get("device");
  const names: BrowserDeviceName[] = asked === "wasm" || !("gpu" in navigator)
    ? ["wasm"]
    : ["webgpu", "wasm"];
  const wasmFolder = new URL("./", location.href).href;
  for (const name of names) {
    try {
      return await openFirst(name, wasmFolder);
    } catch (error) {
      if (name === "wasm") throw error;
    }
  }
  throw new UserError("no device works here");
}

async function openFirst(name: BrowserDeviceName, wasmFolder: string): Promise<Device> {
  if (name === "webgpu" && await navigator.gpu.requestAdapter() === null) {
    throw new UserError("no adapter");
  }
  const opened = await openBrowserDevice(name, {
    wasmFolder,
    onLost: (why) => {
      device = openBrowserDevice("wasm", { wasmFolder });
      report({
        text: `The browser took the GPU away (${why}). What runs now ends; from now on ` +
          "WebAssembly computes.",
        isError: true,
        isDevice: true,
      });
    },
  });
  const threads = opened.threads === 1 ? "1 thread" : `${opened.threads} threads`;
  const text = name === "webgpu" ? "Computes on WebGPU" : `Computes on WebAssembly, ${threads}`;
  report({ text, isDevice: true });
  return opened;
}

async function run({ id, name, request }: Extract<ToWorker, { id: number }>): Promise<void> {
  const emit = (event: unknown) => {
    if (stopped.has(id)) throw new UserError("stopped");
    post({ id, event });
  };
  try {
    device ??= open();
    const context = { device: await device, report };
    const call = CALLS[name as keyof Calls] as (
      context: Context,
      request: unknown,
      emit: unknown,
    ) => unknown;
    post({ id, result: await call(context, request, emit) });
  } catch (error) {
    const { message } = error as Error;
    post({
      id,
      error: error instanceof UserError ? message : `the computation failed: ${message}`,
    });
  }
  stopped.delete(id);
}

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if ("stop" in data) stopped.add(data.stop);
  else run(data);
};
