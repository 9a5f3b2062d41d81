/**
 * Parameters as flat records of tensors by name. Names and shapes are those of diffusers and transformers,
 * so their checkpoints need no conversion.
 */
import { UserError } from "../base/errors.ts";
import { shareBuffer } from "../engine/memory.ts";
import { quote } from "../base/quote.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray, sizeOf } from "../engine/tree.ts";
import { notFinite } from "./host_tensor.ts";
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
 * Checks that parameters from the file `where` match a model.
 *
 * @throws {UserError} Naming the tensor that is missing, has another shape, contains a number that is not
 * finite, or does not belong to the model.
 */
export function checkParameters(
  found: HostParameters,
  specs: ParameterSpecs,
  where: string,
): void {
  const fail = (name: string, problem: string): never => {
    throw new UserError(`${where}: tensor ${quote(name)} ${problem}.`);
  };
  for (const [name, { shape }] of Object.entries(specs)) {
    const tensor = Object.hasOwn(found, name) ? found[name] : undefined;
    if (tensor === undefined) return fail(name, "is missing; it is a checkpoint of another model");
    if (tensor.shape.join() !== shape.join()) {
      fail(
        name,
        `has shape [${tensor.shape}], but this model needs [${shape}]; it is a checkpoint of another model ` +
          "or configuration",
      );
    }
    const at = notFinite(tensor.data);
    if (at >= 0) {
      fail(
        name,
        `contains ${
          tensor.data[at]
        } at element ${at}; the file is damaged or its training failed: use ` +
          "another checkpoint",
      );
    }
  }
  const extra = Object.keys(found).find((name) => !Object.hasOwn(specs, name));
  if (extra !== undefined) {
    fail(
      extra,
      "does not belong to this model; it is a checkpoint of another model or configuration",
    );
  }
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
