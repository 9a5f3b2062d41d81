/** diffusers' scheduler classes: the settings of their files, and their defaults. */
import type { FlowSamplerName, SamplerName } from "./samplers/registry.ts";

/** dpmpp_sde and dpmpp_multistep have the same class; algorithm_type distinguishes them. */
export const CLASS_NAMES = {
  ddpm: "DDPMScheduler",
  ddim: "DDIMScheduler",
  dpmpp_multistep: "DPMSolverMultistepScheduler",
  dpmpp_sde: "DPMSolverMultistepScheduler",
  dpmpp_singlestep: "DPMSolverSinglestepScheduler",
  unipc: "UniPCMultistepScheduler",
  heun: "HeunDiscreteScheduler",
  euler: "EulerDiscreteScheduler",
  euler_ancestral: "EulerAncestralDiscreteScheduler",
  flow_euler: "FlowMatchEulerDiscreteScheduler",
} as const satisfies Record<SamplerName | FlowSamplerName, string>;
/** A class of {@linkcode CLASS_NAMES}. */
export type SchedulerClass = typeof CLASS_NAMES[keyof typeof CLASS_NAMES];

const SCHEDULE = {
  num_train_timesteps: 1000,
  beta_start: 0.0001,
  beta_end: 0.02,
  beta_schedule: "linear",
  trained_betas: null,
  prediction_type: "epsilon",
};
const THRESHOLDING = {
  thresholding: false,
  dynamic_thresholding_ratio: 0.995,
  sample_max_value: 1,
};
const SPACED = { timestep_spacing: "linspace", steps_offset: 0 };
const SIGMAS = {
  use_karras_sigmas: false,
  use_exponential_sigmas: false,
  use_beta_sigmas: false,
};
const ANCESTRAL = {
  ...SCHEDULE,
  ...THRESHOLDING,
  clip_sample: true,
  clip_sample_range: 1,
  timestep_spacing: "leading",
  steps_offset: 0,
  rescale_betas_zero_snr: false,
};
const SOLVER = {
  ...SCHEDULE,
  ...THRESHOLDING,
  ...SIGMAS,
  solver_order: 2,
  use_flow_sigmas: false,
  flow_shift: 1,
  final_sigmas_type: "zero",
  use_dynamic_shifting: false,
  time_shift_type: "exponential",
};
const DPM_SOLVER = {
  ...SOLVER,
  algorithm_type: "dpmsolver++",
  solver_type: "midpoint",
  lambda_min_clipped: -Infinity,
  variance_type: null,
};

/** The parameters of each class's constructor with their defaults, as of diffusers 0.42. */
export const SCHEDULER_DEFAULTS: Record<SchedulerClass, Readonly<Record<string, unknown>>> = {
  DDPMScheduler: { ...ANCESTRAL, variance_type: "fixed_small" },
  DDIMScheduler: { ...ANCESTRAL, set_alpha_to_one: true },
  DPMSolverMultistepScheduler: {
    ...DPM_SOLVER,
    ...SPACED,
    lower_order_final: true,
    euler_at_final: false,
    use_lu_lambdas: false,
    rescale_betas_zero_snr: false,
  },
  DPMSolverSinglestepScheduler: { ...DPM_SOLVER, lower_order_final: false },
  UniPCMultistepScheduler: {
    ...SOLVER,
    ...SPACED,
    predict_x0: true,
    solver_type: "bh2",
    lower_order_final: true,
    disable_corrector: [],
    solver_p: null,
    rescale_betas_zero_snr: false,
    sigma_min: null,
    sigma_max: null,
    shift_terminal: null,
  },
  HeunDiscreteScheduler: {
    ...SCHEDULE,
    ...SPACED,
    ...SIGMAS,
    beta_start: 0.00085,
    beta_end: 0.012,
    clip_sample: false,
    clip_sample_range: 1,
  },
  EulerDiscreteScheduler: {
    ...SCHEDULE,
    ...SPACED,
    ...SIGMAS,
    interpolation_type: "linear",
    sigma_min: null,
    sigma_max: null,
    timestep_type: "discrete",
    rescale_betas_zero_snr: false,
    final_sigmas_type: "zero",
  },
  EulerAncestralDiscreteScheduler: { ...SCHEDULE, ...SPACED, rescale_betas_zero_snr: false },
  FlowMatchEulerDiscreteScheduler: {
    num_train_timesteps: 1000,
    shift: 1,
    use_dynamic_shifting: false,
    base_shift: 0.5,
    max_shift: 1.15,
    base_image_seq_len: 256,
    max_image_seq_len: 4096,
    invert_sigmas: false,
    shift_terminal: null,
    ...SIGMAS,
    time_shift_type: "exponential",
    stochastic_sampling: false,
  },
};

/** Settings that have no effect unless another one is changed, which is refused. */
export const WITHOUT_EFFECT: readonly string[] = [
  "dynamic_thresholding_ratio",
  "sample_max_value",
  "flow_shift",
  "time_shift_type",
  "base_shift",
  "max_shift",
  "base_image_seq_len",
  "max_image_seq_len",
];
