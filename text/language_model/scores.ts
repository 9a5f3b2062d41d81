/** Probabilities and features of texts under a GPT-2. */
import type { Device } from "../../engine/device.ts";
import { logSoftmaxRows, pickColumns } from "../../engine/fused_text.ts";
import * as tf from "../../engine/tf.ts";
import { type HostArray, int32 } from "../../engine/tree.ts";
import { IGNORED_LABEL } from "../../nn/cross_entropy.ts";
import { constants, type HostParameters, parameter } from "../../nn/parameters.ts";
import { bucketLengths } from "../../vae/buckets.ts";
import { type Gpt2Config, gpt2States } from "../../vae/gpt2.ts";
import { languageBatch, type LanguageExample } from "../../vae/language_batches.ts";

const BATCH = 16;

export interface LanguageScores {
  /** The negative log-probability of each sequence after its given tokens, in nats. */
  readonly nats: Float64Array;
  readonly counts: Uint32Array; // number of tokens of each sequence after its given tokens
  /** The last hidden state at the last token of each sequence, flat [N, width]. */
  readonly features: { readonly data: Float64Array; readonly width: number };
}

export interface LanguageReader {
  read(examples: readonly LanguageExample[]): Promise<LanguageScores>;
  dispose(): Promise<void>;
}

/** exp of the mean negative log-probability of a token, over the tokens of all sequences. */
export function perplexityOf({ nats, counts }: Pick<LanguageScores, "nats" | "counts">): number {
  const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
  return Math.exp(sum(nats) / sum(counts));
}

type Inputs = { tokens: HostArray; labels: HostArray; last: HostArray };

/** Compiles a GPT-2 that reads sequences. Its weights become constants of the graph. */
export function compileLanguageReader(
  device: Device,
  { config, parameters }: { readonly config: Gpt2Config; readonly parameters: HostParameters },
): LanguageReader {
  const width = config.nEmbd;
  const compiled = device.compile<Inputs, { nats: HostArray; features: HostArray }>(
    ({ tokens, labels, last }) => {
      const weights = constants(parameters);
      const [batch, length] = tokens.shape as [number, number];
      const h = gpt2States(weights, tokens as tf.Tensor2D, config);
      const states = tf.reshape(h, [batch * length, width]);
      const table = parameter(weights, "transformer.wte.weight") as tf.Tensor2D;
      const logs = logSoftmaxRows(tf.matMul(states, table, false, true) as tf.Tensor2D);
      // The label of a position is the next token; the last has none.
      const ignored = tf.fill([batch, 1], IGNORED_LABEL, "int32");
      const next = tf.reshape(
        tf.concat([tf.slice(labels, [0, 1], [batch, length - 1]), ignored], 1),
        [batch * length],
      );
      const counted = tf.cast(tf.notEqual(next, IGNORED_LABEL), "float32");
      const ids = tf.maximum(next, tf.scalar(0, "int32")) as tf.Tensor1D;
      const each = tf.mul(tf.neg(pickColumns(logs, ids)), counted);
      return {
        nats: tf.sum(tf.reshape(each, [batch, length]), 1),
        features: tf.gather(states, last as tf.Tensor1D), // [B, width]
      };
    },
  );
  const read = async (examples: readonly LanguageExample[]): Promise<LanguageScores> => {
    const nats = new Float64Array(examples.length);
    const data = new Float64Array(examples.length * width);
    const counts = Uint32Array.from(examples, ({ ids, given }) => ids.length - given);
    const lengths = bucketLengths(examples.map(({ ids }) => ids.length), {
      maximum: config.nPositions,
    });
    for (let start = 0; start < examples.length; start += BATCH) {
      const part = examples.slice(start, start + BATCH);
      // The last batch is filled up, so that it needs no other graph.
      const filled = Array.from({ length: BATCH }, (_, i) => part[i] ?? part[0]!);
      const { tokens, labels } = languageBatch(filled, lengths, 0);
      const length = tokens.shape[1]!;
      const last = int32(filled.map(({ ids }, row) => row * length + ids.length - 1));
      const found = await compiled({ tokens, labels, last });
      part.forEach((_, i) => {
        nats[start + i] = found.nats.data[i]!;
        data.set(found.features.data.subarray(i * width, (i + 1) * width), (start + i) * width);
      });
    }
    return { nats, counts, features: { data, width } };
  };
  return { read, dispose: () => compiled.dispose() };
}
