/** Runs ONNX graphs with npm:onnxruntime-node. */
import type { InferenceSession, OnnxValue, Tensor } from "onnxruntime-node";
import { ARRAY_OF, type DType, type HostArray, sizeOf } from "../tree.ts";
import { importOnnxRuntime } from "../onnx_library.ts";
import { GraphError } from "./graph_error.ts";

/** Options of {@linkcode createSession}. */
export interface SessionOptions {
  /** Threads within one operation. */
  threads: number;
  /** What computes: the processor, or a GPU. @default "cpu" */
  provider?: "cpu" | "webgpu" | undefined;
  /** The names of nodes that run on the processor whatever the provider is. */
  onProcessor?: readonly string[] | undefined;
  /** The beginning of a file's name: a Chrome trace of every operation is written there. */
  profile?: string | undefined;
}

/** A loaded graph. */
export interface Session {
  /**
   * Runs the graph. Inputs and outputs are in the order of the graph.
   *
   * @param targets The arrays that outputs are written to, by position. Other outputs get new memory.
   */
  run(inputs: readonly HostArray[], targets?: ReadonlyMap<number, HostArray>): Promise<HostArray[]>;
  /** Milliseconds spent inside ONNX Runtime so far. */
  readonly milliseconds: number;
  /** Also writes the profile, if there is one. */
  dispose(): Promise<void>;
}

/** ONNX Runtime's settings for a session. */
function sessionSettings(options: SessionOptions): InferenceSession.SessionOptions {
  const { threads, provider = "cpu", onProcessor = [], profile } = options;
  const forced = onProcessor.length === 0 ? {} : { forceCpuNodeNames: onProcessor };
  return {
    // Operations that the GPU's provider lacks run on the processor, with copies in both directions.
    executionProviders: provider === "cpu" ? ["cpu"] : [{ name: provider, ...forced }, "cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    // With memory patterns ONNX Runtime would allocate one more block for all activations: 1.8 instead of
    // 1.0 GB for a training step of the nano preset with 128 images, and no faster.
    enableMemPattern: false,
    logSeverityLevel: 4, // errors are thrown, so they are not printed
    extra: {
      session: {
        // Waiting threads that spin without a limit slow other processes down, and are slowed down by them:
        // steps of 1.2 s took 5 s. 20 microseconds are worth it, because a UNet's step has thousands of
        // operations of 0.1 ms. With 32 images a step took 229 instead of 255 ms for the nano preset, and
        // about 780 instead of 900 ms for the small one, in no more CPU time. 60 microseconds gained no
        // more. Steps of 128 images, with longer operations, gained nothing.
        intra_op: { allow_spinning: "1", spin_duration_us: "20" },
        // Returns the memory of weights whose layout is changed while loading to the system, and not to
        // ONNX Runtime's arena: 0.05 GB less at the peak for GPT-2.
        use_device_allocator_for_initializers: "1",
      },
    },
    ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
  };
}

/** A result of ONNX Runtime as a tensor on the host. */
function hostArray({ type, dims, data }: Tensor): HostArray {
  const dtype = type as DType;
  // The data of an empty tensor may be undefined.
  const values = sizeOf(dims) === 0 ? new ARRAY_OF[dtype](0) : data as Float32Array;
  return { dtype, shape: dims, data: values };
}

/**
 * Frees the copy that npm:onnxruntime-node makes of a result even if it was written to a target. The garbage
 * collector would keep one or two copies of GPT-2's gradients, of 0.5 GB each.
 */
function release(copy: Tensor, { data, shape }: HostArray): void {
  if (sizeOf(shape) === 0) return; // the data of an empty tensor may be undefined
  const { buffer } = copy.data as Float32Array;
  if (buffer !== data.buffer) (buffer as ArrayBuffer).transfer(0);
}

/**
 * Loads a graph.
 *
 * @param model The bytes of an ONNX model file.
 * @param external Constants that are not in the file, by name.
 * @throws {GraphError} If ONNX Runtime refuses it.
 */
export async function createSession(
  model: Uint8Array,
  options: SessionOptions,
  external: ReadonlyMap<string, Uint8Array> = new Map(),
): Promise<Session> {
  // Imported when first needed: it loads native code, which needs a permission.
  const ort = await importOnnxRuntime();
  let session: InferenceSession;
  try {
    session = await ort.InferenceSession.create(model, {
      ...sessionSettings(options),
      externalData: Array.from(external, ([path, data]) => ({ path, data })),
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

/** A loaded graph that runs synchronously, as `dataSync` needs it: see {@linkcode Session}. */
export interface SyncSession {
  run(inputs: readonly HostArray[]): HostArray[];
  dispose(): void;
}

/** Loads the bytes of an ONNX model file. Throws a {@linkcode GraphError} if ONNX Runtime refuses it. */
export type OpenSession = (model: Uint8Array, options: SessionOptions) => SyncSession;

/**
 * Loads ONNX Runtime for synchronous use. npm:onnxruntime-node computes on the calling thread anyway; only its
 * public functions wrap that in promises, so its binding is called directly.
 */
export async function loadRuntime(): Promise<OpenSession> {
  const ort = await importOnnxRuntime();
  const { binding, initOrt } = await import("onnxruntime-node/dist/binding.js");
  initOrt();
  return (model, options) => {
    const session = new binding.InferenceSession();
    try {
      session.loadModel(
        model.buffer as ArrayBuffer,
        model.byteOffset,
        model.byteLength,
        sessionSettings(options),
      );
    } catch (error) {
      throw new GraphError("ONNX Runtime refused a graph", error);
    }
    const inputNames = session.inputMetadata.map(({ name }) => name);
    const outputNames = session.outputMetadata.map(({ name }) => name);
    const fetches = Object.fromEntries(outputNames.map((name) => [name, null]));
    return {
      run(inputs) {
        const feeds: Record<string, OnnxValue> = {};
        inputNames.forEach((name, i) => {
          const { dtype, data, shape } = inputs[i]!;
          feeds[name] = new ort.Tensor(dtype as "float32", data as Float32Array, shape);
        });
        let results: Record<string, OnnxValue>;
        try {
          results = session.run(feeds, fetches, {}) as Record<string, OnnxValue>;
        } catch (error) {
          throw new GraphError("ONNX Runtime failed", error);
        }
        return outputNames.map((name) => hostArray(results[name] as Tensor));
      },
      dispose: () => session.dispose(),
    };
  };
}
