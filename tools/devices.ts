/**
 * Prints which devices work on this machine, how fast they are, and how to get the others.
 *
 *     deno task devices
 *
 * Each device is tried in a separate process with the permissions of image.ts: some devices cannot
 * share a process, and a broken one may crash it.
 */
import config from "../deno.json" with { type: "json" };
import { DEVICE_NAMES, type DeviceName } from "../engine/device_names.ts";
import { denoArguments } from "./task.ts";

const TIMEOUT = 30_000;

const KINDS: Readonly<Record<DeviceName, string>> = {
  onnx: "ONNX Runtime, traced graphs",
  "onnx-webgpu": "ONNX Runtime on a GPU, traced graphs",
  wasm: "tfjs, WebAssembly",
  cpu: "tfjs, plain JavaScript",
  tensorflow: "libtensorflow",
  "tensorflow-gpu": "libtensorflow with CUDA",
};

export interface Trial {
  readonly device: DeviceName;
  /** Why the device does not work, and how to set it up. */
  readonly failure?: string;
  readonly threads?: number;
  /** Milliseconds of one step of the speed test. */
  readonly milliseconds?: number;
  readonly adapter?: string;
  /** Billions of floating-point operations per second in the speed test. */
  readonly gigaflops?: number;
}

function failureOf(code: number, stderr: string): string {
  if (code === 143) return `it took more than ${TIMEOUT / 1000} s`;
  const lines = stderr.trim().split("\n");
  const line = lines.find((line) => line.includes("error: ")) ?? lines.at(-1) ?? "";
  return line === "" ? `its process ended with code ${code}` : line;
}

/** Tries a device in a separate process. */
export async function tryDevice(device: DeviceName): Promise<Trial> {
  const flags = ["--device", device];
  const script = "tools/device_trial.ts";
  const child = new Deno.Command(Deno.execPath(), {
    args: denoArguments("image", flags, config.permissions.image, {}, script),
    cwd: new URL("..", import.meta.url),
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGTERM"), TIMEOUT);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const decoder = new TextDecoder();
  const line = decoder.decode(stdout).trim().split("\n").at(-1)!;
  return line.startsWith("{")
    ? JSON.parse(line) as Trial
    : { device, failure: failureOf(code, decoder.decode(stderr)) };
}

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
  // One after the other, so that none shares the cores with another.
  for (const device of DEVICE_NAMES) console.log(describeTrial(await tryDevice(device)));
}
