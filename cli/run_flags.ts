/** Flags that image.ts and text.ts share: the run's folder, the device, and training. */
import { DEVICE_CHOICES } from "../engine/device_names.ts";
import { LEARNING_RATE_SCHEDULES } from "../nn/learning_rate.ts";
import { choice, integer, number, text, toggle } from "./flag_kinds.ts";

/** The random seed, which is a setting of the run. */
export const SEED_FLAG = {
  seed: integer({
    min: 0,
    help: "seed of initial weights, data order, noise and samples; equal seeds give equal runs",
  }),
};

/**
 * Where a run's folder is, and what happens if there is a run in it. `extendable` are the flags that may
 * change when a run is resumed.
 */
export function folderFlags({ folder, extendable }: { folder: string; extendable: string }) {
  return {
    out: text({ placeholder: "DIR", help: `folder of the run; ${folder} by default` }),
    resume: toggle({
      help:
        `continue the run in the folder with other values of ${extendable}; without this flag, ` +
        "the same command continues its own unfinished run",
    }),
    overwrite: toggle({ help: "delete the run in the folder and start again" }),
    config: text({
      placeholder: "FILE",
      help: "repeat the run of this config.json: the same settings, device, threads and data",
    }),
  };
}

/** Where tensors are computed. */
export const DEVICE_FLAGS = {
  device: choice(DEVICE_CHOICES, {
    help: "where to compute, onnx by default; `deno task devices` tests which ones work here",
  }),
  threads: integer({ min: 1, max: 1024, help: "CPU threads; one per core by default" }),
};

/** The optimization. `items` is what a batch consists of, in the plural. */
export function trainingFlags(items: string) {
  return {
    steps: integer({ min: 1, help: "optimizer steps in total" }),
    batchSize: integer({ min: 1, max: 65536, help: `${items} per step` }),
    learningRate: number({ above: 0, max: 1, help: "peak learning rate, after the warm-up" }),
    lrSchedule: choice(LEARNING_RATE_SCHEDULES, {
      help: "learning rate after the warm-up; linear and cosine fall to 0",
    }),
    warmupSteps: integer({ min: 0, help: "steps of linear warm-up of the learning rate" }),
  };
}

/** Parts of the optimization, and intervals of logging, that few need to change. */
export function rareTrainingFlags(items: string, maxValidationSize: number) {
  return {
    weightDecay: number({ min: 0, max: 1, help: "decoupled weight decay" }),
    maxGradNorm: number({ above: 0, help: "gradients are clipped to this global norm" }),
    emaDecay: number({
      min: 0,
      max: 1,
      help:
        "largest decay of the moving average of the weights, which samples are generated with; " +
        "the decay is smaller in the first steps",
    }),
    logEvery: integer({ min: 1, help: "steps between rows of metrics.csv" }),
    evalEvery: integer({
      min: 1,
      help: `steps between evaluations on held-out ${items}: a multiple of the logging interval`,
    }),
    checkpointEvery: integer({ min: 1, help: "steps between checkpoints" }),
    validationSize: integer({
      min: 1,
      max: maxValidationSize,
      help: `held-out ${items} for these evaluations; they are not trained on`,
    }),
  };
}

/** What `--help` says about the samplers. */
export const SAMPLER_MEANINGS = {
  ddpm: "ancestral sampling (Ho et al. 2020)",
  ddim: "DDIM (Song et al. 2021): deterministic with --eta 0",
  dpmpp_multistep: "DPM-Solver++, multistep (Lu et al. 2022)",
  dpmpp_sde: "DPM-Solver++ for the SDE: multistep, adds noise",
  dpmpp_singlestep: "DPM-Solver++, singlestep",
  unipc: "UniPC (Zhao et al. 2023)",
  heun: "Heun's second-order method (Karras et al. 2022)",
  euler: "Euler's method (Karras et al. 2022)",
  euler_ancestral: "Euler's method, adds noise",
  flow_euler: "Euler's method for --objective flow_matching",
};

/** What `--help` says about what a denoiser predicts. */
export const PREDICTION_MEANINGS = {
  epsilon: "the noise (Ho et al. 2020)",
  sample: "the clean sample x0",
  v_prediction: "the velocity v (Salimans and Ho 2022)",
};

/** What `--help` says about how the timesteps of a batch are sampled. */
export const TIMESTEP_MEANINGS = {
  uniform: "independently",
  antithetic: "in pairs t and T - 1 - t",
  low_discrepancy: "evenly spread over the batch (Kingma et al. 2021)",
};

/** What `--help` says about objectives. */
export const OBJECTIVE_MEANINGS = {
  diffusion: "a denoiser with a noise schedule",
  flow_matching: "the velocity along straight lines between data and noise (rectified flow)",
};

type Prefixed<P extends string, F> = {
  [K in keyof F & string as `${P}${Capitalize<K>}`]: F[K];
};

/** Puts a prefix before the names of flags: `steps` becomes `diffusionSteps`. */
export function prefixed<P extends string, F extends object>(prefix: P, flags: F): Prefixed<P, F> {
  const entries = Object.entries(flags).map(([key, flag]) =>
    [prefix + key[0]!.toUpperCase() + key.slice(1), flag] as const
  );
  return Object.fromEntries(entries) as Prefixed<P, F>;
}
