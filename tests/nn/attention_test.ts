import { assertEquals } from "@std/assert";
import { DEVICE_NAMES } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import { attention, selfAttention } from "../../nn/attention.ts";
import { linear } from "../../nn/layers.ts";
import { randomStream } from "../../nn/random.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";
import { dot, numericalGradient } from "./finite_differences.ts";
import { compute } from "./on_device.ts";

/** Sizes of the case for gradients. */
const [BATCH, QUERIES, KEYS, HEADS, WIDTH] = [2, 3, 4, 2, 3];
const FEATURES = HEADS * WIDTH;

/** Attention in double precision, one head and one query after the other. */
function reference(q: ArrayLike<number>, k: ArrayLike<number>, v: ArrayLike<number>): Float64Array {
  const result = new Float64Array(BATCH * QUERIES * FEATURES);
  const row = (x: ArrayLike<number>, index: number, head: number) =>
    Array.from({ length: WIDTH }, (_, i) => x[index * FEATURES + head * WIDTH + i]!);
  for (let n = 0; n < BATCH; n++) {
    for (let head = 0; head < HEADS; head++) {
      for (let i = 0; i < QUERIES; i++) {
        const query = row(q, n * QUERIES + i, head);
        const odds = Array.from(
          { length: KEYS },
          (_, j) => Math.exp(dot(query, row(k, n * KEYS + j, head)) / Math.sqrt(WIDTH)),
        );
        const total = odds.reduce((a, b) => a + b);
        odds.forEach((odd, j) =>
          row(v, n * KEYS + j, head).forEach((value, d) => {
            result[(n * QUERIES + i) * FEATURES + head * WIDTH + d]! += odd / total * value;
          })
        );
      }
    }
  }
  return result;
}

const as3D = (x: tf.Tensor | undefined) => x as tf.Tensor3D;

for (const device of DEVICE_NAMES) {
  const ignore = !deviceWorks(device);

  Deno.test({
    name: `attention() has the values computed by hand on ${device}`,
    ignore,
    fn: async () => {
      // One head of width 4, so scores are halved: [ln 3, 0] and [0, ln 9] / 2 each.
      const inputs = {
        query: float32([2, 0, 0, 0, 0, 1, 0, 0], [1, 2, 4]),
        key: float32([Math.log(3), 0, 0, 0, 0, Math.log(9), 0, 0], [1, 2, 4]),
        value: float32([4, 8, 0, -4, 0, 4, 12, 4], [1, 2, 4]),
      };
      const { y } = await compute(device, inputs, ({ query, key, value }) => ({
        y: attention(as3D(query), as3D(key), as3D(value), { heads: 1 }),
      }));
      // Weights 3/4 and 1/4, then 1/4 and 3/4.
      assertAllClose(y!.data, [3, 7, 3, -2, 1, 5, 9, 2], { atol: 1e-5 });
    },
  });

  Deno.test({
    name: `attention() ignores keys that a bias masks on ${device}`,
    ignore,
    fn: async () => {
      const random = randomStream(1);
      const inputs = {
        query: float32(random.stream("q").normal(2 * 3 * 4), [2, 3, 4]),
        key: float32(random.stream("k").normal(2 * 2 * 4), [2, 2, 4]),
        value: float32(random.stream("v").normal(2 * 2 * 4), [2, 2, 4]),
        bias: float32([0, -1e9], [1, 1, 1, 2]),
      };
      const { masked, first } = await compute(device, inputs, (given) => {
        const [query, key, value] = [given["query"], given["key"], given["value"]].map(as3D);
        const firstOf = (x: tf.Tensor) => as3D(tf.slice(x, [0, 0, 0], [2, 1, 4]));
        return {
          masked: attention(query!, key!, value!, { heads: 2, bias: given["bias"]! }),
          first: attention(query!, firstOf(key!), firstOf(value!), { heads: 2 }),
        };
      });
      assertAllClose(masked!.data, first!.data, { atol: 1e-6 });
    },
  });

  Deno.test({
    name: `attention() and its gradients agree with the formula for two heads on ${device}`,
    ignore,
    fn: async () => {
      const random = randomStream(2);
      const query = random.stream("query").normal(BATCH * QUERIES * FEATURES);
      const key = random.stream("key").normal(BATCH * KEYS * FEATURES);
      const value = random.stream("value").normal(BATCH * KEYS * FEATURES);
      const dy = random.stream("dy").normal(query.length);
      const inputs = {
        query: float32(query, [BATCH, QUERIES, FEATURES]),
        key: float32(key, [BATCH, KEYS, FEATURES]),
        value: float32(value, [BATCH, KEYS, FEATURES]),
        dy: float32(dy, [BATCH, QUERIES, FEATURES]),
      };
      const found = await compute(device, inputs, ({ query, key, value, dy }) => {
        const apply = (...qkv: tf.Tensor[]) => {
          const [q, k, v] = qkv.map(as3D);
          return attention(q!, k!, v!, { heads: HEADS });
        };
        const [dquery, dkey, dvalue] = tf.grads(apply)([query!, key!, value!], dy);
        return { y: apply(query!, key!, value!), dquery: dquery!, dkey: dkey!, dvalue: dvalue! };
      });
      assertEquals(found["y"]!.shape, [BATCH, QUERIES, FEATURES]);
      assertAllClose(found["y"]!.data, reference(query, key, value), { atol: 1e-5 });
      const expected = {
        dquery: numericalGradient((query) => dot(dy, reference(query, key, value)), query),
        dkey: numericalGradient((key) => dot(dy, reference(query, key, value)), key),
        dvalue: numericalGradient((value) => dot(dy, reference(query, key, value)), value),
      };
      for (const [name, gradient] of Object.entries(expected)) {
        assertAllClose(found[name]!.data, gradient, { atol: 2e-5, rtol: 1e-4, message: name });
      }
    },
  });

  Deno.test({
    name: `attention() has autodiff's gradients, also for biases that broadcast, on ${device}`,
    ignore,
    fn: async () => {
      const random = randomStream(5);
      const normal = (name: string, shape: number[]) =>
        float32(random.stream(name).normal(shape.reduce((a, b) => a * b)), shape);
      const inputs = {
        query: normal("query", [BATCH, QUERIES, FEATURES]),
        key: normal("key", [BATCH, KEYS, FEATURES]),
        value: normal("value", [BATCH, KEYS, FEATURES]),
        dy: normal("dy", [BATCH, QUERIES, FEATURES]),
        square: normal("square", [QUERIES, KEYS]),
        row: normal("row", [BATCH, 1, 1, KEYS]),
        whole: normal("whole", [BATCH, HEADS, QUERIES, KEYS]),
      };
      const split = (x: tf.Tensor) =>
        tf.transpose(tf.reshape(x, [BATCH, -1, HEADS, WIDTH]), [0, 2, 1, 3]);
      const textbook = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, bias: tf.Tensor) => {
        const scores = tf.div(tf.matMul(split(q), split(k), false, true), Math.sqrt(WIDTH));
        const attended = tf.matMul(tf.softmax(tf.add(scores, bias)), split(v));
        return tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [BATCH, QUERIES, FEATURES]);
      };
      const found = await compute(device, inputs, (given) => {
        const qkv = [given["query"]!, given["key"]!, given["value"]!];
        const results: Record<string, tf.Tensor> = {};
        for (const name of ["square", "row", "whole"]) {
          const all = [...qkv, given[name]!];
          tf.grads((q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, bias: tf.Tensor) =>
            attention(as3D(q), as3D(k), as3D(v), { heads: HEADS, bias })
          )(all, given["dy"]).forEach((grad, i) => results[`${name} ${i} found`] = grad);
          tf.grads(textbook)(all, given["dy"])
            .forEach((grad, i) => results[`${name} ${i} expected`] = grad);
        }
        return results;
      });
      for (const name of ["square", "row", "whole"]) {
        for (let i = 0; i < 4; i++) {
          const [one, other] = [found[`${name} ${i} found`]!, found[`${name} ${i} expected`]!];
          assertEquals(one.shape, other.shape);
          assertAllClose(one.data, other.data, { atol: 1e-5, message: `${name} ${i}` });
        }
      }
    },
  });

  Deno.test({
    name:
      `selfAttention() equals attention() of three linear layers with and without a mask on ${device}`,
    ignore,
    fn: async () => {
      const [batch, length, channels, features] = [3, 5, 4, 6];
      const random = randomStream(3);
      const names = ["to_q", "to_k", "to_v"] as const;
      const parameters: Record<string, HostArray> = {};
      for (const name of names) {
        const numbers = random.stream(name).normal((channels + 1) * features);
        parameters[`${name}.weight`] = float32(numbers.slice(features), [features, channels]);
        parameters[`${name}.bias`] = float32(numbers.slice(0, features));
      }
      const inputs = {
        ...parameters,
        x: float32(random.stream("x").normal(batch * length * channels), [batch, length, channels]),
        causal: float32(
          Array.from({ length: length ** 2 }, (_, i) => i % length > i / length ? -1e9 : 0),
          [length, length],
        ),
        padding: float32([0, 0, 0, 0, 0, 0, 0, 0, 0, -1e9, 0, 0, -1e9, -1e9, -1e9], [3, 1, 1, 5]),
      };
      const found = await compute(device, inputs, (given) => {
        const x = as3D(given["x"]);
        const expected = (options: { heads: number; bias?: tf.Tensor }) => {
          const [q, k, v] = names.map((name) => as3D(linear(given, name, x)));
          return attention(q!, k!, v!, options);
        };
        const cases = {
          plain: { heads: 2 },
          causal: { heads: 3, bias: given["causal"]! },
          padding: { heads: 1, bias: given["padding"]! },
        };
        const result: Record<string, tf.Tensor> = {};
        for (const [name, options] of Object.entries(cases)) {
          result[`${name} found`] = selfAttention(given, names, x, options);
          result[`${name} expected`] = expected(options);
          // With a gradient it may be computed in another way.
          const sum = (x: tf.Tensor) =>
            tf.sum(tf.square(selfAttention(given, names, as3D(x), options)));
          const { value, grad } = tf.valueAndGrad(sum)(x);
          result[`${name} sum found`] = value;
          result[`${name} sum expected`] = tf.sum(tf.square(result[`${name} found`]!));
          result[`${name} gradient`] = grad;
        }
        return result;
      });
      for (const name of ["plain", "causal", "padding"]) {
        const close = { atol: 1e-5, rtol: 1e-4, message: name };
        assertAllClose(found[`${name} found`]!.data, found[`${name} expected`]!.data, close);
        assertAllClose(
          found[`${name} sum found`]!.data,
          found[`${name} sum expected`]!.data,
          close,
        );
        assertEquals(found[`${name} gradient`]!.shape, [batch, length, channels]);
      }
    },
  });
}
