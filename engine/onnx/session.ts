/** Running ONNX graphs with npm:onnxruntime-node. */
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { UserError } from "../errors.ts";
import { ARRAY_OF, type DType, type HostArray, sizeOf } from "../tree.ts";

/** Options of {@linkcode createSession}. */
export interface SessionOptions {
  /** Threads within one operation. */
  threads: number;
  /** Writes a Chrome trace of every operation to a file whose name starts so. */
  profile?: string;
}

/** A loaded graph. */
export interface Session {
  /** Runs the graph: inputs in the order of the graph, and outputs likewise. */
  run(inputs: readonly HostArray[]): Promise<HostArray[]>;
  /** Milliseconds spent inside ONNX Runtime so far. */
  readonly milliseconds: number;
  /** Releases its memory, and writes the profile if one was asked for. */
  dispose(): Promise<void>;
}

/**
 * Loads a graph.
 *
 * @throws {UserError} If ONNX Runtime does not take it.
 */
export async function createSession(
  model: Uint8Array,
  { threads, profile }: SessionOptions,
): Promise<Session> {
  // Imported when first needed: it loads native code, which other devices need no permission for.
  const ort = await import("onnxruntime-node");
  let session: InferenceSession;
  try {
    session = await ort.InferenceSession.create(model, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: "all",
      logSeverityLevel: 3,
      // Threads that wait by spinning take the cores from whatever else runs: where another process
      // shares them, steps of 1.2 s became 5 s.
      extra: { session: { intra_op: { allow_spinning: "0" } } },
      ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
    });
  } catch (error) {
    throw new UserError(`ONNX Runtime refused a traced graph: ${(error as Error).message}`, {
      cause: error,
    });
  }
  let milliseconds = 0;
  return {
    get milliseconds() {
      return milliseconds;
    },
    async run(inputs) {
      const feeds: Record<string, Tensor> = {};
      session.inputNames.forEach((name, i) => {
        const { dtype, data, shape } = inputs[i]!;
        feeds[name] = new ort.Tensor(dtype, data as Float32Array, shape);
      });
      const start = performance.now();
      let results: Awaited<ReturnType<typeof session.run>>;
      try {
        results = await session.run(feeds);
      } catch (error) {
        throw new UserError(`ONNX Runtime failed: ${(error as Error).message}`, { cause: error });
      }
      milliseconds += performance.now() - start;
      return session.outputNames.map((name): HostArray => {
        const { type, dims, data } = results[name]!;
        const dtype = type as DType;
        // An empty tensor's data may come as undefined.
        const values = sizeOf(dims) === 0 ? new ARRAY_OF[dtype](0) : data as Float32Array;
        return { dtype, shape: dims, data: values };
      });
    },
    async dispose() {
      if (profile !== undefined) {
        (session as unknown as { handler: { endProfiling(): void } }).handler.endProfiling();
      }
      await session.release();
    },
  };
}
