/** Greedy decoding with a GPT-2 and a cache of keys and values. */
import type { Device } from "../engine/device.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray, int32 } from "../engine/tree.ts";
import { lookup } from "../nn/lookup.ts";
import { constants, type HostParameters, parameter } from "../nn/parameters.ts";
import { MASKED } from "./attention_bias.ts";
import { type Gpt2Config, gpt2Layers, tokenTable } from "./gpt2.ts";

/** A GPT-2 ready to decode. */
export interface Gpt2Decoder {
  /**
   * Continues texts with the likeliest token, again and again.
   *
   * @param starts What stands before [B, P, width], without positions; or the first tokens [B].
   * @param count Tokens to make.
   * @returns [B, count], row by row.
   */
  greedy(starts: HostArray, count: number): Promise<Int32Array>;
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

/**
 * Compiles a GPT-2 for decoding. Its weights become constants of the graph. One graph serves every
 * position: the cache has its full length from the start, on the host, and a mask hides what is not
 * there yet. A step hears the cache and its own key and value apart and gives only the latter, which
 * the host writes to their place, so that no step copies the cache.
 *
 * @param capacity Positions that the cache has room for.
 */
export function compileGpt2Decoder(
  device: Device,
  parameters: HostParameters,
  config: Gpt2Config,
  capacity: number,
): Gpt2Decoder {
  const { nEmbd: width, nHead: heads, nLayer: layers } = config;
  const size = width / heads;
  type Inputs = {
    start: HostArray;
    position: HostArray;
    bias: HostArray;
    keys: HostArray[];
    values: HostArray[];
  };
  type Outputs = { token: HostArray; added: HostArray };
  const step = device.compile<Inputs, Outputs>(({ start, position, bias, keys, values }) => {
    const weights = constants(parameters);
    const batch = start.shape[0]!;
    const words = start.rank === 1 ? lookup(tokenTable(weights), start) : start;
    const place = tf.gather(parameter(weights, "transformer.wpe.weight"), position as tf.Tensor1D);
    const added: tf.Tensor[] = [];
    const embeddings = tf.reshape(tf.add(words, place), [batch, 1, width]);
    const h = gpt2Layers(weights, embeddings, config, (q, k, v, layer) => {
      const [query, key, value] = [tf.mul(q, 1 / Math.sqrt(size)), k, v]
        .map((x) => tf.reshape(x, [batch, heads, 1, size])) as [tf.Tensor, tf.Tensor, tf.Tensor];
      added.push(
        tf.reshape(key, [1, batch, heads, size]),
        tf.reshape(value, [1, batch, heads, size]),
      );
      const past = tf.add(tf.matMul(query, keys[layer]!, false, true), bias);
      const now = tf.sum(tf.mul(query, key), -1, true); // [B, heads, 1, 1]
      const heard = tf.softmax(tf.concat([past, now], -1));
      const [ofPast, ofNow] = tf.split(heard, [capacity, 1], -1);
      const sum = tf.add(tf.matMul(ofPast!, values[layer]!), tf.mul(ofNow!, value));
      return tf.reshape(sum, [batch, 1, width]);
    });
    const logits = tf.matMul(tf.reshape(h, [batch, width]), tokenTable(weights), false, true);
    return { token: tf.argMax(logits, 1), added: tf.concat(added, 0) };
  });
  const greedy = async (starts: HostArray, count: number) => {
    const batch = starts.shape[0]!;
    const shape = [batch, heads, capacity, size];
    const cache = Array.from(
      { length: 2 * layers },
      () => float32(new Float32Array(batch * heads * capacity * size), shape),
    );
    const keys = cache.filter((_, i) => i % 2 === 0);
    const values = cache.filter((_, i) => i % 2 === 1);
    const bias = new Float32Array(capacity).fill(MASKED);
    const prefix = starts.shape.length === 3 ? starts.shape[1]! : 1;
    const tokens = new Int32Array(batch * count);
    let start = starts.shape.length === 3 ? rowsAt(starts, 0) : starts;
    for (let position = 0; position < prefix - 1 + count; position++) {
      const { token, added } = await step({
        start,
        position: int32([position]),
        bias: float32(bias, [1, 1, 1, capacity]),
        keys,
        values,
      });
      for (let i = 0, from = 0; i < cache.length; i++) {
        const data = cache[i]!.data as Float32Array;
        for (let row = 0; row < batch * heads; row++, from += size) {
          data.set(added.data.subarray(from, from + size), (row * capacity + position) * size);
        }
      }
      bias[position] = 0;
      const made = position - (prefix - 1);
      if (made < 0) {
        start = rowsAt(starts, position + 1);
        continue;
      }
      token.data.forEach((id, row) => tokens[row * count + made] = id);
      start = token;
    }
    return tokens;
  };
  return { greedy, dispose: () => step.dispose() };
}

/** The rows [B, width] at one position of [B, P, width]. */
function rowsAt({ data, shape }: HostArray, position: number): HostArray {
  const [batch, length, width] = shape as [number, number, number];
  const rows = new Float32Array(batch * width);
  for (let b = 0; b < batch; b++) {
    const from = (b * length + position) * width;
    rows.set(data.subarray(from, from + width), b * width);
  }
  return float32(rows, [batch, width]);
}
