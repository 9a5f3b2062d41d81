/** Errors of ONNX Runtime, told in the words of whoever wrote the tfjs code. */
import { UserError } from "@nanodiffusion/base/errors";

/** Where a node came from. */
interface Origin {
  /** The node's name. */
  readonly node: string;
  /** tfjs's name of its kernel. */
  readonly kernel: string;
  /** The operation that asked for the kernel, such as "tf.matMul". */
  readonly operation?: string;
}

/**
 * Finds the name of a node, "tf.matMul:BatchMatMul/MatMul_12", in a message. ONNX Runtime puts names in quotes or
 * brackets, and adds to those of nodes that it made of several.
 */
function originIn(message: string): Origin | undefined {
  const [, node, operation, kernel] = message.match(/((?:(tf\.\w+):)?(\w+)\/[A-Za-z]\w*_\d+)/) ??
    [];
  if (node === undefined || kernel === undefined) return undefined;
  return { node, kernel, ...(operation === undefined ? {} : { operation }) };
}

/** How ONNX Runtime says that memory ran out. */
const NO_MEMORY = /failed to allocate memory|bad_alloc|bad allocation/i;

/** A {@linkcode UserError} from ONNX Runtime, which knows the node that it is about. */
export class GraphError extends UserError {
  /** The name of the node, if ONNX Runtime gave it. */
  readonly node: string | undefined;
  /** What happened, before the kernel is named. */
  readonly #what: string;
  readonly #origin: Origin | undefined;

  /**
   * Makes an error of one of ONNX Runtime.
   *
   * @param what What happened, such as "ONNX Runtime failed".
   * @param cause ONNX Runtime's error.
   * @param from The model function that the node came from, and where it is.
   */
  constructor(what: string, cause: unknown, from = "") {
    const message = cause instanceof Error ? cause.message : String(cause);
    const origin = originIn(message);
    const { kernel, operation } = origin ?? {};
    const asked = operation === undefined ? "" : ` (${operation})`;
    const where = kernel === undefined ? "" : ` in ${kernel}${asked}`;
    const why = message.replaceAll(/\s*\n\s*/g, " ").trim();
    super(
      NO_MEMORY.test(message)
        ? `The onnx device ran out of memory${where}${from}: use a smaller batch or model (${why})`
        : `${what}${where}${from}: ${why}`,
      { cause },
    );
    this.#what = what;
    this.#origin = origin;
    this.node = origin?.node;
  }

  /** The same error, with the model function that the node came from. */
  from(place: string): GraphError {
    return new GraphError(this.#what, this.cause, this.#origin === undefined ? "" : `, ${place}`);
  }
}

/** The engine's own folder, whose functions are not part of a model. Its tests define models. */
const ENGINE = new URL("../", import.meta.url).href;
const TESTS = `${ENGINE}tests/`;

/** How many functions of the model an error names, from the innermost out. */
const MAX_FUNCTIONS = 3;

/** Whether a line of a stack trace is in a package or in the engine. */
function isOutsideModel(line: string): boolean {
  return line.includes("/node_modules/") || (line.includes(ENGINE) && !line.includes(TESTS));
}

/**
 * The functions of a stack trace that belong neither to the engine nor to a package, such as
 * "called by attention (nn/attention.ts:40), block (diffusion/networks/unet.ts:12)".
 */
export function modelFunctions(stack: string): string | undefined {
  const named: string[] = [];
  const nameless: string[] = [];
  for (const line of stack.split("\n").slice(1)) {
    if (isOutsideModel(line)) continue;
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
