import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { openDevice } from "../../engine/device.ts";
import { UserError } from "../../base/errors.ts";
import * as tf from "../../engine/tf.ts";
import { constants, initParameters } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { gpt2 } from "../../vae/gpt2.ts";
import {
  decodeLogits,
  encodeLatents,
  latentPrefix,
  partOf,
  textVaeSpecs,
} from "../../vae/text_vae.ts";
import { checkTextVaeConfig, LATENT_KINDS, type TextVaeConfig } from "../../vae/text_vae_config.ts";
import { latentDivergence, sampleLatents, textVaeLoss } from "../../vae/text_vae_loss.ts";
import { tinyTextVae } from "./tiny_text_vae.ts";

await openDevice("cpu");

const LN2 = Math.log(2);

Deno.test("latentDivergence() is the sum over latents and the mean over texts", () => {
  // PLANNER's sum: mu = [0.5, -1], log variance [0, ln 0.25] gives 0.9431472.
  tf.tidy(() => {
    const mean = tf.tensor3d([0.5, -1], [1, 1, 2]);
    const logVariance = tf.tensor3d([0, -2 * LN2], [1, 1, 2]);
    assertAlmostEquals(latentDivergence({ mean, logVariance }).dataSync()[0]!, 0.9431472, 1e-6);
    const twice = { mean: tf.tile(mean, [2, 1, 1]), logVariance: tf.tile(logVariance, [2, 1, 1]) };
    assertAlmostEquals(
      latentDivergence(twice as { mean: tf.Tensor3D; logVariance: tf.Tensor3D }).dataSync()[0]!,
      0.9431472,
      1e-6,
    );
  });
});

Deno.test("latentDivergence() counts free bits for each number, and gives no gradient below them", () => {
  tf.tidy(() => {
    // 0.125 nats and 0.8181472 nats.
    const logVariance = tf.tensor3d([0, -2 * LN2], [1, 1, 2]);
    const loss = (mean: tf.Tensor) =>
      latentDivergence({ mean: mean as tf.Tensor3D, logVariance }, 0.5);
    const mean = tf.tensor3d([0.5, -1], [1, 1, 2]);
    assertAlmostEquals(loss(mean).dataSync()[0]!, 0.5 + 0.8181472, 1e-6);
    assertEquals([...tf.grad(loss)(mean).dataSync()], [0, -1]);
  });
});

Deno.test("sampleLatents() adds noise of the learned deviation, or of the given one", () => {
  tf.tidy(() => {
    const mean = tf.tensor3d([1, 2], [1, 1, 2]);
    const noise = tf.tensor3d([1, -1], [1, 1, 2]);
    const logVariance = tf.tensor3d([0, 2 * LN2], [1, 1, 2]);
    assertEquals([...sampleLatents({ mean, logVariance }, noise, 9).dataSync()], [2, 0]);
    assertEquals([...sampleLatents({ mean }, noise, 0.5).dataSync()], [1.5, 1.5]);
    assertEquals([...sampleLatents({ mean }, noise, 0).dataSync()], [1, 2]);
  });
});

/** One text of five tokens, padded to `length`. */
function inputs(length: number) {
  const ids = [3, 5, 6, 7, 8, 9, 4];
  const pad = Array(length - ids.length).fill(0);
  return {
    inputIds: tf.tensor2d([[...ids, ...pad]], [1, length], "int32"),
    attentionMask: tf.tensor2d([[...ids.map(() => 1), ...pad]], [1, length], "int32"),
  };
}

Deno.test("encodeLatents() keeps each kind in its range, and does not depend on padding", () => {
  for (const source of ["first", "tokens", "stretches", "resampler"] as const) {
    for (const kind of LATENT_KINDS) {
      tf.tidy(() => {
        const config = tinyTextVae(source, kind);
        const weights = constants(initParameters(textVaeSpecs(config), randomStream(1)));
        const { mean, logVariance } = encodeLatents(weights, inputs(8), config);
        assertEquals(mean.shape, [1, 4, 6]);
        assertEquals(logVariance?.shape, kind === "kl" ? [1, 4, 6] : undefined);
        if (kind === "l2") {
          const lengths = tf.sum(tf.square(mean), -1).dataSync();
          for (const length of lengths) assertAlmostEquals(length, 6, 1e-3);
        } else {
          for (const value of mean.dataSync()) assertAlmostEquals(value, 0, 1);
        }
        const longer = encodeLatents(weights, inputs(14), config).mean.dataSync();
        mean.dataSync().forEach((value, i) => assertAlmostEquals(longer[i]!, value, 1e-5));
      });
    }
  }
});

Deno.test("decodeLogits() is GPT-2 with the latents as a prefix", () => {
  tf.tidy(() => {
    const config = tinyTextVae("first");
    const weights = constants(initParameters(textVaeSpecs(config), randomStream(2)));
    const latents = tf.tensor3d(randomStream(3).normal(2 * 4 * 6), [2, 4, 6]);
    const tokens = tf.tensor2d([1, 5, 6, 1, 7, 8], [2, 3], "int32");
    const found = decodeLogits(weights, latents, tokens, config);
    const prefix = latentPrefix(weights, latents, config);
    const all = gpt2(partOf(weights, "decoder."), tokens, config.decoder, prefix);
    const expected = tf.slice(all, [0, 4, 0], [2, 3, 20]).dataSync();
    found.dataSync().forEach((value, i) => assertAlmostEquals(value, expected[i]!, 1e-5));
  });
});

Deno.test("textVaeLoss() adds beta times the divergence to the nats per token", () => {
  tf.tidy(() => {
    const config = tinyTextVae("first");
    const weights = constants(initParameters(textVaeSpecs(config), randomStream(2)));
    const batch = {
      ...inputs(8),
      decoderInputIds: tf.tensor2d([[1, 5, 6, 7, 8, 9, 1, 1]], [1, 8], "int32"),
      labels: tf.tensor2d([[5, 6, 7, 8, 9, 1, -100, -100]], [1, 8], "int32"),
      noise: tf.zeros([1, 4, 6]) as tf.Tensor3D,
    };
    const { loss, figures } = textVaeLoss(weights, batch, config, { beta: 0.01 });
    const [nats, divergence] = [figures.reconstruction, figures.divergence]
      .map((figure) => figure.dataSync()[0]!) as [number, number];
    assertAlmostEquals(loss.dataSync()[0]!, nats + 0.01 * divergence, 1e-5);
    // The mean over six labels of -log softmax, from the logits.
    const { mean } = encodeLatents(weights, batch, config);
    const logs = tf.logSoftmax(decodeLogits(weights, mean, batch.decoderInputIds, config));
    const rows = logs.arraySync() as number[][][];
    const expected = [5, 6, 7, 8, 9, 1].reduce((sum, id, i) => sum - rows[0]![i]![id]! / 6, 0);
    assertAlmostEquals(nats, expected, 1e-5);
  });
});

Deno.test("checkTextVaeConfig() names the sizes when they are inconsistent", () => {
  const changed = (change: Partial<TextVaeConfig>) => ({ ...tinyTextVae("first"), ...change });
  for (
    const [config, message] of [
      [changed({ maxTokens: 30 }), "positions of the encoder, which has 20"],
      [changed({ latents: 19 }), "positions of the decoder, which has 30"],
      [changed({ latents: 5, latentSource: "stretches" }), "5 latents cannot share 12 tokens"],
    ] as const
  ) assertThrows(() => checkTextVaeConfig(config), UserError, message);
});
