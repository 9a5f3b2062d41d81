import { assertEquals, assertThrows } from "@std/assert";
import { fromSchedulerConfig, schedulerConfig } from "../../diffusion/scheduler_config.ts";
import { makeBetas, noiseSchedule } from "../../diffusion/schedules.ts";
import { UserError } from "../../base/errors.ts";

/** The files that diffusers 0.42 writes for DDPMScheduler() and DDIMScheduler(). */
const common = {
  beta_end: 0.02,
  beta_schedule: "linear",
  beta_start: 0.0001,
  clip_sample: true,
  clip_sample_range: 1.0,
  dynamic_thresholding_ratio: 0.995,
  num_train_timesteps: 1000,
  prediction_type: "epsilon",
  rescale_betas_zero_snr: false,
  sample_max_value: 1.0,
  steps_offset: 0,
  thresholding: false,
  timestep_spacing: "leading",
  trained_betas: null,
};
const version = { _diffusers_version: "0.42.0" };
const defaults = {
  ddpm: { _class_name: "DDPMScheduler", ...version, ...common, variance_type: "fixed_small" },
  ddim: { _class_name: "DDIMScheduler", ...version, ...common, set_alpha_to_one: true },
};

Deno.test("schedulerConfig() writes diffusers' file when all settings are defaults", () => {
  assertEquals(schedulerConfig(noiseSchedule()), defaults.ddpm);
  assertEquals(schedulerConfig(noiseSchedule(), { sampler: "ddim" }), defaults.ddim);
});

Deno.test("fromSchedulerConfig() reads back what schedulerConfig() wrote", () => {
  const schedule = noiseSchedule({
    numTrainTimesteps: 50,
    betaStart: .001,
    betaEnd: .03,
    betaSchedule: "scaled_linear",
    rescaleBetasZeroSnr: true,
    predictionType: "v_prediction",
  });
  const options = {
    timestepSpacing: "trailing",
    stepsOffset: 1,
    clipSample: false,
    clipSampleRange: 3,
    setAlphaToOne: false,
    varianceType: "fixed_large",
    flowShift: 1,
  } as const;
  for (const sampler of ["ddpm", "ddim"] as const) {
    const json = JSON.parse(JSON.stringify(schedulerConfig(schedule, { ...options, sampler })));
    const read = fromSchedulerConfig(json);
    assertEquals(read.sampler, sampler);
    assertEquals(noiseSchedule(read.schedule), schedule);
    const unknown = sampler === "ddpm" ? { setAlphaToOne: true } : { varianceType: "fixed_small" };
    assertEquals(read.options, { ...options, ...unknown } as typeof read.options);
  }
});

Deno.test("schedulerConfig() writes the betas when diffusers' class does not have the schedule", () => {
  const schedule = noiseSchedule({ betaSchedule: "sigmoid", numTrainTimesteps: 20 });
  assertEquals(schedulerConfig(schedule)["trained_betas"], null);
  const json = schedulerConfig(schedule, { sampler: "ddim" });
  assertEquals(json["trained_betas"], Array.from(makeBetas("sigmoid", 20)));
  const read = noiseSchedule(fromSchedulerConfig(json).schedule);
  assertEquals(read.alphasCumprod, schedule.alphasCumprod);
});

Deno.test("fromSchedulerConfig() uses diffusers' defaults when values are missing or null", () => {
  const { sampler, schedule, options } = fromSchedulerConfig({ trained_betas: null, skip_prk: 1 });
  assertEquals(sampler, undefined);
  const named = { ...schedulerConfig(noiseSchedule(schedule), options) };
  assertEquals(named, defaults.ddpm);
});

Deno.test("fromSchedulerConfig() names the file and the key when a value is wrong", () => {
  const refuses = (json: unknown, message: string) =>
    assertThrows(() => fromSchedulerConfig(json, "run/scheduler_config.json"), UserError, message);
  refuses([], "run/scheduler_config.json holds no JSON object");
  refuses({ _class_name: "PNDMScheduler" }, "supported are DDPMScheduler, DDIMScheduler");
  refuses({ beta_start: "small" }, 'json: beta_start is "small"; it must be a number');
  refuses({ clip_sample: 1 }, "clip_sample is 1; it must be true or false");
  refuses({ num_train_timesteps: 1e12 }, "json: numTrainTimesteps is 1000000000000; it must be");
  refuses({ beta_end: 2 }, "run/scheduler_config.json: the noise schedule's beta at timestep");
  refuses({ steps_offset: 0.5 }, "steps_offset is 0.5; it must be a whole number");
  refuses({ clip_sample_range: -1 }, "clip_sample_range is -1; it must be a number above 0");
  refuses({ trained_betas: [1, "x"] }, "it must be a list of numbers");
  refuses({ beta_schedule: "laplace" }, 'beta_schedule is "laplace"; it must be one of linear,');
  refuses({ variance_type: "learned" }, 'variance_type is "learned"');
  refuses({ thresholding: true }, "dynamic thresholding is not supported");
});

Deno.test("fromSchedulerConfig() reads back the scheduler of a flow and learned variances", () => {
  const schedule = noiseSchedule({ numTrainTimesteps: 500 });
  const json = schedulerConfig(schedule, { sampler: "flow_euler", flowShift: 3 });
  assertEquals(json, {
    _class_name: "FlowMatchEulerDiscreteScheduler",
    ...version,
    num_train_timesteps: 500,
    shift: 3,
  });
  const flow = fromSchedulerConfig(json);
  assertEquals([flow.sampler, flow.options.flowShift], ["flow_euler", 3]);
  assertEquals(flow.schedule.numTrainTimesteps, 500);
  const learned = schedulerConfig(schedule, { sampler: "ddpm", varianceType: "learned_range" });
  assertEquals(learned["variance_type"], "learned_range");
  assertEquals(fromSchedulerConfig(learned).options.varianceType, "learned_range");
});
