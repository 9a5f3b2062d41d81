/**
 * Running ONNX graphs without giving way to other work, as `dataSync` wants it. npm:onnxruntime-node
 * computes on the calling thread anyway; only its public functions wrap that in promises.
 */
import type { OnnxValue, Tensor } from "onnxruntime-node";
import type { HostArray } from "../tree.ts";
import { importOnnxRuntime } from "../onnx_library.ts";
import { GraphError } from "./graph_error.ts";
import { hostArray, type SessionOptions, sessionSettings } from "./session.ts";

/** A loaded graph that runs at once. */
export interface SyncSession {
  /** Runs the graph: inputs in the order of the graph, and outputs likewise. */
  run(inputs: readonly HostArray[]): HostArray[];
  /** Releases its memory. */
  dispose(): void;
}

/** Loads a graph: see {@linkcode loadRuntime}. */
export type OpenSession = (model: Uint8Array, options: SessionOptions) => SyncSession;

/**
 * Loads ONNX Runtime itself, which cannot be done at once.
 *
 * @returns A function that loads graphs. It throws a {@linkcode UserError} when ONNX Runtime does not
 * take one, and its sessions do when a run fails.
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
