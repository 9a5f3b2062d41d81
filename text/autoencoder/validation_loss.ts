/** Loss and accuracy of a text VAE on held-out texts, each token given the previous ones. */
import type { Device, OnDevice } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import type { HostArray } from "../../engine/tree.ts";
import { crossEntropy, IGNORED_LABEL } from "../../nn/cross_entropy.ts";
import { type ParameterSpecs, unravelTensor } from "../../nn/parameters.ts";
import type { TextBatch } from "../../vae/batches.ts";
import { decodeLogits, encodeLatents } from "../../vae/text_vae.ts";
import type { TextVaeConfig } from "../../vae/text_vae_config.ts";

/** The loss with teacher forcing, from the means of latents. */
export interface TextLoss {
  readonly loss: number; // nats per token, with the end token
  readonly perplexity: number; // exp(loss)
  readonly tokenAccuracy: number; // share of tokens that have the highest probability
  readonly tokens: number;
}

type Inputs = { parameters: HostArray; batch: TextBatch["arrays"] };
type Outputs = { loss: HostArray; right: HostArray; tokens: HostArray };

/** Compiles the loss. No noise is added to latents. */
export function compileTextLoss(
  device: Device,
  { config, specs }: { config: TextVaeConfig; specs: ParameterSpecs },
) {
  const compiled = device.compile<Inputs, Outputs>(
    ({ parameters: flat, batch }: OnDevice<Inputs>) => {
      const parameters = unravelTensor(flat, specs);
      const inputIds = batch.inputIds as tf.Tensor2D;
      const attentionMask = batch.attentionMask as tf.Tensor2D;
      const { mean } = encodeLatents(parameters, { inputIds, attentionMask }, config);
      const decoderInputIds = batch.decoderInputIds as tf.Tensor2D;
      const logits = tf.reshape(
        decodeLogits(parameters, mean, decoderInputIds, config),
        [-1, config.decoder.vocabSize], // [B, L, V] to [B L, V]
      ) as tf.Tensor2D;
      const labels = tf.reshape(batch.labels, [-1]) as tf.Tensor1D; // [B L]
      const counted = tf.cast(tf.notEqual(labels, IGNORED_LABEL), "float32");
      const likeliest = tf.cast(tf.argMax(logits, 1), "int32");
      return {
        loss: crossEntropy(logits, labels),
        right: tf.sum(tf.mul(tf.cast(tf.equal(likeliest, labels), "float32"), counted)),
        tokens: tf.sum(counted),
      };
    },
  );
  const measure = async (
    parameters: HostArray,
    batches: readonly TextBatch[],
  ): Promise<TextLoss> => {
    let [nats, right, tokens] = [0, 0, 0];
    for (const { arrays } of batches) {
      const result = await compiled({ parameters, batch: arrays });
      const count = result.tokens.data[0]!;
      nats += result.loss.data[0]! * count;
      right += result.right.data[0]!;
      tokens += count;
    }
    const loss = nats / tokens;
    return { loss, perplexity: Math.exp(loss), tokenAccuracy: right / tokens, tokens };
  };
  return Object.assign(measure, { dispose: () => compiled.dispose() });
}
