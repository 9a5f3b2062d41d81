import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { latentNoiseSchedule } from "../../../text/denoiser/schedules.ts";
import { latentDenoiserSpecs, textDenoiserConfig } from "../../../text/denoiser/network.ts";
import { openDevice } from "../../../engine/device.ts";
import { float32 } from "../../../engine/tree.ts";
import {
  curveFigures,
  denoisingCurve,
  noisePlace,
} from "../../../text/evaluation/denoising_curve.ts";
import type { SampleSession } from "../../../text/sampling/session.ts";
import { initParameters } from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import { PRESETS } from "../../../text/presets.ts";
import { trainBpe } from "../../../vae/tokenizer/bpe.ts";
import { TextTokenizer } from "../../../vae/tokenizer/tokenizer.ts";
import { assertAllClose } from "../../assert_close.ts";

const PREDICTIONS = ["sample", "epsilon", "v_prediction"] as const;

Deno.test("noisePlace() has the time step of the level, and the coefficients of x0", () => {
  const [x0, noise] = [0.7, -1.3];
  for (const predictionType of PREDICTIONS) {
    const schedule = latentNoiseSchedule("cosine", { numTrainTimesteps: 1000, predictionType });
    const { timestep, mix: [s, n], x0: [p, q] } = noisePlace(0.5, { schedule, isFlow: false });
    assertAlmostEquals(schedule.alphasCumprod[timestep]!, 0.5, 2e-3);
    assertAlmostEquals(s * s + n * n, 1, 1e-12);
    const output = { sample: x0, epsilon: noise, v_prediction: s * noise - n * x0 }[predictionType];
    assertAlmostEquals(p * output + q * (s * x0 + n * noise), x0, 1e-12);
  }
  // A flow: x_t = (1 - t) x0 + t noise, the velocity being noise - x0.
  const schedule = latentNoiseSchedule("cosine", { numTrainTimesteps: 1000 });
  const { timestep, mix: [s, n], x0: [p, q] } = noisePlace(0.8, { schedule, isFlow: true });
  assertAlmostEquals(n, timestep / 1000, 1e-12);
  assertAlmostEquals(s * s / (s * s + n * n), 0.8, 1e-12);
  assertAlmostEquals(p * (noise - x0) + q * (s * x0 + n * noise), x0, 1e-12);
});

Deno.test("denoisingCurve() decodes clean latents at 1, and restored ones below", async () => {
  const shortTexts = ["one two three four five", "five four three two"];
  // The first text is too long for the autoencoder, which must not count against the denoiser.
  const texts = [`${shortTexts[0]} eleven twelve thirteen`, shortTexts[1]!];
  const files = trainBpe(texts, { vocabSize: 400 });
  const tokenizer = new TextTokenizer(files.tokenizer, files.config);
  const maxTokens = tokenizer.encode(shortTexts[0]!, { splitSpecialTokens: true }).length;
  const config = textDenoiserConfig({ latents: 1, latentWidth: 2, layers: 1, width: 8, heads: 2 });
  const device = await openDevice("cpu");
  // A new transformer predicts an x0 of zero.
  const parameters = initParameters(latentDenoiserSpecs(config), randomStream(0));
  const schedule = latentNoiseSchedule("cosine", {
    numTrainTimesteps: 100,
    predictionType: "sample",
  });
  const decoded: number[][] = [];
  const session = {
    device,
    vae: { tokenizer, encoderTokenizer: tokenizer, config: { maxTokens } },
    model: { config, parameters, schedule, isFlow: false },
    config: { ...PRESETS.smoke.denoiser, condition: "none" },
    sampling: { ...PRESETS.smoke.sampling, sampleBatchSize: 2 },
    batches: { conditionOf: () => ({}) },
    encode: (texts: readonly string[]) =>
      Promise.resolve(
        float32(texts.flatMap((text) => [shortTexts.indexOf(text) + 1, 5]), [texts.length, 1, 2]),
      ),
    decode: ({ data, shape }: { data: ArrayLike<number>; shape: readonly number[] }) => {
      decoded.push(Array.from(data));
      return Promise.resolve(
        Array.from({ length: shape[0]! }, (_, i) => [shortTexts[data[2 * i]! - 1] ?? "nothing"]),
      );
    },
  } as unknown as SampleSession;
  const examples = texts.map((text) => ({ targets: [text] }));
  const points = await denoisingCurve(session, examples, randomStream(1));
  assertEquals(points.map(({ alphaCumprod }) => alphaCumprod), [
    1,
    0.9,
    0.8,
    0.7,
    0.6,
    0.5,
    0.4,
    0.3,
    0.2,
    0.1,
  ]);
  assertAlmostEquals(points[0]!.bleu, 100, 1e-9);
  assert(points.slice(1).every(({ bleu }) => bleu === 0));
  assertEquals(decoded[0], [1, 5, 2, 5]);
  assertAllClose(decoded[5]!, [0, 0, 0, 0], { atol: 1e-6 });
  const [half, area] = curveFigures(points, 2);
  assertEquals(half!.measured, 0);
  assertAlmostEquals(area!.measured, 0.1 * 100 / 2, 1e-9); // the triangle from 0.9 to 1
});
