/**
 * Prints which devices work on this machine, how fast they are, and how to get the others.
 *
 *     deno task devices
 *
 * Each device is tried in a process of its own, with the permissions that image.ts has there: not every
 * two of them get along in one process, and what is broken may end its process.
 */
import config from "../deno.json" with { type: "json" };
import { DEVICE_NAMES, type DeviceName } from "../engine/device_names.ts";
import { denoArguments } from "./task.ts";

/** Milliseconds after which a device is given up. */
const PATIENCE = 30_000;

/** What a device is. */
const KINDS: Readonly<Record<DeviceName, string>> = {
  onnx: "ONNX Runtime, traced graphs",
  "onnx-cuda": "ONNX Runtime on a GPU, traced graphs",
  wasm: "tfjs, WebAssembly",
  cpu: "tfjs, plain JavaScript",
  webgpu: "tfjs, WebGPU",
  tensorflow: "libtensorflow",
  "tensorflow-gpu": "libtensorflow with CUDA",
};

/** What trying a device gave. */
export interface Trial {
  /** The device. */
  readonly device: DeviceName;
  /** Why it does not work and how to get it, if it does not. */
  readonly failure?: string;
  /** Threads within one operation. */
  readonly threads?: number;
  /** Milliseconds of one step of the speed test. */
  readonly milliseconds?: number;
  /** What it computes on, where the device can tell. */
  readonly adapter?: string;
  /** Billions of floating-point operations a second in the speed test. */
  readonly gigaflops?: number;
}

/** Why a process that was to try a device told nothing. */
function failureOf(code: number, stderr: string): string {
  if (code === 143) return `it took more than ${PATIENCE / 1000} s`;
  const lines = stderr.trim().split("\n");
  const line = lines.find((line) => line.includes("error: ")) ?? lines.at(-1) ?? "";
  return line === "" ? `its process ended with code ${code}` : line;
}

/** Tries a device in a process of its own. */
export async function tryDevice(device: DeviceName): Promise<Trial> {
  const args = denoArguments("tools/device_trial", ["--device", device], config.permissions.image);
  const child = new Deno.Command(Deno.execPath(), {
    args: args.map((arg) => arg.replace("-P=tools/device_trial", "-P=image")),
    cwd: new URL("..", import.meta.url),
    env: { NO_COLOR: "1" },
    ...{ stdin: "null", stdout: "piped", stderr: "piped" },
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGTERM"), PATIENCE);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const decoder = new TextDecoder();
  const line = decoder.decode(stdout).trim().split("\n").at(-1)!;
  return line.startsWith("{")
    ? JSON.parse(line) as Trial
    : { device, failure: failureOf(code, decoder.decode(stderr)) };
}

/** One line about a device. */
export function describeTrial({ device, failure, threads, gigaflops, adapter }: Trial): string {
  const head = `${device.padEnd(15)} ${failure === undefined ? "yes" : "no "}  `;
  if (failure !== undefined) return head + failure;
  const place = adapter ?? `${threads} ${threads === 1 ? "thread" : "threads"}`;
  const speed = gigaflops! < 10 ? gigaflops!.toPrecision(2) : gigaflops!.toFixed(0);
  return `${head}${speed.padStart(6)} GFLOPS  ${KINDS[device]}; ${place}`;
}

if (import.meta.main) {
  console.log(
    "Speed: a 3x3 convolution of 32 to 32 channels on images of 28x28, with gradients.\n",
  );
  console.log("device          works");
  // One after the other, or they would share the cores.
  for (const device of DEVICE_NAMES) console.log(describeTrial(await tryDevice(device)));
}
