/** compile() on the onnx device: traces a function once for each signature, and runs its graph. */
import { UserError } from "@nanodiffusion/base/errors";
import { isUpdatedInPlace, overlap } from "../memory.ts";
import * as tf from "../tf.ts";
import {
  type ArrayTree,
  checkHostArray,
  type HostArray,
  isHostArray,
  isTensor,
  leavesOf,
  mapTree,
  resultType,
  sameShape,
  type TensorTree,
} from "../tree.ts";
import { BACKEND_NAME, type OnnxBackend } from "./backend.ts";
import { Graph } from "./graph.ts";
import { GraphError, modelFunctions } from "./graph_error.ts";
import { ELEMENT_TYPE } from "./proto.ts";
import { createSession, type Session, type SessionOptions } from "./session.ts";
import { isForProcessor } from "./webgpu.ts";

export { initializeBackend } from "./register.ts";

/** A compiled function of host tensors: see {@linkcode Compiled} in device.ts. */
export interface CompiledTree {
  (inputs: ArrayTree): Promise<ArrayTree>;
  dispose(): Promise<void>;
}

/** A traced graph. */
export interface Traced {
  readonly outputs: TracedOutputs;
  /** The ONNX model file. */
  readonly model: Uint8Array;
  /** Large constants that are not in the file, by name. */
  readonly external: ReadonlyMap<string, Uint8Array>;
  /** The names of the nodes that a GPU does not compute; all of them if undefined. */
  readonly onProcessor: readonly string[] | undefined;
  /** The number of nodes before ONNX Runtime's optimizations. */
  readonly nodes: number;
}

/** The outputs of a traced graph. */
interface TracedOutputs {
  /** The path of each output in the tree of outputs. */
  readonly paths: readonly string[];
  /** The positions of the inputs that the graph reads. */
  readonly reads: ReadonlySet<number>;
  /** For each output the position of an input that it could be written over, if there is one. */
  readonly overInput: readonly (number | undefined)[];
  /** Makes a tree of the outputs. */
  unflatten(outputs: readonly HostArray[]): ArrayTree;
}

/** Whether a function is being traced. */
let tracing = false;

/**
 * Traces a function into a graph.
 *
 * @param fn A pure function of tensors.
 * @param inputs An example of the inputs: structure, shapes and types matter, numbers do not.
 * @param graph An empty graph that the operations are added to.
 * @throws {UserError} If the function calls a kernel that the device lacks, or reads a value.
 */
export function trace(
  backend: OnnxBackend,
  fn: (inputs: TensorTree) => TensorTree,
  inputs: ArrayTree,
  graph: Graph = new Graph(),
): Traced {
  const infos = leavesOf(inputs, isHostArray).map(({ leaf: { dtype, shape }, path }, i) => ({
    path,
    name: `input_${i}`,
    dtype,
    shape,
    elementType: ELEMENT_TYPE[dtype],
  }));
  const previous = tf.getBackend() || "cpu"; // none before the first use
  tf.setBackend(BACKEND_NAME);
  tf.engine().startScope("trace");
  tracing = true;
  try {
    return backend.trace(graph, () => {
      let next = 0;
      const tensors = mapTree(inputs, isHostArray, () => {
        const { name, shape, dtype } = infos[next++]!;
        return tf.engine().makeTensorFromTensorInfo(backend.tensor(name, shape, dtype));
      });
      const results = fn(tensors);
      const outputs = leavesOf(results, isTensor).map(({ leaf, path }) => ({
        name: backend.plain(leaf),
        path,
        shape: leaf.shape,
        elementType: ELEMENT_TYPE[resultType(leaf, path)],
      }));
      const { nodes, used } = graph.needed(outputs.map(({ name }) => name));
      const overInput = outputs.map(({ path, shape, elementType }) => {
        const at = infos.findIndex((info) => info.path === path);
        const info = infos[at];
        const fits = info !== undefined && !used.has(info.name) &&
          info.elementType === elementType && sameShape(info.shape, shape);
        return fits ? at : undefined;
      });
      let position = 0;
      const positions = mapTree(results, isTensor, () => position++);
      const external = new Map<string, Uint8Array>();
      return {
        model: graph.encode(infos, outputs, external),
        external,
        onProcessor: graph.hasEmpty
          ? undefined
          : nodes.filter(isForProcessor).map(({ name }) => name),
        nodes: graph.size,
        outputs: {
          paths: outputs.map(({ path }) => path),
          reads: new Set(infos.flatMap(({ name }, i) => used.has(name) ? [i] : [])),
          overInput,
          unflatten: rebuilder(positions),
        },
      };
    });
  } finally {
    tracing = false;
    tf.engine().endScope();
    tf.setBackend(previous);
  }
}

/** Binds {@linkcode rebuild} to a tree. A closure inside trace() would keep the graph in memory. */
function rebuilder(positions: unknown): TracedOutputs["unflatten"] {
  return (values) => rebuild(positions, values);
}

/** Runs `fn` without the blocked layout on a GPU: that layout is for processors. */
function inLayout<Result>(
  backend: OnnxBackend,
  { provider }: SessionOptions,
  fn: () => Result,
): Result {
  const probed = backend.blockSize;
  backend.forGpu = provider === "webgpu";
  if (backend.forGpu) backend.blockSize = 0;
  try {
    return fn();
  } finally {
    backend.blockSize = probed;
    backend.forGpu = false;
  }
}

/** Replaces the positions in a tree by values. */
function rebuild(positions: unknown, values: readonly HostArray[]): ArrayTree {
  if (typeof positions === "number") return values[positions]!;
  if (Array.isArray(positions)) return positions.map((node) => rebuild(node, values));
  return Object.fromEntries(
    Object.entries(positions as Record<string, unknown>)
      .map(([key, node]) => [key, rebuild(node, values)]),
  );
}

/**
 * Adds the model function that made the failing node to an error of ONNX Runtime. The function is traced
 * once more to find it, because keeping the stack of every operation would take longer than tracing.
 */
function located(
  error: GraphError,
  backend: OnnxBackend,
  fn: (inputs: TensorTree) => TensorTree,
  inputs: ArrayTree,
): GraphError {
  if (error.node === undefined) return error;
  const graph = new Graph();
  graph.watch = error.node;
  try {
    trace(backend, fn, inputs, graph);
  } catch {
    return error; // the function is not pure, so the second trace is no use
  }
  const place = modelFunctions(graph.watchedStack ?? "");
  return place === undefined ? error : error.from(place);
}

/** The inputs that outputs are written over, by the outputs' positions: see updatesInPlace(). */
function targetsOf(
  fn: object,
  { paths, reads, overInput }: TracedOutputs,
  inputs: readonly HostArray[],
): Map<number, HostArray> {
  const read = inputs.filter((_, i) => reads.has(i));
  return new Map(overInput.flatMap((at, i): [number, HostArray][] => {
    if (at === undefined || !isUpdatedInPlace(fn, paths[i]!)) return [];
    const target = inputs[at]!;
    return read.some((input) => overlap(input, target)) ? [] : [[i, target]];
  }));
}

/** A function's graphs are kept for this many signatures; the least recently used goes first. */
const MAX_SESSIONS = 16;

/**
 * Compiles a function for ONNX Runtime.
 *
 * @param onTime Receives the milliseconds that ONNX Runtime took for each run.
 */
export function compileOnnx(
  backend: OnnxBackend,
  fn: (inputs: TensorTree) => TensorTree,
  options: SessionOptions,
  onTime: (milliseconds: number) => void,
): CompiledTree {
  const sessions = new Map<string, { session: Session; outputs: TracedOutputs }>();
  const run = async (inputs: ArrayTree) => {
    const leaves = leavesOf(inputs, isHostArray);
    leaves.forEach(({ leaf, path }) => checkHostArray(leaf, path));
    const signature = JSON.stringify(
      mapTree(inputs, isHostArray, ({ dtype, shape }) => `${dtype}[${shape}]`),
    );
    let entry = sessions.get(signature);
    if (entry === undefined) {
      // The file and its constants are not kept, because the session has its own.
      const traced = inLayout(backend, options, () => trace(backend, fn, inputs));
      const { model, external, onProcessor } = traced;
      const provider = onProcessor === undefined ? "cpu" : options.provider;
      const session = await createSession(model, { ...options, provider, onProcessor }, external);
      entry = { session, outputs: traced.outputs };
    } else {
      sessions.delete(signature); // re-inserted below as the most recently used
    }
    sessions.set(signature, entry);
    if (sessions.size > MAX_SESSIONS) {
      const [oldest, { session }] = sessions.entries().next().value!;
      sessions.delete(oldest);
      await session.dispose();
    }
    const before = entry.session.milliseconds;
    const given = leaves.map(({ leaf }) => leaf);
    const outputs = await entry.session.run(given, targetsOf(fn, entry.outputs, given));
    onTime(entry.session.milliseconds - before);
    return entry.outputs.unflatten(outputs);
  };
  const call = async (inputs: ArrayTree) => {
    try {
      return await run(inputs);
    } catch (error) {
      throw error instanceof GraphError
        ? inLayout(backend, options, () => located(error, backend, fn, inputs))
        : error;
    }
  };
  // One call at a time: two first calls would trace twice, and a graph must not be dropped while it runs.
  // ONNX Runtime uses all threads for each call anyway.
  let previous: Promise<unknown> = Promise.resolve();
  const compiled = (inputs: ArrayTree) => {
    if (tracing) {
      return Promise.reject(new UserError("Compiled functions cannot be called in traced code."));
    }
    const result = previous.then(() => call(inputs));
    previous = result.catch(() => {}); // only this call fails, not the next one
    return result;
  };
  const dispose = async () => {
    await previous;
    for (const { session } of sessions.values()) await session.dispose();
    sessions.clear();
  };
  return Object.assign(compiled, { dispose });
}
