/** Checks that weights and configurations belong to a model. */
import { UserError } from "../../base/errors.ts";
import { jsonDifferences, type JsonObject } from "../../base/json.ts";
import { quote } from "../../base/quote.ts";
import { type NamedTensors, notFinite } from "../../nn/host_tensor.ts";
import type { Component, LoadedCheckpoint } from "./checkpoint.ts";

/**
 * The component in a folder of a checkpoint.
 *
 * @throws {UserError} If the checkpoint has no such folder.
 */
export function requireComponent(checkpoint: LoadedCheckpoint, folder: string): Component {
  if (Object.hasOwn(checkpoint.components, folder)) return checkpoint.components[folder]!;
  const others = Object.keys(checkpoint.components).join(", ") || "nothing";
  throw new UserError(
    `${checkpoint.directory} is a checkpoint of another model: it has no ${folder}/, but ${others}`,
  );
}

/**
 * Compares the names and shapes of weights with those of a model.
 *
 * @param expected The model's shapes by name.
 * @param source The folder or file of the weights, for messages.
 * @param options `allowOthers`: whether to ignore tensors that the model does not have, such as those of a
 * pretraining head. @default {false}
 * @returns The weights in the order of `expected`.
 * @throws {UserError} For the first tensor that is missing, has another shape, has a value that is not a
 * finite float32, or does not belong to the model.
 */
export function checkWeights(
  weights: NamedTensors | undefined,
  expected: ReadonlyMap<string, readonly number[]>,
  source: string,
  { allowOthers = false }: { allowOthers?: boolean | undefined } = {},
): NamedTensors {
  if (weights === undefined) throw new UserError(`${source} has no weights`);
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
        `${source}: element ${at} of the tensor ${quote(name)} is ${
          tensor.data[at]
        }: the file is ` +
          "damaged, or its training had failed. Use another checkpoint",
      );
    }
    return [name, tensor] as const;
  }));
  for (const name of weights.keys()) {
    if (!allowOthers && !expected.has(name)) {
      fail(`it has a tensor ${quote(name)}, which this model does not have`);
    }
  }
  return checked;
}

/**
 * Compares a configuration with the expected one.
 *
 * @param expected The expected values; keys that are not in it may have any value.
 * @param source The path of the configuration, for messages.
 * @throws {UserError} For the first key that differs, with both values.
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
