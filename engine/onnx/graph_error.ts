/** Names of graph nodes, which contain their origin, and errors of ONNX Runtime, which contain the names. */
import { UserError } from "@nanodiffusion/base/errors";
import * as tf from "../tf.ts";

/** The tfjs operation that is running, such as "tf.matMul"; tfjs calls its scope "matMul__op". */
export function currentOperation(): string | undefined {
  const scope = tf.engine().state.activeScope as unknown as { name?: string } | undefined;
  return scope?.name?.endsWith("__op") ? `tf.${scope.name.slice(0, -"__op".length)}` : undefined;
}

/**
 * The prefix of the names of a kernel's nodes: "tf.matMul:BatchMatMul", or "BatchMatMul" if the operation
 * that called the kernel is unknown.
 */
export function scopeOf(kernel: string): string {
  const operation = currentOperation();
  return operation === undefined ? kernel : `${operation}:${kernel}`;
}

/**
 * Finds a node's name, such as "tf.matMul:BatchMatMul/MatMul_12", in a message of ONNX Runtime. ONNX
 * Runtime puts names in quotes or brackets, and extends the names of nodes that it fused.
 */
function originIn(message: string) {
  const [, node, operation, kernel] = message.match(/((?:(tf\.\w+):)?(\w+)\/[A-Za-z]\w*_\d+)/) ??
    [];
  return { node, operation, kernel };
}

/** Messages of ONNX Runtime, and of WebGPU, whose cause is known: what happened, and what to do. */
const KNOWN: readonly (readonly [RegExp, what: string, advice: string])[] = [
  [
    /failed to allocate memory|bad_alloc|bad allocation/i,
    "The onnx device ran out of memory",
    "use a smaller batch or model",
  ],
  [
    /exceeds the max buffer size/i,
    "A tensor is larger than the GPU's buffers",
    "use a smaller batch or model, or the onnx device",
  ],
  [
    /\bis lost|device.?(was )?lost/i,
    "The GPU was lost",
    "its driver stopped it, or it was removed; start again from the last checkpoint",
  ],
  // The error itself goes to standard error only: the GPU had no memory for a buffer.
  [
    /invalid due to a previous error|out_of_(device|host)_memory/i,
    "The GPU ran out of memory",
    "use a smaller batch or model, or the onnx device",
  ],
];

/** An error of ONNX Runtime, with the node that failed. */
export class GraphError extends UserError {
  /** The name of the node, if ONNX Runtime's message contains it. */
  readonly node: string | undefined;

  /**
   * Wraps an error of ONNX Runtime.
   *
   * @param what The beginning of the message, such as "ONNX Runtime failed".
   * @param cause ONNX Runtime's error.
   * @param from The end of the sentence: the model function that made the node, and its place.
   */
  constructor(private readonly what: string, cause: unknown, from = "") {
    const message = cause instanceof Error ? cause.message : String(cause);
    const { node, kernel, operation } = originIn(message);
    const caller = operation === undefined ? "" : ` (${operation})`;
    const where = kernel === undefined ? "" : ` in ${kernel}${caller}`;
    const why = message.replaceAll(/\s*\n\s*/g, " ").trim();
    const [, known, advice] = KNOWN.find(([pattern]) => pattern.test(message)) ?? [];
    super(
      known === undefined
        ? `${what}${where}${from}: ${why}`
        : `${known}${where}${from}: ${advice} (${why})`,
      { cause },
    );
    this.node = node;
  }

  /** The same error with the model function that made the node. */
  from(place: string): GraphError {
    return new GraphError(this.what, this.cause, this.node === undefined ? "" : `, ${place}`);
  }
}

/** The engine's own folder, whose functions are not part of a model. Its tests define models. */
const ENGINE = new URL("../", import.meta.url).href;
const TESTS = `${ENGINE}tests/`;

/** How many functions of the model an error names, from the innermost out. */
const MAX_FUNCTIONS = 3;

/**
 * The functions of a stack trace that belong to the model, as a clause:
 * "called by attention (nn/attention.ts:40), block (diffusion/networks/unet.ts:12)".
 */
export function modelFunctions(stack: string): string | undefined {
  const named: string[] = [];
  const nameless: string[] = [];
  for (const line of stack.split("\n").slice(1)) {
    const inEngine = line.includes(ENGINE) && !line.includes(TESTS);
    if (inEngine || line.includes("/node_modules/")) continue;
    const [, name, file, row] = line.match(/at (?:async )?(?:(\S+) \()?(file:.+?):(\d+):\d+\)?$/) ??
      [];
    if (file === undefined) continue;
    const place = `${file.split("/").slice(-2).join("/")}:${row}`;
    if (name === undefined) nameless.push(place);
    else named.push(`${name.split(".").at(-1)} (${place})`);
  }
  const found = named.length > 0 ? named : nameless;
  return found.length > 0 ? `called by ${found.slice(0, MAX_FUNCTIONS).join(", ")}` : undefined;
}
