import { assertEquals, assertNotEquals } from "@std/assert";
import {
  flowSamplerNames,
  samplerNames,
  samplerOf,
  type SamplerOption,
  samplerOptions,
} from "../../../diffusion/samplers/registry.ts";
import { lastSample, type SamplerOptions } from "../../../diffusion/samplers/types.ts";
import { noiseSchedule } from "../../../diffusion/schedules.ts";
import { randomStream } from "../../../nn/random.ts";
import { standIn } from "../stand_in.ts";

const schedule = noiseSchedule({ numTrainTimesteps: 100 });
const xT = randomStream(1).normal(6).map((value) => 5 * value); // so large that some of x0 is clipped
const noise = (seed: number) => (length: number, step: number) =>
  randomStream(seed).at(step).normal(length);

/** Settings at which as many options as possible make a difference. */
const BASE: SamplerOptions = {
  numInferenceSteps: 6,
  eta: .5,
  finalSigmasType: "sigma_min",
  noise: noise(2),
};

/** For each option a change of it, and the other settings that give it an effect. */
const CHANGES: Record<SamplerOption, { change: SamplerOptions[]; given?: SamplerOptions }> = {
  numInferenceSteps: { change: [{ numInferenceSteps: 4 }] },
  timestepSpacing: { change: [{ timestepSpacing: "trailing" }] },
  stepsOffset: { change: [{ stepsOffset: 1 }], given: { timestepSpacing: "leading" } },
  timesteps: { change: [{ timesteps: [90, 40, 10] }] },
  clipSample: { change: [{ clipSample: false }] },
  clipSampleRange: { change: [{ clipSampleRange: .5 }] },
  constrainX0: { change: [{ constrainX0: (x0) => x0.map((value) => value / 2) }] },
  noise: { change: [{ noise: noise(3) }], given: { algorithmType: "sde-dpmsolver++" } },
  startStep: { change: [{ startStep: 1 }] },
  initialSample: {
    change: [{ initialSample: randomStream(4).normal(6) }],
    given: { startStep: 2 },
  },
  varianceType: { change: [{ varianceType: "fixed_large" }] },
  channels: { change: [{ channels: 4 }], given: { varianceType: "learned_range" } },
  eta: { change: [{ eta: 1 }] },
  useClippedModelOutput: {
    change: [{ useClippedModelOutput: true }],
    given: { setAlphaToOne: false },
  },
  setAlphaToOne: { change: [{ setAlphaToOne: false }] },
  previousTimestep: {
    change: [{ previousTimestep: "next" }],
    given: { timestepSpacing: "linspace" },
  },
  useKarrasSigmas: { change: [{ useKarrasSigmas: true }] },
  useExponentialSigmas: { change: [{ useExponentialSigmas: true }] },
  finalSigmasType: { change: [{ finalSigmasType: "zero" }] },
  slopeVariable: { change: [{ slopeVariable: "angle" }] },
  solverOrder: { change: [{ solverOrder: 1 }] },
  algorithmType: { change: [{ algorithmType: "sde-dpmsolver++" }] },
  solverType: { change: [{ solverType: "heun" }, { solverType: "bh1" }] },
  lowerOrderFinal: { change: [{ lowerOrderFinal: false }] },
  eulerAtFinal: { change: [{ eulerAtFinal: true }], given: { lowerOrderFinal: false } },
  fullThirdOrder: {
    change: [{ fullThirdOrder: true }],
    given: { solverOrder: 3, lowerOrderFinal: false },
  },
  flowShift: { change: [{ flowShift: 3 }] },
};

for (const name of [...samplerNames, ...flowSamplerNames]) {
  /** The samples, or the message of the error. */
  const outcome = async (options: SamplerOptions): Promise<unknown> => {
    try {
      return await lastSample(samplerOf(name)(standIn, xT, schedule, { ...BASE, ...options }));
    } catch (error) {
      return (error as Error).message;
    }
  };

  Deno.test(`samplerOptions("${name}") lists an option exactly when ${name} uses it`, async () => {
    for (const [option, { change, given }] of Object.entries(CHANGES)) {
      const before = await outcome({ ...given });
      const after = await Promise.all(change.map((options) => outcome({ ...given, ...options })));
      const message = `${name}: ${option}`;
      if (samplerOptions(name).some((taken) => taken === option)) {
        assertNotEquals(after, change.map(() => before), message);
      } else {
        assertEquals(after, change.map(() => before), message);
      }
    }
  });

  Deno.test(`samplerOptions("${name}") lists no option twice`, () => {
    assertEquals(new Set(samplerOptions(name)).size, samplerOptions(name).length);
  });
}
