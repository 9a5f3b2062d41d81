import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { EXIT, UserError } from "../../base/errors.ts";
import { lossWeightsOf } from "../../diffusion/loss.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { checkModes, classPair } from "../../image/check_modes.ts";
import {
  guidanceIntervalOf,
  resolveSampling,
  samplingWarnings,
  timestepsOf,
} from "../../image/check_sampling.ts";
import { checkConsistency, scheduleOf } from "../../image/config.ts";
import { FASHION } from "../../image/data.ts";
import type { ImageConfig, ImageFlags } from "../../image/flags.ts";
import { PRESETS } from "../../image/presets.ts";

const schedule = noiseSchedule({ numTrainTimesteps: 100, predictionType: "v_prediction" });

/** Resolves the smoke preset with flags. */
function resolve(given: ImageFlags, model = { schedule, hasNullClass: true }): ImageConfig {
  return resolveSampling({ ...PRESETS.smoke, ...given as Partial<ImageConfig> }, given, model);
}

/** The message of a usage error. */
function refusal(fn: () => unknown): string {
  const error = assertThrows(fn, UserError);
  assertEquals(error.exitCode, EXIT.usage);
  return error.message;
}

Deno.test("timestepsOf() gives the timesteps of the flags, and none without flags", () => {
  assertEquals(timestepsOf({}, 100), undefined);
  assertEquals(timestepsOf({ sampleTimesteps: [99, 3, 0] }, 100), [99, 3, 0]);
  assertEquals(timestepsOf({ respacing: "ddim4" }, 100), [75, 50, 25, 0]);
  assertEquals(timestepsOf({ respacing: "1,2" }, 100), [99, 50, 0]); // 0..49 and 50..99
  assertEquals(timestepsOf({ respacing: "quad3" }, 100), [80, 20, 0]); // squares of 0, sqrt(80)/2, ...
});

Deno.test("timestepsOf() names the flag when the timesteps are invalid", () => {
  for (
    const [settings, message] of [
      [{ sampleTimesteps: [3, 3] }, /^--sample-timesteps 3,3: timesteps must fall/],
      [{ sampleTimesteps: [100] }, /^--sample-timesteps 100: .+ from 0 to 99/],
      [{ respacing: "ddim" }, /^--respacing ddim: the number after ddim is NaN/],
      [{ respacing: "some" }, /^--respacing some: sections\[0\] is NaN; it must be an integer/],
      [{ respacing: "101" }, /^--respacing 101: sections\[0\] is 101; .+ from 1 to 100/],
      [{ respacing: "quad1" }, /^--respacing quad1: /],
    ] as [Pick<ImageConfig, "sampleTimesteps" | "respacing">, RegExp][]
  ) assertEquals(message.test(refusal(() => timestepsOf(settings, 100))), true, String(message));
});

Deno.test("guidanceIntervalOf() gives the timesteps with a sigma between the bounds", () => {
  assertEquals(guidanceIntervalOf({ guidanceLow: 0, guidanceHigh: 0 }, schedule), undefined);
  const [low, high] = guidanceIntervalOf({ guidanceLow: 0.2, guidanceHigh: 0.9 }, schedule)!;
  const sigma = (t: number) => Math.sqrt(1 / schedule.alphasCumprod[t]! - 1);
  assertEquals([sigma(low - 1) <= 0.2, sigma(low) > 0.2], [true, true]);
  assertEquals([sigma(high) <= 0.9, sigma(high + 1) > 0.9], [true, true]);
  const open = guidanceIntervalOf({ guidanceLow: 0.2, guidanceHigh: 0 }, schedule)!;
  assertEquals(open, [low, 99]);
});

Deno.test("resolveSampling() counts the steps, and accepts S from 1 to T", () => {
  assertEquals(resolve({ sampleTimesteps: [50, 7] }).sampleSteps, 2);
  assertEquals(resolve({ sampleSteps: 1 }).sampleSteps, 1);
  assertEquals(resolve({ sampleSteps: 100 }).sampleSteps, 100);
  assertEquals(
    refusal(() => resolve({ sampleSteps: 101 })),
    "--sample-steps 101: the model has 100 timesteps; give at most 100.",
  );
});

Deno.test("resolveSampling() keeps settings of presets that the sampler does not take", () => {
  for (const preset of Object.values(PRESETS)) {
    const model = { schedule: scheduleOf(preset), hasNullClass: true };
    assertEquals(resolveSampling(preset, {}, model), preset);
  }
});

for (
  const [given, message] of [
    [{ eta: 0.5, sampler: "euler" }, "--eta is for --sampler ddim: euler does not take it."],
    [
      { sigmaSpacing: "karras" },
      "--sigma-spacing is for --sampler dpmpp_multistep, dpmpp_sde, dpmpp_singlestep, unipc, heun, " +
      "euler, euler_ancestral: ddim does not take it.",
    ],
    [
      { sigmaSpacing: "karras", sampler: "heun", respacing: "5" },
      "--sigma-spacing karras sets the noise levels itself: leave --respacing out.",
    ],
    [
      { sampleTimesteps: [5], respacing: "5" },
      "--sample-timesteps sets the timesteps: leave --respacing out.",
    ],
    [
      { guidance: 1, guidanceHigh: 4 },
      "--guidance-high 4 has no effect without guidance: give --guidance above 1.",
    ],
  ] as const satisfies readonly (readonly [ImageFlags, string])[]
) {
  Deno.test(`resolveSampling() refuses ${Object.keys(given).join(" with ")}`, () => {
    assertEquals(refusal(() => resolve(given as ImageFlags)), message);
  });
}

Deno.test("resolveSampling() refuses guidance for a model without a null class", () => {
  const model = { schedule, hasNullClass: false };
  assertEquals(resolve({ guidance: 1 }, model).guidance, 1);
  for (const guidance of [0, 2]) {
    assertEquals(
      /^--guidance \d needs a model trained with a null class/.test(
        refusal(() => resolve({ guidance }, model)),
      ),
      true,
    );
  }
});

Deno.test("resolveSampling() refuses a model that cannot start from pure noise", () => {
  const impossible = noiseSchedule({ numTrainTimesteps: 100, rescaleBetasZeroSnr: true });
  const message = refusal(() => resolve({}, { schedule: impossible, hasNullClass: true }));
  assertEquals(message.startsWith("the model predicts noise and its schedule ends in pure"), true);
});

const cosine = noiseSchedule({
  numTrainTimesteps: 100,
  betaSchedule: "squaredcos_cap_v2",
  predictionType: "v_prediction",
});

for (
  const [given, warning] of [
    [
      { sampler: "ddim", timestepSpacing: "leading", sampleSteps: 3 },
      /begins at timestep 66 of 100/,
    ],
    [{ sampler: "ddim", respacing: "quad5" }, /begins at timestep 80 of 100/],
    [{ sampler: "ddim", timestepSpacing: "trailing", sampleSteps: 3 }, undefined],
    [{ sampler: "unipc", respacing: "3,3,4" }, /^--sampler unipc extrapolates .+ 17 times as long/],
    [{ sampler: "euler", respacing: "3,3,4" }, undefined],
    [{ guidance: 100 }, /^--guidance 100: above 20 /],
    [{ guidance: 20 }, undefined],
  ] as const
) {
  const words = Object.entries(given).flat().join(" ");
  Deno.test(`samplingWarnings() ${warning === undefined ? "is silent" : "warns"} when ${words}`, () => {
    const config = resolve(given, { schedule: cosine, hasNullClass: true });
    const warnings = samplingWarnings(config, { schedule: cosine, learnedVariance: false });
    assertEquals(warnings.length, warning === undefined ? 0 : 1);
    if (warning !== undefined) assertEquals(warning.test(warnings[0]!), true, warnings[0]);
  });
}

Deno.test("samplingWarnings() warns when learned variances are not used", () => {
  const model = { schedule: cosine, hasNullClass: true, learnedVariance: true };
  for (
    const [given, count] of [[{ sampler: "ddim" }, 1], [{
      sampler: "ddpm",
      varianceType: "learned_range",
    }, 0]] as const
  ) {
    const config = resolveSampling({ ...PRESETS.smoke, ...given }, given, model);
    assertEquals(samplingWarnings(config, model).length, count);
  }
});

Deno.test("checkModes() accepts flags that fit together", () => {
  checkModes({});
  checkModes({ sampleOnly: false, encode: false, trajectory: false });
  checkModes({ sampleOnly: true, checkpoint: "x", interpolate: "Bag,bag", encode: true });
  checkModes({ sampleOnly: true, interpolate: "Bag,Coat", encode: true, eta: 0, guidance: 1 });
  checkModes({ sampleOnly: true, inpaint: "half", fromStep: 0, trajectory: true, class: "Bag" });
});

Deno.test("checkModes() refuses --encode with settings that cannot be inverted", () => {
  const tool = { sampleOnly: true, interpolate: "Bag,Coat", encode: true };
  for (
    const [flags, named] of [
      [{ eta: 0.5 }, "--eta 0.5"],
      [{ sampler: "ddpm" }, "--sampler ddpm"],
      [{ guidance: 1.5 }, "--guidance 1.5"],
      [{ dynamicThreshold: 0.9 }, "--dynamic-threshold 0.9"],
    ] as [ImageFlags, string][]
  ) {
    const message = refusal(() => checkModes({ ...tool, ...flags }));
    assertEquals(
      message.startsWith(`${named} is not for --encode, which uses ddim`),
      true,
      message,
    );
  }
});

Deno.test("checkModes() refuses flags that --evaluate does not use, and settings that a study varies", () => {
  checkModes({ evaluate: true, evaluateSamples: 50, evaluateSeeds: 2 });
  checkModes({ sampleOnly: true, evaluate: true, checkpoint: "x", trajectory: false });
  checkModes({ study: "ddim", checkpoint: "x", studySteps: [2], guidance: 2, evaluateSamples: 50 });
  for (
    const [flags, message] of [
      [{ evaluateSamples: 30 }, "--evaluate-samples 30 is for --evaluate: give that too."],
      [{ studySteps: [3, 4] }, "--study-steps 3,4 is for --study ddim: give that too."],
      [
        { study: "ddim", eta: 0 },
        "--eta 0 is varied by --study ddim: leave it out.",
      ],
      [{ study: "ddim", evaluate: true }, "--evaluate is not for --study ddim: leave it out."],
      [
        { sampleOnly: true, evaluate: true, fromStep: 0 },
        "--from-step 0 is not for --evaluate, which measures samples: leave one of them out.",
      ],
    ] as [ImageFlags, string][]
  ) {
    assertEquals(refusal(() => checkModes(flags)), message);
  }
});

Deno.test("classPair() reads two classes in upper or lower case", () => {
  assertEquals(classPair("t-shirt/top, ANKLE BOOT", FASHION), [0, 9]);
  for (const text of ["Bag", "Bag,Coat,Dress"]) {
    assertEquals(
      refusal(() => classPair(text, FASHION)),
      `--interpolate ${text}: must be two classes separated by a comma, such as Sneaker,Bag.`,
    );
  }
});

Deno.test("scheduleOf() ends in pure noise with zeroTerminalSnr", () => {
  const config = { ...PRESETS.smoke, zeroTerminalSnr: true };
  assertEquals(scheduleOf(config).alphasCumprod.at(-1), 0);
  assertEquals(scheduleOf(PRESETS.smoke).config.betaSchedule, "squaredcos_cap_v2");
  assertEquals(scheduleOf(PRESETS.smoke).alphasCumprod.at(-1)! > 0, true);
});

Deno.test("lossWeightsOf() gives no weights, or those of min-SNR or P2 as published", () => {
  const config: ImageConfig = { ...PRESETS.smoke, predictionType: "epsilon" };
  const schedule = scheduleOf(config);
  assertEquals(lossWeightsOf(config, schedule), undefined);
  const [minSnr, p2] = [{ minSnrGamma: 5 }, { p2Gamma: 2, p2K: 3 }]
    .map((changes) => lossWeightsOf({ ...config, ...changes }, schedule)!);
  for (const t of [0, 40, 99]) {
    const a = schedule.alphasCumprod[t]!;
    const snr = a / (1 - a);
    assertAlmostEquals(minSnr![t]!, Math.min(snr, 5) / snr, 1e-12);
    assertAlmostEquals(p2![t]!, 1 / (3 + snr) ** 2, 1e-12);
  }
});

Deno.test("checkConsistency() accepts the presets", () => {
  for (const preset of Object.values(PRESETS)) checkConsistency(preset);
  checkConsistency({ ...PRESETS.smoke, loss: "huber" }, { huberDelta: 2 });
  assertThrows(() => checkConsistency(PRESETS.smoke, { p2K: 2 }), UserError, "--p2-gamma");
});
