/** Decoding with a GPT-2 and a cache of keys and values. */
import type { Device, OnDevice } from "../engine/device.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray, int32 } from "../engine/tree.ts";
import { attention } from "../nn/attention.ts";
import { constants, type HostParameters, parameter, type Parameters } from "../nn/parameters.ts";
import { causalBias, MASKED } from "./attention_bias.ts";
import { type Gpt2Config, gpt2Layers } from "./gpt2.ts";

/** What has been heard so far, for each of B texts. A step writes to it. */
export interface DecoderCache {
  /** Texts. */
  readonly batch: number;
  /** Each layer's keys, each layer's values: [B, heads, capacity, size]. */
  readonly keys: readonly HostArray[];
  /** See keys. */
  readonly values: readonly HostArray[];
  /** What hides the positions that are not there yet [capacity]. */
  readonly bias: Float32Array<ArrayBuffer>;
  /** The next position. */
  position: number;
}

/** A GPT-2 ready to decode. */
export interface Gpt2Decoder {
  /**
   * Continues texts with the likeliest token, again and again.
   *
   * @param starts What stands before [B, P, width], without positions; or the first tokens [B].
   * @param count Tokens to make.
   * @param options `endId`: the token after which a text is over; when all are, no more is computed.
   * @returns [B, count], row by row; `endId` behind a text's end.
   */
  greedy(starts: HostArray, count: number, options?: { endId?: number }): Promise<Int32Array>;
  /**
   * Begins texts.
   *
   * @param starts As in greedy.
   * @returns The cache, and the logits of the next token [B, V].
   */
  begin(starts: HostArray): Promise<{ cache: DecoderCache; logits: Float32Array }>;
  /**
   * Says one more token of each text.
   *
   * @param tokens [B]
   * @returns The logits of the token after it [B, V].
   */
  next(cache: DecoderCache, tokens: Int32Array): Promise<Float32Array>;
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

type StepInputs = {
  /** What is said [B, width], without its position. */
  start: HostArray;
  /** The table of tokens [V, width]. */
  table: HostArray;
  position: HostArray;
  bias: HostArray;
  keys: readonly HostArray[];
  values: readonly HostArray[];
};

/**
 * Compiles a GPT-2 for decoding. Its weights become constants of the graph, but for the table of tokens.
 * One graph serves every position: the cache has its full length from the start, on the host, and a mask
 * hides what is not there yet. A step hears the cache and its own key and value apart and gives only the
 * latter, which the host writes to their place, so that no step copies the cache. A prefix is heard all
 * at once.
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

  /** One position of each text: logits [B, V], and its keys and values [2 layers, B, heads, size]. */
  const hear = ({ start, table, position, bias, keys, values }: OnDevice<StepInputs>) => {
    const weights = constants(parameters);
    const batch = start.shape[0]!;
    const place = tf.gather(parameter(weights, "transformer.wpe.weight"), position as tf.Tensor1D);
    const added: tf.Tensor[] = [];
    const embeddings = tf.reshape(tf.add(start, place), [batch, 1, width]);
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
    const logits = tf.matMul(tf.reshape(h, [batch, width]), table as tf.Tensor2D, false, true);
    return { logits, added: tf.concat(added, 0) };
  };
  const greedyStep = device.compile<StepInputs, { token: HostArray; added: HostArray }>(
    (inputs) => {
      const { logits, added } = hear(inputs);
      return { token: tf.argMax(logits, 1), added };
    },
  );
  const logitsStep = device.compile<StepInputs, { logits: HostArray; added: HostArray }>(hear);
  const prefill = device.compile<{ embeddings: HostArray }, { added: HostArray }>(
    ({ embeddings }) => ({
      added: prefixKeysAndValues(constants(parameters), embeddings as tf.Tensor3D, config),
    }),
  );

  /** Writes keys and values [2 layers, B, N, heads, size] to their places. */
  const write = ({ keys, values, bias, batch, ...cache }: DecoderCache, added: HostArray) => {
    const data = added.data as Float32Array;
    const count = data.length / (2 * layers * batch * width);
    let from = 0;
    for (let layer = 0; layer < layers; layer++) {
      for (const { data: target } of [keys[layer]!, values[layer]!]) {
        for (let row = 0; row < batch; row++) {
          for (let i = 0; i < count; i++) {
            for (let head = 0; head < heads; head++, from += size) {
              const place = (row * heads + head) * capacity + cache.position + i;
              (target as Float32Array).set(data.subarray(from, from + size), place * size);
            }
          }
        }
      }
    }
    bias.fill(0, cache.position, cache.position + count);
    return count;
  };
  // The table is not a constant, and tokens are looked up in it on the host: ONNX Runtime would hold it
  // as it lies and as its products want it. For GPT-2 this takes 1.15 instead of 1.42 GB at the peak, and
  // 1.1 times as long for one text, 1.2 times for 16.
  const table = parameters["transformer.wte.weight"]!;
  const embed = (tokens: HostArray) => {
    const rows = new Float32Array(tokens.data.length * width);
    tokens.data.forEach((id, row) =>
      rows.set((table.data as Float32Array).subarray(id * width, (id + 1) * width), row * width)
    );
    return float32(rows, [tokens.data.length, width]);
  };
  const inputsOf = ({ position, bias, keys, values }: DecoderCache, start: HostArray) => ({
    ...{ start: start.shape.length === 1 ? embed(start) : start, table, keys, values },
    position: int32([position]),
    bias: float32(bias, [1, 1, 1, capacity]),
  });

  /** A cache that has heard all but the last of what the texts start with, and that last. */
  const open = async (starts: HostArray): Promise<{ cache: DecoderCache; last: HostArray }> => {
    const batch = starts.shape[0]!;
    const tables = () =>
      Array.from(
        { length: layers },
        () => float32(new Float32Array(batch * capacity * width), [batch, heads, capacity, size]),
      );
    const cache: DecoderCache = {
      ...{ batch, keys: tables(), values: tables(), position: 0 },
      bias: new Float32Array(capacity).fill(MASKED),
    };
    if (starts.shape.length !== 3) return { cache, last: starts };
    const length = starts.shape[1]! - 1;
    if (length > 0) {
      const { added } = await prefill({ embeddings: columns(starts, 0, length) });
      cache.position += write(cache, added);
    }
    const { data } = columns(starts, length, 1);
    return { cache, last: float32(data as Float32Array, [batch, width]) };
  };
  const advance = async (cache: DecoderCache, start: HostArray) => {
    const { logits, added } = await logitsStep(inputsOf(cache, start));
    cache.position += write(cache, added);
    return logits.data as Float32Array;
  };
  const greedy = async (starts: HostArray, count: number, { endId }: { endId?: number } = {}) => {
    const { cache, last } = await open(starts);
    const { batch } = cache;
    const tokens = new Int32Array(batch * count).fill(endId ?? 0);
    const ended = new Set<number>();
    let start = last;
    for (let made = 0; made < count && ended.size < batch; made++) {
      const { token, added } = await greedyStep(inputsOf(cache, start));
      cache.position += write(cache, added);
      token.data.forEach((id, row) => {
        if (!ended.has(row)) tokens[row * count + made] = id;
        if (id === endId) ended.add(row);
      });
      start = token;
    }
    return tokens;
  };
  return {
    greedy,
    begin: async (starts) => {
      const { cache, last } = await open(starts);
      return { cache, logits: await advance(cache, last) };
    },
    next: (cache, tokens) => advance(cache, int32(tokens)),
    dispose: async () => {
      for (const compiled of [greedyStep, logitsStep, prefill]) await compiled.dispose();
    },
  };
}

/** Keys and values [2 layers, B, N, width] of embeddings [B, N, width] that stand at the beginning. */
function prefixKeysAndValues(
  weights: Parameters,
  embeddings: tf.Tensor3D,
  config: Gpt2Config,
): tf.Tensor {
  const [batch, length, width] = embeddings.shape;
  const table = parameter(weights, "transformer.wpe.weight") as tf.Tensor2D;
  const places = tf.slice(table, [0, 0], [length, width]);
  const bias = causalBias(length);
  const added: tf.Tensor[] = [];
  gpt2Layers(weights, tf.add(embeddings, places), config, (q, k, v) => {
    added.push(...[k, v].map((x) => tf.reshape(x, [1, batch, length, width])));
    return attention(q, k, v, { heads: config.nHead, bias });
  });
  return tf.concat(added, 0);
}

/** The columns from `first` on of [B, P, width]: [B, count, width]. */
function columns({ data, shape }: HostArray, first: number, count: number): HostArray {
  const [batch, length, width] = shape as [number, number, number];
  const rows = new Float32Array(batch * count * width);
  for (let b = 0; b < batch; b++) {
    const from = (b * length + first) * width;
    rows.set(data.subarray(from, from + count * width), b * count * width);
  }
  return float32(rows, [batch, count, width]);
}

/**
 * Puts texts in another order, as beam search does: row i becomes what row `rows[i]` was. The new
 * cache shares no memory with the old one.
 */
export function reorderCache(cache: DecoderCache, rows: readonly number[]): DecoderCache {
  const reorder = ({ data, shape }: HostArray) => {
    const size = data.length / cache.batch;
    const moved = new Float32Array(rows.length * size);
    rows.forEach((row, i) => moved.set(data.subarray(row * size, (row + 1) * size), i * size));
    return float32(moved, [rows.length, ...shape.slice(1)]);
  };
  return {
    batch: rows.length,
    keys: cache.keys.map(reorder),
    values: cache.values.map(reorder),
    bias: cache.bias.slice(),
    position: cache.position,
  };
}
