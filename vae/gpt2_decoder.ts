/** Decoding with a GPT-2, token by token, with a cache of keys and values. */
import type { Device, OnDevice } from "../engine/device.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray, int32 } from "../engine/tree.ts";
import { attention } from "../nn/attention.ts";
import { constants, type HostParameters, parameter, type Parameters } from "../nn/parameters.ts";
import { causalBias, MASKED } from "./attention_bias.ts";
import { type Gpt2Config, gpt2Layers } from "./gpt2.ts";

/** Keys and values of all positions so far, of B texts. A step writes to it. */
export interface DecoderCache {
  /** B, the number of texts. */
  readonly batch: number;
  /** The keys of each layer: [B, heads, capacity, size]. */
  readonly keys: readonly HostArray[];
  /** The values of each layer: [B, heads, capacity, size]. */
  readonly values: readonly HostArray[];
  /** The mask that hides the positions that are still empty: [capacity]. */
  readonly bias: Float32Array<ArrayBuffer>;
  /** The next position. */
  position: number;
}

/** A GPT-2 ready to decode. */
export interface Gpt2Decoder {
  /**
   * Continues texts greedily by `count` tokens: [B, count], row by row. Texts begin with embeddings [B, P,
   * width] without positions, or with tokens [B]. They are padded with `endId` after this token; decoding
   * stops when all texts have ended.
   */
  greedy(
    starts: HostArray,
    count: number,
    options?: { endId?: number | undefined },
  ): Promise<Int32Array>;
  /** Begins texts, with `starts` as in greedy. Returns the cache, and the logits of the next token [B, V]. */
  begin(starts: HostArray): Promise<{ cache: DecoderCache; logits: Float32Array }>;
  /** Appends a token to each text [B], and returns the logits of the token after it [B, V]. */
  next(cache: DecoderCache, tokens: Int32Array): Promise<Float32Array>;
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

type StepInputs = {
  /** The embeddings of the newest tokens [B, width], without positions. */
  start: HostArray;
  table: HostArray;
  /** The position of the newest tokens [1]. */
  position: HostArray;
  /** The cache's mask [1, 1, 1, capacity]. */
  bias: HostArray;
  keys: readonly HostArray[];
  values: readonly HostArray[];
};

/**
 * Compiles a GPT-2 for decoding. Its weights become constants of the graph, except for the table of
 * tokens. One graph serves every position: the cache has its full length from the start, on the host,
 * and a mask hides empty positions. A step attends to the cache and to its own key and value separately
 * and returns only the latter, which the host writes to the cache, so that no step copies the cache. All
 * positions of a prefix are computed together.
 *
 * @param capacity The number of positions that the cache has room for.
 */
export function compileGpt2Decoder(
  device: Device,
  parameters: HostParameters,
  config: Gpt2Config,
  capacity: number,
): Gpt2Decoder {
  const greedyStep = device.compile<StepInputs, { token: HostArray; added: HostArray }>(
    (inputs) => {
      const { logits, added } = decodeStep(constants(parameters), inputs, config);
      return { token: tf.argMax(logits, 1), added };
    },
  );
  const logitsStep = device.compile<StepInputs, { logits: HostArray; added: HostArray }>(
    (inputs) => decodeStep(constants(parameters), inputs, config),
  );
  const prefill = device.compile<{ embeddings: HostArray }, { added: HostArray }>(
    ({ embeddings }) => ({
      added: prefixKeysAndValues(constants(parameters), embeddings as tf.Tensor3D, config),
    }),
  );
  // The table is an input, and the host looks tokens up in it: as a constant, ONNX Runtime would hold it
  // twice, as it is and in the order that its matrix product needs. For GPT-2 this takes 1.15 instead of
  // 1.42 GB at the peak, and 1.1 times the time for one text, 1.2 times for 16.
  const table = parameters["transformer.wte.weight"]!;
  const inputsOf = ({ position, bias, keys, values }: DecoderCache, start: HostArray) => ({
    start: start.shape.length === 1 ? embedTokens(table, start) : start,
    table,
    position: int32([position]),
    bias: float32(bias, [1, 1, 1, capacity]),
    keys,
    values,
  });

  /** A cache with all positions of `starts` except for the last one, and that one [B, width] or [B]. */
  const open = async (starts: HostArray): Promise<{ cache: DecoderCache; last: HostArray }> => {
    const cache = emptyCache(starts.shape[0]!, config, capacity);
    if (starts.shape.length !== 3) return { cache, last: starts };
    const length = starts.shape[1]! - 1;
    if (length > 0) {
      const { added } = await prefill({ embeddings: columns(starts, 0, length) });
      append(cache, added);
    }
    const { data } = columns(starts, length, 1);
    return { cache, last: float32(data, [cache.batch, config.nEmbd]) };
  };
  const advance = async (cache: DecoderCache, start: HostArray) => {
    const { logits, added } = await logitsStep(inputsOf(cache, start));
    append(cache, added);
    return logits.data as Float32Array;
  };
  return {
    greedy: async (starts, count, { endId } = {}) => {
      const { cache, last } = await open(starts);
      const { batch } = cache;
      const tokens = new Int32Array(batch * count).fill(endId ?? 0);
      const ended = new Set<number>();
      let start = last;
      for (let length = 0; length < count && ended.size < batch; length++) {
        const { token, added } = await greedyStep(inputsOf(cache, start));
        append(cache, added);
        token.data.forEach((id, row) => {
          if (!ended.has(row)) tokens[row * count + length] = id;
          if (id === endId) ended.add(row);
        });
        start = token;
      }
      return tokens;
    },
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

/** One position of each text: logits [B, V], and its keys and values [2 layers, B, heads, size]. */
function decodeStep(
  weights: Parameters,
  { start, table, position, bias, keys, values }: OnDevice<StepInputs>,
  config: Gpt2Config,
): { logits: tf.Tensor; added: tf.Tensor } {
  const { nEmbd: width, nHead: heads } = config;
  const batch = start.shape[0]!;
  const capacity = bias.shape.at(-1)!;
  const size = width / heads;
  const place = tf.gather(parameter(weights, "transformer.wpe.weight"), position as tf.Tensor1D);
  const added: tf.Tensor[] = [];
  const embeddings = tf.reshape(tf.add(start, place), [batch, 1, width]);
  const ofHeads = (x: tf.Tensor) => tf.reshape(x, [batch, heads, 1, size]);
  const h = gpt2Layers(weights, embeddings, config, (q, k, v, layer) => {
    const query = ofHeads(tf.mul(q, 1 / Math.sqrt(size)));
    const key = ofHeads(k);
    const value = ofHeads(v);
    added.push(
      tf.reshape(key, [1, batch, heads, size]),
      tf.reshape(value, [1, batch, heads, size]),
    );
    const pastScores = tf.add(tf.matMul(query, keys[layer]!, false, true), bias);
    const ownScore = tf.sum(tf.mul(query, key), -1, true); // [B, heads, 1, 1]
    const attended = tf.softmax(tf.concat([pastScores, ownScore], -1));
    const [past, own] = tf.split(attended, [capacity, 1], -1);
    const sum = tf.add(tf.matMul(past!, values[layer]!), tf.mul(own!, value));
    return tf.reshape(sum, [batch, 1, width]);
  });
  const logits = tf.matMul(tf.reshape(h, [batch, width]), table as tf.Tensor2D, false, true);
  return { logits, added: tf.concat(added, 0) };
}

/** Keys and values [2 layers, B, N, width] of embeddings [B, N, width] at the first positions. */
function prefixKeysAndValues(
  weights: Parameters,
  embeddings: tf.Tensor3D,
  config: Gpt2Config,
): tf.Tensor {
  const [batch, length, width] = embeddings.shape;
  const table = parameter(weights, "transformer.wpe.weight") as tf.Tensor2D;
  const positions = tf.slice(table, [0, 0], [length, width]);
  const bias = causalBias(length);
  const added: tf.Tensor[] = [];
  gpt2Layers(weights, tf.add(embeddings, positions), config, (q, k, v) => {
    added.push(...[k, v].map((x) => tf.reshape(x, [1, batch, length, width])));
    return attention(q, k, v, { heads: config.nHead, bias });
  });
  return tf.concat(added, 0);
}

function emptyCache(
  batch: number,
  { nLayer, nHead: heads, nEmbd: width }: Gpt2Config,
  capacity: number,
): DecoderCache {
  const shape = [batch, heads, capacity, width / heads];
  const layers = () =>
    Array.from(
      { length: nLayer },
      () => float32(new Float32Array(batch * capacity * width), shape),
    );
  return {
    batch,
    keys: layers(),
    values: layers(),
    bias: new Float32Array(capacity).fill(MASKED),
    position: 0,
  };
}

/** Appends the keys and values of N positions [2 layers, B, N, heads, size] to a cache. */
function append(cache: DecoderCache, { data }: HostArray): void {
  const { batch, keys, values, bias, position } = cache;
  const [, heads, capacity, size] = keys[0]!.shape as [number, number, number, number];
  const count = data.length / (2 * keys.length * batch * heads * size);
  let from = 0;
  for (let layer = 0; layer < keys.length; layer++) {
    for (const { data: target } of [keys[layer]!, values[layer]!]) {
      for (let row = 0; row < batch; row++) {
        for (let i = 0; i < count; i++) {
          for (let head = 0; head < heads; head++, from += size) {
            const place = (row * heads + head) * capacity + position + i;
            target.set(data.subarray(from, from + size), place * size);
          }
        }
      }
    }
  }
  bias.fill(0, position, position + count);
  cache.position += count;
}

/** The rows [B, width] of a table [V, width] for tokens [B]. */
function embedTokens({ data, shape }: HostArray, tokens: HostArray): HostArray {
  const width = shape[1]!;
  const rows = new Float32Array(tokens.data.length * width);
  tokens.data.forEach((id, row) =>
    rows.set(data.subarray(id * width, (id + 1) * width), row * width)
  );
  return float32(rows, [tokens.data.length, width]);
}

/** The columns from `first` on of [B, P, width]: [B, count, width]. */
function columns(
  { data, shape }: HostArray,
  first: number,
  count: number,
): HostArray & { data: Float32Array } {
  const [batch, length, width] = shape as [number, number, number];
  const rows = new Float32Array(batch * count * width);
  for (let b = 0; b < batch; b++) {
    const from = (b * length + first) * width;
    rows.set(data.subarray(from, from + count * width), b * count * width);
  }
  return { dtype: "float32", shape: [batch, count, width], data: rows };
}

/**
 * Reorders texts: row i becomes a copy of row `rows[i]`. The new cache shares no memory with the old one.
 */
export function reorderCache(cache: DecoderCache, rows: readonly number[]): DecoderCache {
  return {
    batch: rows.length,
    keys: cache.keys.map((layer) => takeRows(layer, rows)),
    values: cache.values.map((layer) => takeRows(layer, rows)),
    bias: cache.bias.slice(),
    position: cache.position,
  };
}

/** Rows of an array [B, ...], which may repeat: [rows.length, ...]. */
export function takeRows({ data, shape }: HostArray, rows: readonly number[]): HostArray {
  const size = data.length / shape[0]!;
  const taken = new Float32Array(rows.length * size);
  rows.forEach((row, i) => taken.set(data.subarray(row * size, (row + 1) * size), i * size));
  return float32(taken, [rows.length, ...shape.slice(1)]);
}
