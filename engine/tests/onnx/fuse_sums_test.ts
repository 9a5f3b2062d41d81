import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { initializeBackend, trace } from "../../onnx/compile.ts";
import { fuseSums } from "../../onnx/graph.ts";
import type { Node } from "../../onnx/proto.ts";
import * as tf from "../../tf.ts";
import type { HostArray } from "../../tree.ts";
import { deviceWorks } from "../../../tests/devices.ts";
import { assertSameAsCpu, drawn, LAYOUTS, RUNS, seeds } from "./against_cpu.ts";
import { operators } from "./decode_model.ts";

function node(op: string, inputs: string[], output: string, domain = ""): Node {
  return { op, domain, inputs, outputs: [output], attributes: {}, name: output };
}

const conv = (inputs: string[], output: string) =>
  node("Conv", inputs, output, "com.microsoft.nchwc");

/** A graph in short: the operator, inputs and output of each node. */
const left = (nodes: Node[]) => nodes.map(({ op, inputs, outputs }) => [op, inputs, outputs[0]]);

Deno.test("fuseSums() fuses a sum into a convolution when nothing else uses the convolution's result", () => {
  const nodes = [
    conv(["x", "f"], "c"),
    node("Neg", ["x"], "n"),
    node("Add", ["n", "c"], "s"),
    node("Abs", ["s"], "y"),
  ];
  assertEquals(left(fuseSums(nodes, new Set(["s"]), ["y"])), [
    ["Neg", ["x"], "n"],
    ["Conv", ["x", "f", "", "n"], "s"],
    ["Abs", ["s"], "y"],
  ]);
});

Deno.test("fuseSums() keeps biases and fuses one sum into each convolution", () => {
  const nodes = [
    conv(["x", "f", "bias"], "c"),
    conv(["x", "g"], "d"),
    node("Add", ["c", "d"], "s"),
    node("Add", ["s", "x"], "t"),
  ];
  assertEquals(left(fuseSums(nodes, new Set(["s", "t"]), ["t"])), [
    ["Conv", ["x", "g"], "d"],
    ["Conv", ["x", "f", "bias", "d"], "s"],
    ["Add", ["s", "x"], "t"],
  ]);
});

Deno.test("fuseSums() does not fuse other sums, nor convolutions whose results are used elsewhere", () => {
  const untouched = (nodes: Node[], sums: string[], outputs: string[]) =>
    assertEquals(fuseSums(nodes, new Set(sums), outputs), nodes);
  const chain = [conv(["x", "f"], "c"), node("Add", ["c", "x"], "s")];
  untouched(chain, [], ["s"]);
  untouched(chain, ["s"], ["s", "c"]);
  untouched([...chain, node("Neg", ["c"], "n")], ["s"], ["s", "n"]);
  untouched([conv(["x", "f"], "c"), node("Add", ["c", "c"], "s")], ["s"], ["s"]);
  untouched([node("Conv", ["x", "f"], "c"), node("Add", ["c", "x"], "s")], ["s"], ["s"]);
  untouched([conv(["x", "f"], "c"), node("Mul", ["c", "x"], "s")], ["s"], ["s"]);
});

/** Sums of every kind of convolution of the blocked layout. */
function sums(given: Record<string, tf.Tensor>): Record<string, tf.Tensor> {
  const [x, y] = [given["x"], given["y"]] as [tf.Tensor4D, tf.Tensor4D];
  const [filter, other] = [given["filter"], given["other"]] as [tf.Tensor4D, tf.Tensor4D];
  const { bias, perSample } = given;
  const a = tf.conv2d(x, filter, 1, "same");
  const b = tf.conv2d(y, other, 1, "same");
  const biased = tf.fused.conv2d({ x: y, filter, strides: 1, pad: "same", bias: bias! });
  return {
    "with an input": tf.add(tf.conv2d(y, filter, 1, "same"), x),
    "of two": tf.add(a, b),
    "of three": tf.add(tf.add(a, b), biased),
    "with its own square": tf.add(biased, tf.square(biased)),
    "twice itself": tf.add(b, b),
    "scaled by channel": tf.add(tf.mul(a, bias!), y),
    "scaled by sample": tf.add(tf.mul(a, perSample!), y),
    "shifted by channel": tf.add(tf.add(a, bias!), tf.sub(b, bias!)),
    broadcast: tf.add(tf.conv2d(x, filter, 1, "same"), perSample!),
    "on its own": a,
    "of gradients": tf.grad((x) => {
      const once = tf.conv2d(x as tf.Tensor4D, filter, 1, "same");
      const twice = tf.conv2d(x as tf.Tensor4D, other, 1, "same");
      return tf.sum(tf.add(tf.square(once), tf.mul(twice, y)));
    })(x),
  };
}

function inputsOf(samples: number, channels: number, seed: number): Record<string, HostArray> {
  const image = [samples, 4, 3, channels];
  return {
    x: drawn(seed, image),
    y: drawn(seed + 1, image),
    filter: drawn(seed + 2, [3, 3, channels, channels]),
    other: drawn(seed + 3, [1, 1, channels, channels]),
    bias: drawn(seed + 4, [channels]),
    perSample: drawn(seed + 5, [samples, 1, 1, channels]),
  };
}

for (const layout of LAYOUTS) {
  Deno.test({
    name: `sums with convolutions agree with the cpu device for ${layout} tensors`,
    ignore: !deviceWorks("onnx"),
    fn: () =>
      fc.assert(
        fc.asyncProperty(
          fc.constantFrom(1, 3),
          fc.constantFrom(5, 16, 32),
          seeds,
          (samples, channels, seed) =>
            assertSameAsCpu(layout, sums, inputsOf(samples, channels, seed), {
              atol: 1e-3,
              rtol: 1e-4,
            }),
        ),
        RUNS,
      ),
  });
}

Deno.test({
  name: "a residual connection needs no addition when tensors are blocked",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    const backend = await initializeBackend();
    if (backend.blockSize === 0) return;
    const { model } = trace(backend, (given) => {
      const { x, y, filter } = given as Record<string, tf.Tensor4D>;
      return tf.add(tf.conv2d(x!, filter!, 1, "same"), tf.conv2d(y!, filter!, 1, "same"));
    }, inputsOf(1, 2 * backend.blockSize, 1));
    assertEquals(operators(model).filter((op) => op === "Add" || op === "Conv"), ["Conv", "Conv"]);
  },
});
