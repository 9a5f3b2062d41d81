import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { isDit } from "../../diffusion/networks/image_network.ts";
import { EXIT, UserError } from "../../base/errors.ts";
import { PRESETS } from "../../image/presets.ts";
import { parseFlags, resolveConfig } from "../../cli/flags.ts";
import {
  checkConsistency,
  completeSettings,
  fitToImages,
  networkOf,
  resolveRun,
  scheduleOf,
  settingsInUse,
} from "../../image/config.ts";
import { nullClassOf } from "../../image/class_labels.ts";
import { FASHION } from "../../image/data.ts";
import { IMAGE_FLAGS, type ImageConfig, settingsOf } from "../../image/flags.ts";
import { resolveSampling } from "../../image/check_sampling.ts";

/** The settings of image.ts for flags and the preset smoke. */
function settings(...args: string[]): ImageConfig {
  const given = parseFlags(args, IMAGE_FLAGS);
  const resolved = completeSettings(resolveConfig(PRESETS.smoke, settingsOf(given)), given);
  checkConsistency(resolved, given);
  networkOf(resolved, FASHION);
  const { learnedVariance, classDropout } = resolved;
  return resolveSampling(resolved, given, {
    schedule: scheduleOf(resolved),
    hasNullClass: classDropout > 0,
    learnedVariance,
  });
}

Deno.test("completeSettings() follows the objective unless a flag sets the sampler or the variance", () => {
  assertEquals(settings("--objective", "flow_matching").sampler, "flow_euler");
  assertEquals(settings().sampler, "ddim");
  const learned = settings("--learned-variance", "--sampler", "ddpm");
  assertEquals(learned.varianceType, "learned_range");
  const fixed = ["--learned-variance", "--sampler", "ddpm", "--variance-type", "fixed_small"];
  assertEquals(settings(...fixed).varianceType, "fixed_small");
});

Deno.test("settingsInUse() leaves out the settings of other networks, objectives and samplers", () => {
  const unet = settingsInUse(settings());
  for (
    const key of [
      "patchSize",
      "heads",
      "huberDelta",
      "flowShift",
      "p2K",
      "boundWeight",
      "varianceType",
    ]
  ) {
    assertEquals(key in unet, false, key);
  }
  assertEquals([unet.channels, unet.eta], [PRESETS.smoke.channels, PRESETS.smoke.eta]);
  const flow = settingsInUse(settings("--denoiser", "dit", "--objective", "flow_matching"));
  assertEquals(["channels", "betaSchedule", "eta"].filter((key) => key in flow), []);
  assertEquals([flow.patchSize, flow.flowShift], [PRESETS.smoke.patchSize, 1]);
});

Deno.test("completeSettings() turns guidance off when no null class is trained, unless a flag sets it", () => {
  assertEquals(settings("--class-dropout", "0").guidance, 1);
  assertEquals(settings().guidance, PRESETS.smoke.guidance);
  assertThrows(
    () => settings("--class-dropout", "0", "--guidance", "2"),
    UserError,
    "--guidance 2",
  );
});

/** Images of which only number and shape matter. */
function imagesOf(side: number, train: number, validation: number, classNames: readonly string[]) {
  const part = (count: number) => ({ images: new Uint8Array(0), labels: new Uint8Array(count) });
  const shape = { height: side, width: side, channels: 3, classNames } as const;
  return { ...shape, train: part(train), validation: part(validation) };
}

Deno.test("fitToImages() fits levels to the side, and batches to the number of images", () => {
  const large = fitToImages(PRESETS.nano, imagesOf(112, 5000, 600, ["a", "b"]));
  assertEquals(large.channels, [32, 32, 32, 32, 64]); // 112, 56, 28, 14 and 7 pixels
  assertEquals(large.attentionLevels, [4]);
  assertEquals([large.batchSize, large.validationSize], [64, 512]);
  assertEquals([large.guidance, large.classDropout], [1.5, 0.1]);
  const small = fitToImages(PRESETS.nano, imagesOf(16, 40, 4, []));
  assertEquals(small.channels, [32, 32]);
  assertEquals([small.batchSize, small.validationSize], [40, 4]);
  assertEquals([small.guidance, small.classDropout], [1, 0]);
  const usual = imagesOf(28, 55_000, 5000, ["a"]);
  assertEquals(fitToImages(PRESETS.nano, usual), PRESETS.nano);
});

Deno.test("resolveRun() logs what it fits to the images and why, except for what flags set", () => {
  const logOf = (...args: string[]) => {
    const lines: string[] = [];
    const images = imagesOf(64, 36, 4, []);
    resolveRun(parseFlags(args, IMAGE_FLAGS), undefined, images, (line) => lines.push(line));
    return lines.join("\n").split("\n  ");
  };
  assertEquals(logOf(), [
    "settings that fit the images:",
    "--batch-size: 36; there are 36 training images",
    "--validation-size: 4; 4 images are held out",
    "--channels: 32,32,32,64; 4 levels for 64x64 pixels, and 3 for 28x28",
    "--attention-levels: 3; attention at the same levels, counted from the lowest resolution",
    "--class-dropout: 0; there are no classes",
    "--guidance: 1; there are no classes",
  ]);
  assertEquals(logOf("--channels=8,8", "--attention-levels=1", "--batch-size=2").slice(0, 3), [
    "settings that fit the images:",
    "--validation-size: 4; 4 images are held out",
    "--class-dropout: 0; there are no classes",
  ]);
});

Deno.test("networkOf() adds channels for variances and estimates, and a null class if dropout trains it", () => {
  const channels = (...args: string[]) => {
    const network = networkOf(settings("--guidance", "1", ...args), FASHION);
    return [network.inChannels, network.outChannels, nullClassOf(network, 10)];
  };
  assertEquals(channels(), [1, 1, 10]);
  assertEquals(channels("--learned-variance"), [1, 2, 10]);
  assertEquals(channels("--self-conditioning"), [2, 1, 10]);
  assertEquals(channels("--class-dropout", "0"), [1, 1, undefined]);
  assertEquals(channels("--denoiser", "dit", "--learned-variance"), [1, 2, 10]);
  const dit = networkOf(
    settings("--denoiser", "dit", "--self-conditioning", "--width", "64"),
    FASHION,
  );
  assertEquals(isDit(dit) && [dit.selfConditioning, dit.attentionHeadDim, dit.inChannels], [
    true,
    32,
    1,
  ]);
});

const REFUSED: readonly { args: string[]; message: RegExp }[] = [
  {
    args: ["--depth", "2"],
    message: /--depth is for --denoiser dit: unet does not take it/,
  },
  {
    args: ["--denoiser", "dit", "--channels", "8,8"],
    message: /--channels is for --denoiser unet: dit does not take it/,
  },
  {
    args: ["--denoiser", "dit", "--patch-size", "5"],
    message: /--patch-size 5: the side of the images, 28, is not a multiple of it: use 1, 2, 4/,
  },
  {
    args: ["--denoiser", "dit", "--width", "36", "--heads", "8"],
    message: /--width 36 must be a multiple of 4 and of --heads 8/,
  },
  {
    args: ["--denoiser", "dit", "--class-dropout", "0", "--guidance", "1"],
    message: /--class-dropout 0: .+ null class, which would not be trained/,
  },
  {
    args: ["--sampler", "flow_euler"],
    message: /--sampler flow_euler is for models trained with --objective flow_matching/,
  },
  {
    args: ["--objective", "flow_matching", "--sampler", "ddim"],
    message: /--sampler ddim: the model was trained with flow matching: use --sampler flow_euler/,
  },
  {
    args: ["--objective", "flow_matching", "--prediction-type", "epsilon"],
    message: /--prediction-type is for --objective diffusion: flow_matching does not take it/,
  },
  {
    args: ["--objective", "flow_matching", "--eta", "1"],
    message: /--eta is for --sampler ddim: flow_euler does not take it/,
  },
  {
    args: ["--objective", "flow_matching", "--guidance-low", "3", "--guidance-high", "2"],
    message: /--guidance-low 3 --guidance-high 2: give the lower one first/,
  },
  { args: ["--flow-times", "uniform"], message: /--flow-times uniform is for --objective flow_/ },
  {
    args: ["--flow-shift", "3"],
    message: /--flow-shift is for --sampler flow_euler: ddim does not/,
  },
  { args: ["--bound-weight", "1"], message: /--bound-weight 1 needs --learned-variance/ },
  {
    args: ["--sampler", "ddpm", "--variance-type", "learned_range"],
    message: /--variance-type learned_range needs a model that predicts variances/,
  },
];

Deno.test("settings that contradict each other are refused, naming the flags", () => {
  for (const { args, message } of REFUSED) {
    const error = assertThrows(() => settings(...args), UserError);
    assertMatch(error.message, message);
    assertEquals(error.exitCode, EXIT.usage);
  }
});
