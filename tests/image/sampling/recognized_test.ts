/** Every sampler and spacing of the program, judged by the classifier that measures image quality. */
import { assert, assertEquals } from "@std/assert";
import { toModelRange } from "../../../datasets/pixels.ts";
import {
  type SamplerName,
  samplerNames,
  samplerOptions,
} from "../../../diffusion/samplers/registry.ts";
import { openDevice } from "../../../engine/device.ts";
import {
  resolveSampling,
  samplingOptionsOf,
  samplingWarnings,
} from "../../../image/check_sampling.ts";
import { loadImageModel } from "../../../image/checkpoint.ts";
import { loadClassifier } from "../../../image/classifier/checkpoint.ts";
import { classAgreement, compileClassifier } from "../../../image/classifier/classify.ts";
import { FASHION } from "../../../image/data.ts";
import type { ImageFlags } from "../../../image/flags.ts";
import { PRESETS } from "../../../image/presets.ts";
import { drawSamples } from "../../../image/sampling/samples.ts";
import { randomStream } from "../../../nn/random.ts";
import { loadCheckpoint } from "../../../training/checkpoint/checkpoint.ts";
import { deviceWorks } from "../../devices.ts";

const ignore = !deviceWorks("onnx");

const checkpoint = new URL("../../../checkpoints/fashion-mnist", import.meta.url).pathname;

async function openModel() {
  const device = await openDevice("onnx");
  const model = { ...loadImageModel(await loadCheckpoint(checkpoint)), images: FASHION };
  return { device, model, classify: compileClassifier(device, await loadClassifier()) };
}

let opened: ReturnType<typeof openModel> | undefined;

/** The share of samples, equally many of each class, that the classifier recognizes. */
async function recognized(given: ImageFlags, perClass: number): Promise<number> {
  const { device, model, classify } = await (opened ??= openModel());
  const preset = { ...PRESETS.nano, guidance: 1, eta: 0, timestepSpacing: "trailing" } as const;
  const { schedule } = model;
  const config = resolveSampling({ ...preset, ...given }, given, { schedule, hasNullClass: true });
  assertEquals(samplingWarnings(config, { schedule, learnedVariance: false }), []);
  const labels = Int32Array.from({ length: 10 * perClass }, (_, i) => Math.floor(i / perClass));
  const random = randomStream(7);
  const pixels = await drawSamples(device, samplingOptionsOf(model, config), { labels, random });
  return classAgreement((await classify(toModelRange(pixels))).classes, labels);
}

/**
 * A good sampler reaches 0.9 and more; 40 samples have a standard deviation of 0.05, 20 of 0.07. Broken
 * pictures are taken for one or two classes: 0.1 to 0.3.
 */
const FLOOR = 0.7;
/** In 3 steps ddpm adds more noise than it can remove; it reaches 0.5 to 0.75. */
const FLOORS: Partial<Record<string, number>> = { "ddpm 3": 0.4 };

for (const sampler of samplerNames) {
  for (const sampleSteps of [3, 10, 20]) {
    Deno.test({
      name:
        `drawSamples() makes garments of their classes when ${sampler} takes ${sampleSteps} steps`,
      ignore,
      fn: async () => {
        const share = await recognized({ sampler, sampleSteps }, 4);
        const floor = FLOORS[`${sampler} ${sampleSteps}`] ?? FLOOR;
        assert(share >= floor, `${share} of the samples are recognized, less than ${floor}`);
      },
    });
  }
}

/** The spacings of timesteps and of noise levels that a sampler takes, other than its own. */
function spacingsOf(sampler: SamplerName): ImageFlags[] {
  const spacings: ImageFlags[] = [{ timestepSpacing: "linspace", sampleSteps: 10 }];
  if (sampler === "ddim" || sampler === "ddpm") { // OpenAI's and diffusers' spacings for them
    spacings.push({ timestepSpacing: "leading", sampleSteps: 20 }, { respacing: "3,3,4" });
  }
  if (samplerOptions(sampler).includes("useKarrasSigmas")) {
    spacings.push(
      { sigmaSpacing: "karras", sampleSteps: 10 },
      { sigmaSpacing: "exponential", sampleSteps: 10 },
    );
  }
  return spacings;
}

for (const sampler of samplerNames) {
  for (const spacing of spacingsOf(sampler)) {
    const how = Object.entries(spacing).map(([key, value]) => `${key} ${value}`).join(", ");
    Deno.test({
      name: `drawSamples() makes garments of their classes when ${sampler} has ${how}`,
      ignore,
      fn: async () => {
        const share = await recognized({ sampler, ...spacing }, 2);
        assert(share >= FLOOR, `${share} of the samples are recognized, less than ${FLOOR}`);
      },
    });
  }
}
