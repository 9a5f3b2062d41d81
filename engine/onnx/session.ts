/** Running ONNX graphs with npm:onnxruntime-node. */
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { ARRAY_OF, type DType, type HostArray, sizeOf } from "../tree.ts";
import { importOnnxRuntime } from "../onnx_library.ts";
import { GraphError } from "./graph_error.ts";

/** Options of {@linkcode createSession}. */
export interface SessionOptions {
  /** Threads within one operation. */
  threads: number;
  /** What computes: the processor, or a GPU by NVIDIA; the processor by default. */
  provider?: "cpu" | "cuda";
  /** Writes a Chrome trace of every operation to a file whose name starts so. */
  profile?: string;
}

/** A loaded graph. */
export interface Session {
  /**
   * Runs the graph: inputs in the order of the graph, and outputs likewise.
   *
   * @param targets Where outputs are written to, by their position; the others get memory of their own.
   */
  run(
    inputs: readonly HostArray[],
    targets?: ReadonlyMap<number, HostArray>,
  ): Promise<HostArray[]>;
  /** Milliseconds spent inside ONNX Runtime so far. */
  readonly milliseconds: number;
  /** Releases its memory, and writes the profile if one was asked for. */
  dispose(): Promise<void>;
}

/** What ONNX Runtime is told when a graph is loaded. */
export function sessionSettings(
  { threads, provider = "cpu", profile }: SessionOptions,
): InferenceSession.SessionOptions {
  return {
    // What the GPU's provider has no kernel for goes to the processor, with copies there and back.
    executionProviders: provider === "cuda" ? ["cuda", "cpu"] : ["cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    // ONNX Runtime would plan all activations into one block beside what the first run took: 1.8
    // instead of 1.0 GB for the nano preset's step of 128 images, for no speed.
    enableMemPattern: false,
    logSeverityLevel: 4, // errors are thrown, so they need not be printed as well
    extra: {
      session: {
        // Threads that wait by spinning take the cores from whatever else runs: where another process
        // shares them, steps of 1.2 s became 5 s. For 20 microseconds they may: a UNet's step has
        // thousands of operations, of 0.1 ms each. A step of 32 images took 229 instead of 255 ms with
        // the nano preset, about 780 instead of 900 with the small one, in no more CPU time; 60
        // microseconds gained no more, and steps of 128 images, with longer operations, nothing.
        intra_op: { allow_spinning: "1", spin_duration_us: "20" },
        // Weights that are laid out anew when a graph is loaded are given back to the system one by one,
        // not to ONNX Runtime's arena: 0.05 GB less at the peak for GPT-2.
        use_device_allocator_for_initializers: "1",
      },
    },
    ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
  };
}

/** A result of ONNX Runtime as a tensor on the host. */
export function hostArray({ type, dims, data }: Tensor): HostArray {
  const dtype = type as DType;
  // An empty tensor's data may come as undefined.
  const values = sizeOf(dims) === 0 ? new ARRAY_OF[dtype](0) : data as Float32Array;
  return { dtype, shape: dims, data: values };
}

/**
 * Frees the copy of a result that npm:onnxruntime-node makes although the result was written to a target.
 * Left to the garbage collector, one or two such sets of GPT-2's gradients, of 0.5 GB each, are about.
 */
function release(copy: Tensor, { data, shape }: HostArray): void {
  if (sizeOf(shape) === 0) return; // an empty tensor's data may come as undefined
  const { buffer } = copy.data as Float32Array;
  if (buffer !== data.buffer) (buffer as ArrayBuffer).transfer(0);
}

/**
 * Loads a graph.
 *
 * @param external Constants that are not in the file, by their names.
 * @throws {GraphError} If ONNX Runtime does not take it.
 */
export async function createSession(
  model: Uint8Array,
  options: SessionOptions,
  external: ReadonlyMap<string, Uint8Array> = new Map(),
): Promise<Session> {
  // Imported when first needed: it loads native code, which other devices need no permission for.
  const ort = await importOnnxRuntime();
  let session: InferenceSession;
  try {
    session = await ort.InferenceSession.create(model, {
      ...sessionSettings(options),
      ...(external.size === 0
        ? {}
        : { externalData: Array.from(external, ([path, data]) => ({ path, data })) }),
    });
  } catch (error) {
    throw new GraphError("ONNX Runtime refused a traced graph", error);
  }
  let milliseconds = 0;
  return {
    get milliseconds() {
      return milliseconds;
    },
    async run(inputs, targets) {
      const tensor = ({ dtype, data, shape }: HostArray): Tensor =>
        new ort.Tensor(dtype, data as Float32Array, shape);
      const feeds = Object.fromEntries(
        session.inputNames.map((name, i) => [name, tensor(inputs[i]!)]),
      );
      const fetches = Object.fromEntries(session.outputNames.map((name, i) => {
        const target = targets?.get(i);
        return [name, target === undefined ? null : tensor(target)];
      }));
      const start = performance.now();
      let results: Awaited<ReturnType<typeof session.run>>;
      try {
        results = await session.run(feeds, fetches);
      } catch (error) {
        throw new GraphError("ONNX Runtime failed", error);
      }
      milliseconds += performance.now() - start;
      return session.outputNames.map((name, i) => {
        const target = targets?.get(i);
        if (target === undefined) return hostArray(results[name]!);
        release(results[name]!, target);
        return target;
      });
    },
    async dispose() {
      if (options.profile !== undefined) {
        (session as unknown as { handler: { endProfiling(): void } }).handler.endProfiling();
      }
      await session.release();
    },
  };
}
