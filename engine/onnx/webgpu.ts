/** ONNX Runtime's WebGPU provider: the adapter that it finds, and the nodes that it cannot compute. */
import { UserError } from "@nanodiffusion/base/errors";
import { claimProcess } from "../native_code.ts";
import { scalar } from "../tree.ts";
import { Graph } from "./graph.ts";
import { ELEMENT_TYPE, type Node } from "./proto.ts";
import { createSession } from "./session.ts";

/** A GPU, or a program that acts as one. */
export interface Adapter {
  /** The name that its driver gives. */
  readonly name: string;
  /** Whether it computes on the processor. */
  readonly software: boolean;
  /** Whether its programs may compute in float16. */
  readonly halfPrecision: boolean;
  /** The size of the largest tensor, in bytes. */
  readonly largestTensor: number;
}

/** The adapter by Deno's own WebGPU, which uses the same drivers as ONNX Runtime's. */
async function findAdapter(): Promise<Adapter | undefined> {
  const gpu = navigator.gpu as GPU | undefined;
  const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === undefined || adapter === null) return undefined;
  const { info, features, limits } = adapter;
  return {
    name: info.description || info.vendor || "without a name",
    software: info.isFallbackAdapter,
    halfPrecision: features.has("shader-f16"),
    largestTensor: Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize),
  };
}

const NO_ADAPTER = "The onnx-webgpu device finds no adapter: it needs a GPU and its driver, on " +
  "Linux for Vulkan, with the Vulkan loader (Debian's package libvulkan1)";

/** Runs a graph on the adapter. */
async function probe(): Promise<void> {
  const graph = new Graph();
  const value = { name: "x", elementType: ELEMENT_TYPE.float32, shape: [] };
  const sum = graph.node("Add", ["x", "x"]);
  const model = graph.encode([value], [{ ...value, name: sum }]);
  const session = await createSession(model, { threads: 1, provider: "webgpu" });
  await session.run([scalar(1)]);
  await session.dispose();
}

/**
 * Finds the adapter, and runs a graph on it.
 *
 * @param software Whether an adapter that computes on the processor will do: it is slower than onnx.
 * @throws {UserError} If there is none, or if ONNX Runtime cannot use it.
 */
export async function openAdapter({ software }: { software: boolean }): Promise<Adapter> {
  const release = claimProcess("onnx-webgpu");
  const adapter = await findAdapter();
  if (adapter === undefined) {
    release(); // no driver was loaded
    throw new UserError(`${NO_ADAPTER}.`);
  }
  if (adapter.software && !software) {
    throw new UserError(
      `The onnx-webgpu device finds a software adapter only (${adapter.name}), which is slow.`,
    );
  }
  try {
    await probe();
  } catch (cause) {
    const message = (cause as Error).message;
    if (/adapter/i.test(message)) throw new UserError(`${NO_ADAPTER}.`, { cause });
    const [why] = message.split("\n");
    throw new UserError(`The onnx-webgpu device does not work here: ${why}`, { cause });
  }
  return adapter;
}

/** Operators that GPUs may compute to three digits only, and to fewer outside [-pi, pi]. */
const INEXACT: ReadonlySet<string> = new Set(["Sin", "Cos", "Tan"]);

/**
 * Whether a node runs on the processor although the provider would take it. With ONNX Runtime 1.30 positions
 * of maxima and convolutions over three dimensions fail, and transposed convolutions of groups give wrong
 * numbers. Sines are inexact; those of timesteps are at the beginning of a graph, so nothing waits for them.
 */
export function isForProcessor({ op, outputs, attributes }: Node): boolean {
  const threeDimensions = (attributes["kernel_shape"] as number[] | undefined)?.length === 3;
  if (op === "MaxPool") return outputs.length > 1 || threeDimensions;
  if (op === "ConvTranspose") return threeDimensions || (attributes["group"] ?? 1) !== 1;
  return threeDimensions || INEXACT.has(op);
}
