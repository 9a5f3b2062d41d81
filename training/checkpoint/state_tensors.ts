/** The state of a training as tensors in a file. */
import { UserError } from "../../base/errors.ts";
import { float32 } from "../../engine/tree.ts";
import type { HostTensor, NamedTensors } from "../../nn/host_tensor.ts";
import { countParameters, type HostParameters, type ParameterSpecs } from "../../nn/parameters.ts";
import { adamSlots } from "../../nn/adamw.ts";
import { checkWeights } from "./check_model.ts";
import type { LoadedCheckpoint } from "./checkpoint.ts";
import type { TrainState } from "../step.ts";

export function toTensors(parameters: HostParameters): NamedTensors {
  return new Map(
    Object.entries(parameters).map(([name, { data, shape }]) => [
      name,
      { dtype: "F32", shape, data: data as Float32Array },
    ]),
  );
}

export function toParameters(tensors: NamedTensors): HostParameters {
  const values = (data: HostTensor["data"]) =>
    data instanceof Float32Array ? data : Float32Array.from(data, Number);
  return Object.fromEntries(
    [...tensors].map(([name, { data, shape }]) => [name, float32(values(data), shape)]),
  );
}

export function stateTensors({ parameters, ema, optimizer }: TrainState): NamedTensors {
  return toTensors({ parameters, ema, ...optimizer });
}

/**
 * The training state of a checkpoint.
 *
 * @param options `slots`: the names of the optimizer's vectors. `others`: those of vectors to ignore.
 * @throws {UserError} If there is no state, or it is of another model or optimizer.
 */
export function loadTrainState(
  checkpoint: LoadedCheckpoint,
  specs: ParameterSpecs,
  { slots = adamSlots(), others = [] }: {
    readonly slots?: readonly string[];
    readonly others?: readonly string[];
  } = {},
): TrainState {
  const { state, directory } = checkpoint;
  if (state === undefined) {
    throw new UserError(
      `${directory} has weights to sample from, but no training state to continue from: start again`,
    );
  }
  const count = countParameters(specs);
  const shapes = new Map(["parameters", "ema", ...slots].map((name) => [name, [count]]));
  const own = new Map([...state.vectors].filter(([name]) => !others.includes(name)));
  const vectors = toParameters(
    checkWeights(own, shapes, `${directory}/training_state.safetensors`),
  );
  return {
    parameters: vectors["parameters"]!,
    ema: vectors["ema"]!,
    optimizer: Object.fromEntries(slots.map((slot) => [slot, vectors[slot]!])),
  };
}
