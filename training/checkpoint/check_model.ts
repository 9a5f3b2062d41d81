/** Checks that weights and configurations belong to a model. */
import { UserError } from "../../base/errors.ts";
import { jsonDifferences, type JsonObject } from "../../base/json.ts";
import { quote } from "../../base/quote.ts";
import type { NamedTensors } from "../../nn/host_tensor.ts";
import { checkTensors } from "../../nn/parameters.ts";
import type { Component, LoadedCheckpoint } from "./checkpoint.ts";

/** The component in a folder of a checkpoint. @throws {UserError} If there is no such folder. */
export function requireComponent(checkpoint: LoadedCheckpoint, folder: string): Component {
  if (Object.hasOwn(checkpoint.components, folder)) return checkpoint.components[folder]!;
  const others = Object.keys(checkpoint.components).join(", ") || "nothing";
  throw new UserError(
    `${checkpoint.directory} is a checkpoint of another model: it has no ${folder}/, but ${others}`,
  );
}

/** As {@linkcode checkTensors}. @throws {UserError} Also if there are no weights. */
export function checkWeights(
  weights: NamedTensors | undefined,
  expected: ReadonlyMap<string, readonly number[]>,
  source: string,
  options: { allowOthers?: boolean | undefined } = {},
): NamedTensors {
  if (weights === undefined) throw new UserError(`${source} has no weights`);
  return checkTensors(weights, expected, source, options);
}

/**
 * Refuses a configuration that differs from the expected one; keys that are not in it may have any value.
 *
 * @param source The path of the configuration, for messages.
 */
export function checkSameModel(found: JsonObject, expected: JsonObject, source: string): void {
  const difference = jsonDifferences(found, expected).find(({ right }) => right !== undefined);
  if (difference === undefined) return;
  throw new UserError(
    `${source} is of another model: ${difference.key} is ${quote(difference.left)}, expected ` +
      quote(difference.right),
  );
}
