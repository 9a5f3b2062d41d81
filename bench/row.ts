/** A row of the benchmark. */
import type { Device } from "../engine/device.ts";
import type { ParameterSpecs } from "../nn/parameters.ts";
import { initParameters } from "../nn/parameters.ts";
import { randomStream } from "../nn/random.ts";
import type { TrainStep } from "../training/step.ts";

export interface Prepared {
  run(): Promise<unknown>;
  dispose(): Promise<void>;
}

export interface Row {
  /** The name, equal to that of the row in bench/pytorch. */
  readonly name: string;
  prepare(device: Device): Prepared;
}

/** Training steps, each with the batch of its number. */
export function trainingSteps<Batch>(
  step: TrainStep<Batch>,
  specs: ParameterSpecs,
  batchAt: (number: number) => Batch,
): Prepared {
  let state = step.start(initParameters(specs, randomStream(0)));
  let number = 0;
  return {
    run: async () => {
      const batch = batchAt(number++);
      const settings = { step: number, learningRate: 1e-4, emaDecay: 0.99 };
      ({ state } = await step(state, batch, settings));
    },
    dispose: () => step.dispose(),
  };
}
