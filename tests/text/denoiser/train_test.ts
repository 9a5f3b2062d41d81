import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { latentNoiseSchedule } from "../../../text/denoiser/schedules.ts";
import {
  conditionEncoderSpecs,
  latentDenoiserSpecs,
  textDenoiserConfig,
} from "../../../text/denoiser/network.ts";
import { UserError } from "../../../base/errors.ts";
import { float32 } from "../../../engine/tree.ts";
import { checkSamplingFlags, checkTextSampling } from "../../../text/sampling/sample.ts";
import { textSamplerOptions } from "../../../text/sampling/latents.ts";
import { initParameters, ravel } from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import { PRESETS } from "../../../text/presets.ts";
import { loadCheckpoint, writeCheckpoint } from "../../../training/checkpoint/checkpoint.ts";
import { loadTextData } from "../../../text/data.ts";
import { checkDenoiser } from "../../../text/denoiser/config.ts";
import {
  loadTextDenoiser,
  openTextDenoiser,
  textDiffusionCheckpoint,
} from "../../../text/denoiser/checkpoint.ts";
import type { DenoiserConfig, SamplingConfig } from "../../../text/settings.ts";
import { assertAllClose } from "../../assert_close.ts";
import { permitted } from "../../permissions.ts";
import { stateFrom } from "../../training/states.ts";

const { denoiser: DENOISER, sampling: SAMPLING } = PRESETS.nano;

Deno.test("checkDenoiser() refuses contradicting settings, naming the flags", () => {
  checkDenoiser(DENOISER);
  const refusals: [Partial<DenoiserConfig>, string][] = [
    [{ width: 9, heads: 2 }, "--denoiser-width 9 must be a multiple of"],
    [{ evalEvery: 3, logEvery: 2 }, "--diffusion-eval-every 3"],
    [{ coupledSampling: 0.1 }, "--coupled-sampling 0.1 is for --thought-passes multi"],
    [{ scheduledSampling: 0.1, prediction: "epsilon" }, "--prediction sample"],
    [{ objective: "flow_matching", minSnrGamma: 5 }, "--min-snr-gamma"],
    [{ minSnrGamma: 5, p2Gamma: 1 }, "leave one of them out"],
  ];
  for (const [changes, message] of refusals) {
    assertThrows(() => checkDenoiser({ ...DENOISER, ...changes }), UserError, message);
  }
});

for (
  const [given, run, message] of [
    [{ votes: 3 }, { condition: "rating" }, /^--votes 3 is for problems/],
    [{ votes: 3 }, { condition: "question" }, undefined],
    [{ eta: 1 }, { sampler: "euler" }, /^--eta 1 is for --sampler ddim: euler does not/],
    [{ eta: 1 }, { sampler: "ddim" }, undefined],
    [{ dataDir: "d" }, { dataset: "multiplication" }, /^--data-dir d: multiplication is generated/],
    [{ dataDir: "d" }, { dataset: "math" }, undefined],
    [{ digits: "2x2" }, { dataset: "math" }, /^--digits 2x2 is for --dataset multiplication/],
  ] as const
) {
  const words = JSON.stringify({ ...given, ...run });
  Deno.test(`checkSamplingFlags() ${message === undefined ? "accepts" : "refuses"} ${words}`, () => {
    const settings = {
      sampler: "ddim",
      dataset: "hotel_reviews",
      condition: "none",
      ...run,
    } as const;
    const check = () => checkSamplingFlags(given, settings);
    if (message === undefined) check();
    else assertMatch(assertThrows(check, UserError).message, message);
  });
}

Deno.test("checkTextSampling() refuses settings that the denoiser would ignore or cannot use", () => {
  checkTextSampling(SAMPLING, DENOISER);
  const refusals: [Partial<SamplingConfig & DenoiserConfig>, string][] = [
    [{ sampler: "flow_euler" }, "--sampler flow_euler is for --objective flow_matching"],
    [{ objective: "flow_matching" }, "use --sampler flow_euler"],
    [{ sampleSteps: 1001 }, "--sample-steps 1001 is more than the 1000 --timesteps"],
    [{ condition: "none" }, "--guidance 2 needs a condition"],
    [{ conditionDropout: 0 }, "--guidance 2 needs a condition"],
    [{ finalSigma: 2, condition: "question" }, "--final-sigma 2 is for texts"],
    [{ rating: 3, condition: "summary" }, "--rating 3 is for --condition rating, not summary"],
  ];
  for (const [changes, message] of refusals) {
    const sampling = { ...SAMPLING, ...changes };
    const denoiser = { ...DENOISER, ...changes };
    assertThrows(() => checkTextSampling(sampling, denoiser), UserError, message);
  }
});

Deno.test("textSamplerOptions() thresholds latents in units of their range", () => {
  const sampling = { ...SAMPLING, dynamicThreshold: 1 };
  const { constrainX0 } = textSamplerOptions(sampling, { range: 2 }, 3);
  // Samples within the range stay; others are divided by their largest magnitude in units of the range.
  assertAllClose(constrainX0!(Float32Array.of(1, -2, 0.5)), [1, -2, 0.5]);
  assertAllClose(constrainX0!(Float32Array.of(4, -2, 1)), [2, -1, 0.5]);
  assertEquals(textSamplerOptions(SAMPLING, { range: 2 }, 3).constrainX0, undefined);
});

Deno.test("loadTextData() has problems with thoughts, and refuses conditions they do not have", async () => {
  const settings = { dataset: "multiplication", digits: "2x1", validationSize: 5 } as const;
  const data = await loadTextData({}, settings);
  assertEquals(data.validation.length, 5);
  const { train, test, classes } = data.examples({ condition: "question", maxThoughts: 2 });
  assertEquals(classes, null);
  assertEquals(data.conditions, train.map(({ source }) => source!));
  for (const { source, targets, answer } of [...train.slice(0, 20), ...test.slice(0, 20)]) {
    // Digits stand apart, the least significant first.
    const numberOf = (text: string) => Number(text.split(" ").reverse().join(""));
    const [a, b] = source!.split(" * ").map(numberOf);
    assertEquals(numberOf(answer!), a! * b!);
    assertEquals(targets.length, 2);
    assertEquals(numberOf(targets[0]!), a! * b!);
    assertEquals(targets[1], `#### ${answer}`);
  }
  assertThrows(
    () => data.examples({ condition: "rating", maxThoughts: 1 }),
    UserError,
    "--condition rating is not for --dataset multiplication, countdown and math: use one of question",
  );
  const two = await loadTextData({}, { ...settings, digits: "1x2" });
  assertThrows(
    () => two.examples({ condition: "question", maxThoughts: 1 }),
    UserError,
    "--max-thoughts 1",
  );
  await assertRejects(
    () => loadTextData({}, { ...settings, digits: "2" }),
    UserError,
    "--digits 2: must be",
  );
});

Deno.test({
  name: "loadTextDenoiser() returns the model of textDiffusionCheckpoint()",
  ignore: !permitted({ name: "read" }, { name: "write" }),
  fn: async () => {
    const encoder = {
      vocabSize: 11,
      hiddenSize: 8,
      numHiddenLayers: 1,
      numAttentionHeads: 2,
      intermediateSize: 16,
      maxPositionEmbeddings: 7,
      typeVocabSize: 1,
      layerNormEps: 1e-12,
      initializerRange: 0.5,
    };
    const sizes = { latents: 2, latentWidth: 3, layers: 1, width: 8, heads: 2 };
    const config = textDenoiserConfig({ ...sizes, encoder, classes: 5 });
    const specs = { ...latentDenoiserSpecs(config), ...conditionEncoderSpecs(config) };
    const parameters = initParameters(specs, randomStream(0));
    const schedule = latentNoiseSchedule("tan_d", {
      numTrainTimesteps: 50,
      predictionType: "v_prediction",
    });
    const scale = {
      mean: Float32Array.of(1, 2, 3),
      deviation: Float32Array.of(4, 5, 6),
      range: 2.75,
    };
    const hashes = { vae: "abc", latentsHash: "def" };
    const model = { config, parameters, schedule, isFlow: false, scale, ...hashes };
    const folder = await Deno.makeTempDir();
    try {
      await writeCheckpoint(
        `${folder}/step`,
        textDiffusionCheckpoint({
          ...model,
          state: stateFrom(parameters, specs),
          step: 3,
          seed: 1,
          configHash: "hash",
        }),
      );
      const loaded = loadTextDenoiser(await loadCheckpoint(`${folder}/step`, { state: true }));
      assertEquals(loaded.config, config);
      assertEquals(ravel(loaded.parameters, specs), ravel(parameters, specs));
      assertEquals([loaded.scale, loaded.vae, loaded.isFlow], [scale, "abc", false]);
      assertEquals(loaded.schedule.predictionType, "v_prediction");
      assertAllClose(loaded.schedule.alphasCumprod, schedule.alphasCumprod, { rtol: 1e-12 });
      assertEquals(float32(loaded.scale.mean).shape, [3]);

      // The decoder may be another one; what makes latents may not.
      const place = `${folder}/step`;
      const opened = await openTextDenoiser(place, { hash: "other", latentsHash: "def" });
      assertEquals([opened.vae, opened.latentsHash], ["abc", "def"]);
      await assertRejects(
        () => openTextDenoiser(place, { hash: "abc", latentsHash: "other" }),
        UserError,
        "the latents of another autoencoder",
      );
      // An older checkpoint only has the hash of the whole autoencoder.
      const { latentsHash: _, ...older } = model;
      const state = stateFrom(parameters, specs);
      await writeCheckpoint(
        `${folder}/older`,
        textDiffusionCheckpoint({ ...older, state, step: 3, seed: 1, configHash: "hash" }),
      );
      await openTextDenoiser(`${folder}/older`, { hash: "abc", latentsHash: "other" });
      await assertRejects(
        () => openTextDenoiser(`${folder}/older`, { hash: "other", latentsHash: "def" }),
        UserError,
        "the latents of another autoencoder",
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
