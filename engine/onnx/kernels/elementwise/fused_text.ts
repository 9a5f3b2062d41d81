/** The kernels of fused_text.ts: fused operations of language models. */
import type { TensorInfo } from "../../../tf.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { MICROSOFT } from "../../graph.ts";

/** Repeats ids [R] for each column of [R, columns], as ONNX requires it. */
function positions(backend: OnnxBackend, ids: TensorInfo, columns: number): string {
  const rows = ids.shape[0]!;
  const upright = backend.reshape(backend.plain(ids), [rows, 1]);
  return columns === 1
    ? upright
    : backend.node("Expand", [upright, backend.int64s([rows, columns])]);
}

export const fusedText: Record<string, Kernel> = {
  // Gemm adds the bias to the product. It is no faster than MatMul and Add for 1024x384 times 384x1536, but
  // needs one tensor of the result's size, and not two.
  Affine: ({ x, weight, bias }, { transposeWeight }, backend) => {
    const values = [x, weight, bias].map((tensor) => backend.plain(tensor));
    const value = backend.node("Gemm", values, { transB: transposeWeight });
    return backend.tensor(value, [x.shape[0], bias.shape[0]]);
  },
  // Attention includes the products of queries, keys and values, and requires constant weights. It takes 0.8
  // of the time of Gemm, Split, Transpose, MatMul and Softmax for 64 x 196 positions of 64 features in 2
  // heads and for 64 x 49 of 128 in 4, and 0.85 for BERT-base's 8 x 128 of 768 in 12. MultiHeadAttention
  // after three products is in between.
  SelfAttention: ({ x, weight, bias, scoreBias }, { heads }, backend) => {
    const [batch, length] = x.shape;
    const values = [x, weight, bias].map((tensor) => backend.plain(tensor));
    if (scoreBias != null) {
      // Attention lets the bias broadcast over the batch and the heads, but not over the positions.
      const [b = 1, h = 1] = [...Array(4 - scoreBias.shape.length).fill(1), ...scoreBias.shape];
      const shape = backend.int64s([b, h, length, length]);
      values.push("", "", backend.node("Expand", [backend.plain(scoreBias), shape]));
    }
    const value = backend.node("Attention", values, { num_heads: heads }, MICROSOFT);
    return backend.tensor(value, [batch, length, bias.shape[0] / 3]);
  },
  // 0.42 ms for 1024x384 on two AVX-512 cores. The composition of tfjs's operations takes 0.83 ms.
  LayerNorm: ({ x, weight, bias }, { epsilon }, backend) => {
    const [y, , inverse] = backend.nodes(
      "LayerNormalization",
      [backend.plain(x), backend.plain(weight), backend.plain(bias)],
      3,
      { axis: -1, epsilon: { float: epsilon } },
    );
    return [backend.tensor(y!, x.shape), backend.tensor(inverse!, [x.shape[0], 1])];
  },
  // 1.8 ms for 1024x1536; the composition takes 2.9 ms.
  Gelu: ({ x }, _attrs, backend) =>
    backend.tensor(backend.node("Gelu", [backend.plain(x)], {}, MICROSOFT), x.shape),
  // 1.4 ms for 1024x1536; the composition takes 3.2 ms.
  GeluTanh: ({ x }, _attrs, backend) =>
    backend.tensor(backend.node("FastGelu", [backend.plain(x)], {}, MICROSOFT), x.shape),
  LogSoftmaxRows: ({ x }, _attrs, backend) => {
    const value = backend.plain(x);
    if (!backend.forGpu) {
      return backend.tensor(backend.node("LogSoftmax", [value], { axis: 1 }), x.shape);
    }
    // LogSoftmax would run on the processor.
    const shifted = backend.node("Sub", [value, backend.node("ReduceMax", [value], { axes: [1] })]);
    const sum = backend.node("ReduceSum", [backend.node("Exp", [shifted]), backend.int64s([1])]);
    return backend.tensor(backend.node("Sub", [shifted, backend.node("Log", [sum])]), x.shape);
  },
  PickColumns: ({ x, ids }, _attrs, backend) => {
    const picked = backend.node("GatherElements", [backend.plain(x), positions(backend, ids, 1)], {
      axis: 1,
    });
    return backend.tensor(backend.reshape(picked, ids.shape), ids.shape);
  },
  AddAtColumns: ({ x, ids, values }, _attrs, backend) => {
    const updates = backend.reshape(backend.plain(values), [ids.shape[0], 1]);
    const value = backend.node("ScatterElements", [
      backend.plain(x),
      positions(backend, ids, 1),
      updates,
    ], { axis: 1, reduction: "add" });
    return backend.tensor(value, x.shape);
  },
  // ScatterElements adds the rows in a fixed order, so sums are reproducible. A one-hot matrix would be as
  // large as the vocabulary.
  SumRowsAt: ({ x, ids }, { rows }, backend) => {
    const columns = x.shape[1];
    const zeros = backend.node("Expand", [backend.scalar(0), backend.int64s([rows, columns])]);
    const value = backend.node("ScatterElements", [
      zeros,
      positions(backend, ids, columns),
      backend.plain(x),
    ], { axis: 0, reduction: "add" });
    return backend.tensor(value, [rows, columns]);
  },
};
