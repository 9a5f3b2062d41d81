/**
 * Prints which devices work on this machine, how fast they are, and how to get the others.
 *
 *     deno task devices
 *     deno task devices --verbose     # also what of each graph the GPU of onnx-webgpu computes
 *
 * Each device is tried in a separate process with the permissions of image.ts: some devices cannot
 * share a process, and a broken one may crash it.
 */
import config from "../deno.json" with { type: "json" };
import { DEVICE_NAMES, type DeviceName } from "../engine/device_names.ts";
import { denoArguments } from "./task.ts";

const TIMEOUT = 30_000;

/** For {@linkcode tryGraphs}: an adapter in software takes two minutes. */
const GRAPHS_TIMEOUT = 600_000;

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

/** Where onnx-webgpu computes the nodes of a graph. */
export interface GraphPlaces {
  readonly graph: string;
  /** Nodes on the GPU. */
  gpu: number;
  /** Copies between the GPU and the processor, without those of inputs and results. */
  copies: number;
  /** Nodes on the processor, by operator. */
  readonly processor: Record<string, number>;
}

/** Runs a script of this folder with the permissions of image.ts. */
async function runScript(script: string, device: DeviceName, timeout: number) {
  const flags = ["--device", device];
  const child = new Deno.Command(Deno.execPath(), {
    args: denoArguments("image", flags, config.permissions.image, {}, `tools/${script}`),
    cwd: new URL("..", import.meta.url),
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGTERM"), timeout);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Tries a device in a separate process. */
export async function tryDevice(device: DeviceName): Promise<Trial> {
  const { code, stdout, stderr } = await runScript("device_trial.ts", device, TIMEOUT);
  const line = stdout.trim().split("\n").at(-1)!;
  return line.startsWith("{")
    ? JSON.parse(line) as Trial
    : { device, failure: failureOf(code, stderr) };
}

/** Where onnx-webgpu computes the graphs of the programs. */
export async function tryGraphs(): Promise<GraphPlaces[]> {
  const { stdout } = await runScript("webgpu_graphs.ts", "onnx-webgpu", GRAPHS_TIMEOUT);
  return stdout.split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as GraphPlaces);
}

export function describePlaces({ graph, gpu, copies, processor }: GraphPlaces): string {
  const entries = Object.entries(processor).toSorted(([, a], [, b]) => b - a);
  const count = entries.reduce((sum, [, nodes]) => sum + nodes, 0);
  const operators = entries.map(([op, nodes]) => `${nodes} ${op}`).join(", ");
  const rest = count === 0 ? "" : ` (${operators})`;
  return `${
    graph.padEnd(15)
  } ${gpu} on the GPU, ${count} on the processor${rest}, ${copies} copies`;
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
  const trials: Trial[] = [];
  for (const device of DEVICE_NAMES) {
    trials.push(await tryDevice(device));
    console.log(describeTrial(trials.at(-1)!));
  }
  const hasGpu = trials.some(({ device, failure }) =>
    device === "onnx-webgpu" && failure === undefined
  );
  if (Deno.args.includes("--verbose") && hasGpu) {
    console.log("\nOperations of small graphs of the programs on onnx-webgpu:\n");
    for (const places of await tryGraphs()) console.log(describePlaces(places));
  }
}
