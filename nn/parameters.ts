/**
 * Parameters as flat records of tensors by name. Names and shapes are those of diffusers and transformers,
 * so their checkpoints need no conversion.
 */
import { UserError } from "../base/errors.ts";
import { shareBuffer } from "../engine/memory.ts";
import { quote } from "../base/quote.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray, sizeOf } from "../engine/tree.ts";
import { type HostTensor, notFinite } from "./host_tensor.ts";
import type { RandomStream } from "./random.ts";

/** Parameters on a device. */
export type Parameters = Readonly<Record<string, tf.Tensor>>;

/** Parameters on the host. */
export type HostParameters = Readonly<Record<string, HostArray>>;

/** Initial values: a constant, uniform in [-bound, bound], or normal with a standard deviation. */
export type Initializer =
  | { readonly constant: number }
  | { readonly bound: number }
  | { readonly deviation: number };

/** The shape and the initial values of a parameter. */
export interface ParameterSpec {
  /** The shape. */
  readonly shape: readonly number[];
  /** The initial values. */
  readonly initializer: Initializer;
}

/** The parameters of a model by name, in the order of its definition. */
export type ParameterSpecs = Readonly<Record<string, ParameterSpec>>;

/**
 * Samples initial parameters. Each has its own random stream, identified by its name, so a change of one
 * layer does not change the initial values of others.
 */
export function initParameters(specs: ParameterSpecs, random: RandomStream): HostParameters {
  return mapSpecs(specs, ({ shape, initializer }, name) => {
    const size = sizeOf(shape);
    const stream = random.stream(name);
    if ("constant" in initializer) {
      return float32(new Float32Array(size).fill(initializer.constant), shape);
    }
    if ("bound" in initializer) {
      return float32(stream.uniform(size, -initializer.bound, initializer.bound), shape);
    }
    return float32(stream.normal(size).map((z) => z * initializer.deviation), shape);
  });
}

function mapSpecs<Value>(
  specs: ParameterSpecs,
  fn: (spec: ParameterSpec, name: string) => Value,
): Record<string, Value> {
  return Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, fn(spec, name)]));
}

/** The number of elements of all parameters. */
export function countParameters(specs: ParameterSpecs): number {
  return Object.values(specs).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** The number of numbers in parameters. */
export function countNumbers(parameters: HostParameters): number {
  return Object.values(parameters).reduce((sum, { data }) => sum + data.length, 0);
}

/**
 * A parameter by name.
 *
 * @throws {UserError} If there is no parameter of this name.
 */
export function parameter(parameters: Parameters, name: string): tf.Tensor {
  const found = parameters[name];
  if (found === undefined) throw new UserError(`The model has no parameter "${name}".`);
  return found;
}

/**
 * Checks that tensors from a file match a model.
 *
 * @param expected The model's shapes by name.
 * @param source The file or folder, for messages.
 * @param options `allowOthers`: whether to ignore tensors that the model does not have, such as those of a
 * pretraining head. @default {false}
 * @returns The tensors in the order of `expected`.
 * @throws {UserError} For the first tensor that is missing, has another shape, has a value that is not a
 * finite float32, or does not belong to the model.
 */
export function checkTensors<T extends Pick<HostTensor, "shape" | "data">>(
  found: ReadonlyMap<string, T>,
  expected: ReadonlyMap<string, readonly number[]>,
  source: string,
  { allowOthers = false }: { allowOthers?: boolean | undefined } = {},
): Map<string, T> {
  const fail = (problem: string): never => {
    throw new UserError(`${source} is of another model: ${problem}`);
  };
  const checked = new Map([...expected].map(([name, shape]) => {
    const tensor = found.get(name);
    if (tensor === undefined) return fail(`the tensor ${quote(name)} is missing`);
    if (tensor.shape.join() !== shape.join()) {
      fail(
        `the tensor ${quote(name)} has the shape [${tensor.shape.join(", ")}], expected ` +
          `[${shape.join(", ")}]`,
      );
    }
    const at = notFinite(tensor.data);
    if (at >= 0) {
      const value = `element ${at} of the tensor ${quote(name)} is ${tensor.data[at]}`;
      throw new UserError(
        `${source}: ${value}: the file is damaged, or its training had failed. Use another checkpoint`,
      );
    }
    return [name, tensor] as const;
  }));
  const other = allowOthers ? undefined : [...found.keys()].find((name) => !expected.has(name));
  if (other !== undefined) {
    fail(`it has a tensor ${quote(other)}, which this model does not have`);
  }
  return checked;
}

/** {@linkcode checkTensors} of a model's parameters. */
export function checkParameters(
  found: HostParameters,
  specs: ParameterSpecs,
  source: string,
): void {
  const shapes = Object.entries(specs).map(([name, { shape }]) => [name, shape] as const);
  checkTensors(new Map(Object.entries(found)), new Map(shapes), source);
}

/**
 * Parameters as one vector, in the order of `specs`. An optimizer then needs a dozen operations instead of
 * thousands for the two hundred tensors of a UNet.
 */
export function ravel(parameters: HostParameters, specs: ParameterSpecs): HostArray {
  const flat = new Float32Array(countParameters(specs));
  let offset = 0;
  for (const name of Object.keys(specs)) {
    const { data } = parameters[name]!;
    flat.set(data, offset);
    offset += data.length;
  }
  return float32(flat);
}

/** The inverse of {@linkcode ravel}; the parameters are views of the vector. */
export function unravel(flat: HostArray, specs: ParameterSpecs): HostParameters {
  let offset = 0;
  return mapSpecs(specs, ({ shape }) => {
    const size = sizeOf(shape);
    const data = flat.data.subarray(offset, offset += size) as Float32Array;
    return float32(data, shape);
  });
}

/** {@linkcode unravel} on the device, a differentiable split of a vector [count]. */
export function unravelTensor(flat: tf.Tensor, specs: ParameterSpecs): Parameters {
  const shapes = Object.values(specs).map(({ shape }) => shape);
  // tfjs cannot differentiate a split into one part.
  const parts = shapes.length === 1
    ? [flat as tf.Tensor1D]
    : tf.split(flat as tf.Tensor1D, shapes.map(sizeOf));
  let next = 0;
  return mapSpecs(specs, ({ shape }) => tf.reshape(parts[next++]!, [...shape]));
}

/**
 * Parameters as constants of the function being compiled, for sampling. Their arrays are shared with it: see
 * engine/memory.ts.
 */
export function constants(parameters: HostParameters): Parameters {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, { data, shape, dtype }]) =>
      [name, tf.tensor(shareBuffer(data), [...shape], dtype)] as const
    ),
  );
}
