import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { parseJsonObject } from "../../base/json.ts";
import { flowSamplerNames, samplerNames, samplerOf } from "../../diffusion/samplers/registry.ts";
import { planSigmas } from "../../diffusion/samplers/sigmas.ts";
import type { SamplerStep } from "../../diffusion/samplers/types.ts";
import { SCHEDULER_DEFAULTS, type SchedulerClass } from "../../diffusion/scheduler_classes.ts";
import {
  fromSchedulerConfig,
  schedulerConfig,
  type SchedulerConfigOptions,
  type SchedulerOptions,
} from "../../diffusion/scheduler_config.ts";
import { makeBetas, noiseSchedule, type ScheduleConfig } from "../../diffusion/schedules.ts";
import { solverTimesteps } from "../../diffusion/timesteps.ts";
import { assertAllClose } from "../assert_close.ts";
import { fixtureJson } from "../fixtures.ts";
import { standIn } from "./stand_in.ts";

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

/** Options that differ from the defaults, of each sampler those that diffusers' class stores. */
const noiseOptions = { timestepSpacing: "trailing", stepsOffset: 1 } as const;
const clipped = { clipSample: true, clipSampleRange: 3 } as const;
const solver = {
  solverOrder: 3,
  solverType: "heun",
  finalSigmasType: "sigma_min",
  useKarrasSigmas: true,
  lowerOrderFinal: false,
} as const;
const written: Record<string, SchedulerOptions> = {
  ddpm: { ...noiseOptions, ...clipped, varianceType: "fixed_large" },
  ddim: { ...noiseOptions, ...clipped, setAlphaToOne: false },
  dpmpp_multistep: { ...noiseOptions, ...solver, eulerAtFinal: true },
  dpmpp_sde: { ...noiseOptions, ...solver, algorithmType: "sde-dpmsolver++" },
  dpmpp_singlestep: { ...solver, algorithmType: "sde-dpmsolver++" },
  unipc: { ...noiseOptions, ...solver, solverType: "bh1" },
  heun: { ...noiseOptions, ...clipped, useExponentialSigmas: true },
  euler: { ...noiseOptions, useKarrasSigmas: true, finalSigmasType: "sigma_min" },
  euler_ancestral: noiseOptions,
  flow_euler: { flowShift: 3 },
};

Deno.test("fromSchedulerConfig() reads back what schedulerConfig() wrote for every sampler", () => {
  const settings = {
    numTrainTimesteps: 50,
    betaStart: .001,
    betaEnd: .03,
    betaSchedule: "scaled_linear",
    predictionType: "v_prediction",
  } as const;
  for (const sampler of [...samplerNames, ...flowSamplerNames]) {
    const rescaleBetasZeroSnr = !["heun", "dpmpp_singlestep"].includes(sampler);
    const schedule = noiseSchedule({ ...settings, rescaleBetasZeroSnr });
    const options = written[sampler]!;
    const json = JSON.parse(JSON.stringify(schedulerConfig(schedule, { ...options, sampler })));
    const read = fromSchedulerConfig(json);
    assertEquals(read.sampler, sampler);
    if (sampler !== "flow_euler") assertEquals(noiseSchedule(read.schedule), schedule);
    assertEquals({ ...read.options, ...options }, read.options, sampler);
    assertEquals(schedulerConfig(schedule, { ...read.options, sampler }), json, sampler);
  }
});

Deno.test("schedulerConfig() refuses an option that diffusers' class lacks, and leaves others out", () => {
  const refuses = (options: SchedulerConfigOptions, message: string, config: ScheduleConfig = {}) =>
    assertThrows(() => schedulerConfig(noiseSchedule(config), options), UserError, message);
  const [sampler, unclipped] = ["dpmpp_singlestep", "dpmpp_multistep"] as const;
  refuses({ sampler, timestepSpacing: "trailing" }, 'timestepSpacing is "trailing", but diffusers');
  refuses(
    { sampler: unclipped, clipSample: true },
    "DPMSolverMultistepScheduler has no clip_sample",
  );
  const rescaled = { rescaleBetasZeroSnr: true, predictionType: "sample" } as const;
  refuses({ sampler: "heun" }, "HeunDiscreteScheduler has no rescale_betas_zero_snr", rescaled);
  const json = schedulerConfig(noiseSchedule(), {
    sampler: "euler",
    varianceType: "fixed_large",
    setAlphaToOne: false,
    clipSampleRange: 2,
    finalSigmasType: "zero",
  });
  assertEquals("variance_type" in json || "clip_sample_range" in json, false);
});

/** What the constructors of diffusers' classes say, and loops of their schedulers: see make_schedulers.py. */
interface Case {
  settings: Record<string, unknown>;
  config: string;
  timesteps: number[];
  x_T: number[];
  noise: (number[] | null)[];
  last: number[];
}
const reference: {
  defaults: Record<SchedulerClass, Record<string, unknown>>;
  steps: number;
  cases: Case[];
} = await fixtureJson("schedulers.json");

Deno.test("SCHEDULER_DEFAULTS has the parameters of the constructors of diffusers' classes", () => {
  const { DPMSolverMultistepScheduler, DPMSolverSinglestepScheduler } = reference.defaults;
  for (const defaults of [DPMSolverMultistepScheduler, DPMSolverSinglestepScheduler]) {
    defaults["lambda_min_clipped"] = -Infinity;
  }
  assertEquals(SCHEDULER_DEFAULTS, reference.defaults);
});

const parse = (text: string) => parseJsonObject(text, "the file", { infinities: true });

/** Samples of Euler's and Heun's methods have variance 1 + sigma^2 in diffusers. */
function scaleOf(sampler: string, sigma: number): number {
  return ["euler", "heun", "euler_ancestral"].includes(sampler) ? Math.sqrt(1 + sigma ** 2) : 1;
}

for (const one of reference.cases) {
  const json = parse(one.config);
  const label = JSON.stringify({ ...one.settings, trained_betas: undefined });
  Deno.test(`fromSchedulerConfig() samples as ${json["_class_name"]} when its file has ${label}`, async () => {
    const { sampler = "ddpm", schedule: config, options } = fromSchedulerConfig(json);
    const schedule = noiseSchedule(config);
    const all = { ...options, numInferenceSteps: reference.steps };
    const noise = (_: number, step: number) => Float32Array.from(one.noise[step]!);
    const plan = sampler === "flow_euler" ? [] : planSigmas(schedule, all, "continuous");
    const before = scaleOf(sampler, plan[0]?.sigma ?? 0);
    const after = scaleOf(sampler, plan.at(-1)?.sigmaNext ?? 0);
    const steps: SamplerStep[] = [];
    const start = Float32Array.from(one.x_T, (value) => value / before);
    const run = samplerOf(sampler)(standIn, start, schedule, { ...all, noise });
    for await (const step of run) steps.push(step);
    const timesteps = steps.map(({ timestep }) => timestep);
    assertAllClose(timesteps, one.timesteps, { atol: 1e-3, rtol: 0 });
    const last = steps.at(-1)!.sample.map((value) => value * after);
    const largest = Math.max(1, ...one.last.map(Math.abs));
    assertAllClose(last, one.last, { atol: 1.5e-5 * largest, rtol: 0 });
  });

  Deno.test(`schedulerConfig() writes the file of ${json["_class_name"]} when it has ${label}`, () => {
    const { sampler = "ddpm", schedule, options } = fromSchedulerConfig(json);
    const again = schedulerConfig(noiseSchedule(schedule), { ...options, sampler });
    const { _diffusers_version: _, lambda_min_clipped: __, ...expected } = json;
    const { _diffusers_version: ___, ...actual } = again;
    assertEquals(actual, expected);
  });
}

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
  refuses({ thresholding: true }, "thresholding is true, which is not supported; only false is");
});

Deno.test("fromSchedulerConfig() reads back the scheduler of a flow and learned variances", () => {
  const schedule = noiseSchedule({ numTrainTimesteps: 500 });
  const json = schedulerConfig(schedule, { sampler: "flow_euler", flowShift: 3 });
  assertEquals(json, {
    _class_name: "FlowMatchEulerDiscreteScheduler",
    ...version,
    ...SCHEDULER_DEFAULTS.FlowMatchEulerDiscreteScheduler,
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

Deno.test("fromSchedulerConfig() takes the class's defaults when the file has its name only", () => {
  const read = (_class_name: string, more = {}) => fromSchedulerConfig({ _class_name, ...more });
  const { sampler, schedule, options } = read("DPMSolverMultistepScheduler");
  assertEquals(options.clipSample, false);
  assertEquals(
    solverTimesteps(1000, { ...options, numInferenceSteps: 10 }),
    [999, 899, 799, 699, 599, 500, 400, 300, 200, 100],
  );
  assertEquals([sampler, schedule.betaEnd], ["dpmpp_multistep", 0.02]);
  const heun = read("HeunDiscreteScheduler").schedule;
  assertEquals([heun.betaStart, heun.betaEnd], [0.00085, 0.012]);
  for (const name of ["DDIMScheduler", "DDPMScheduler"]) {
    const { timestepSpacing, clipSample } = read(name).options;
    assertEquals([timestepSpacing, clipSample], ["leading", true]);
  }
  assertEquals(read("UniPCMultistepScheduler").options.solverType, "bh2");
  // A converted file keeps keys of other classes, which diffusers ignores.
  const converted = { clip_sample: true, variance_type: "fixed_large" };
  assertEquals(read("DPMSolverMultistepScheduler", converted).options, options);
});

Deno.test("fromSchedulerConfig() predicts samples when an old file has predict_epsilon false", () => {
  const typeOf = (more: Record<string, unknown>) =>
    fromSchedulerConfig({ _class_name: "DDPMScheduler", ...more }).schedule.predictionType;
  assertEquals(typeOf({ predict_epsilon: false }), "sample");
  assertEquals(typeOf({ predict_epsilon: true }), "epsilon");
  assertEquals(typeOf({ predict_epsilon: false, prediction_type: "v_prediction" }), "v_prediction");
});

Deno.test("fromSchedulerConfig() refuses by name what no sampler does", () => {
  const refuses = (name: string, more: Record<string, unknown>, message: string) =>
    assertThrows(
      () => fromSchedulerConfig({ _class_name: `${name}Scheduler`, ...more }),
      UserError,
      message,
    );
  refuses("DPMSolverMultistep", {
    algorithm_type: "dpmsolver",
    solver_order: 3,
    use_karras_sigmas: true,
  }, 'algorithm_type is "dpmsolver"; it must be one of dpmsolver++, sde-dpmsolver++');
  refuses("DPMSolverMultistep", { solver_order: 4 }, "it must be one of 1, 2, 3");
  refuses("DPMSolverMultistep", { use_lu_lambdas: true }, "use_lu_lambdas is true, which is not");
  refuses("DPMSolverMultistep", { lambda_min_clipped: -1 }, "lambda_min_clipped is -1, which is");
  refuses("DPMSolverSinglestep", { prediction_type: "flow_prediction" }, "prediction_type is");
  refuses("EulerDiscrete", { timestep_type: "continuous" }, 'timestep_type is "continuous"');
  refuses("EulerDiscrete", { use_beta_sigmas: true }, "use_beta_sigmas is true");
  refuses("UniPCMultistep", { predict_x0: false }, "predict_x0 is false, which is not");
  refuses("UniPCMultistep", { disable_corrector: [0] }, "disable_corrector is [0]");
  refuses("FlowMatchEulerDiscrete", { use_karras_sigmas: true }, "use_karras_sigmas is true");
  refuses("FlowMatchEulerDiscrete", { use_dynamic_shifting: true }, "use_dynamic_shifting is true");
});
