/** Whether weights and configurations are those of the model they are meant for. */
import { UserError } from "../../base/errors.ts";
import { jsonDifferences, type JsonObject } from "../../base/json.ts";
import { quote } from "../../base/quote.ts";
import { type NamedTensors, notFinite } from "../../nn/host_tensor.ts";
import type { Component, LoadedCheckpoint } from "./checkpoint.ts";

/**
 * The component in a folder of a checkpoint.
 *
 * @throws {UserError} If the checkpoint lacks it, as one of another program does.
 */
export function requireComponent(checkpoint: LoadedCheckpoint, folder: string): Component {
  if (Object.hasOwn(checkpoint.components, folder)) return checkpoint.components[folder]!;
  const others = Object.keys(checkpoint.components).join(", ") || "nothing";
  throw new UserError(
    `${checkpoint.directory} is a checkpoint of another model: it has no ${folder}/, but ${others}`,
  );
}

/**
 * Holds the names and shapes of weights against those that a model has.
 *
 * @param weights The weights that were read.
 * @param expected The model's shapes by name.
 * @param source What messages call the weights: the folder.
 * @param options `allowOthers`: whether tensors that the model does not have are passed over, as
 * those of a pretraining head. @default false
 * @returns The weights, in the order of `expected`.
 * @throws {UserError} On the first tensor that is missing, has another shape, holds what is no finite
 * float32, or is not the model's.
 */
export function checkWeights(
  weights: NamedTensors | undefined,
  expected: ReadonlyMap<string, readonly number[]>,
  source: string,
  { allowOthers = false }: { allowOthers?: boolean } = {},
): NamedTensors {
  if (weights === undefined) throw new UserError(`${source} holds no weights`);
  const fail = (what: string): never => {
    throw new UserError(`${source} is of another model: ${what}`);
  };
  const checked = new Map([...expected].map(([name, shape]) => {
    const tensor = weights.get(name);
    if (tensor === undefined) return fail(`the tensor ${quote(name)} is missing`);
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, i) => size !== shape[i])) {
      fail(
        `the tensor ${quote(name)} has the shape [${tensor.shape.join(", ")}], expected ` +
          `[${shape.join(", ")}]`,
      );
    }
    const at = notFinite(tensor.data);
    if (at >= 0) {
      throw new UserError(
        `${source}: the tensor ${quote(name)} holds ${
          tensor.data[at]
        } at element ${at}: the file is ` +
          "damaged, or its training had failed. Use another checkpoint",
      );
    }
    return [name, tensor] as const;
  }));
  for (const name of weights.keys()) {
    if (!allowOthers && !expected.has(name)) {
      fail(`it has a tensor ${quote(name)}, which this model does not know`);
    }
  }
  return checked;
}

/**
 * Holds a configuration that was read against the one that is wanted.
 *
 * @param found What was read.
 * @param expected What is wanted. Keys that it lacks may have any value.
 * @param source What messages call the configuration: its path.
 * @throws {UserError} On the first key that differs, with both values.
 */
export function checkSameModel(found: JsonObject, expected: JsonObject, source: string): void {
  const differences = jsonDifferences(found, expected);
  const difference = differences.find(({ right }) => right !== undefined);
  if (difference === undefined) return;
  throw new UserError(
    `${source} is of another model: ${difference.key} is ${quote(difference.left)}, expected ` +
      quote(difference.right),
  );
}
