import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { openDevice } from "../../device.ts";
import { UserError } from "@nanodiffusion/base/errors";
import { initializeBackend, registerOnnxBackend } from "../../onnx/register.ts";
import * as tf from "../../tf.ts";
import { float32, type HostArray } from "../../tree.ts";
import { GraphError } from "../../onnx/graph_error.ts";
import { deviceWorks } from "../../../tests/devices.ts";
import { on } from "./on_backend.ts";

const ignore = !deviceWorks("onnx");

/** An operation whose kernel adds a node that ONNX Runtime refuses, or that fails. */
async function broken(operator: "MatMul" | "Gather"): Promise<(x: tf.Tensor) => tf.Tensor> {
  await registerOnnxBackend({ threads: 1 });
  const backend = await initializeBackend();
  const kernelName = `Broken${operator}`;
  tf.registerKernel({
    kernelName,
    backendName: "onnx",
    kernelFunc: ({ inputs }) =>
      backend.record(kernelName, () => {
        const { x } = inputs as Record<string, tf.TensorInfo>;
        const other = operator === "MatMul"
          ? backend.graph.constant([1, 2, 3, 4, 5], [5, 1], "float32")
          : backend.graph.constant([99], [1], "int32");
        return backend.tensor(backend.node(operator, [backend.plain(x!), other]), [1, 1]);
      }),
  });
  return tf.op({
    broken_: (x: tf.Tensor): tf.Tensor => tf.engine().runKernel(kernelName, { x }) as tf.Tensor,
  });
}

for (const operator of ["MatMul", "Gather"] as const) {
  Deno.test({
    name: `GraphError contains the kernel, the operation and the model function for ${operator}`,
    ignore,
    fn: async () => {
      const operation = await broken(operator);
      const { numTensors } = tf.memory();
      const { compile } = await openDevice("onnx", { threads: 1 });
      function attention(x: tf.Tensor): tf.Tensor {
        return tf.tidy(() => tf.neg(operation(tf.exp(x))));
      }
      const run = compile<{ x: HostArray }, HostArray>(({ x }) => attention(x));
      const { message } = await assertRejects(
        () => run({ x: float32([1, 2], [1, 2]) }),
        UserError,
        `in Broken${operator} (tf.broken), called by `,
      );
      assertMatch(message, /^ONNX Runtime .*, attention \(onnx\/graph_error_test\.ts:\d+\)/);
      assertEquals(message.includes("\n"), false);
      await run.dispose();
      await on("onnx", async () => {
        const x = tf.tensor2d([[1, 2]]);
        const other = tf.square(x);
        const y = attention(x);
        await assertRejects(
          () => y.data(),
          UserError,
          `in Broken${operator} (tf.broken): `,
        );
        // The graph's values are lost, the tensors that the host wrote are not, and the backend still works.
        assertThrows(() => other.dataSync(), UserError, "(tf.broken)");
        const z = tf.add(x, 1);
        assertEquals(z.arraySync(), [[2, 3]]);
        tf.dispose([x, y, other, z]);
      });
      assertEquals(tf.memory().numTensors, numTensors);
    },
  });
}

Deno.test("GraphError says what to do when a GPU is lost, full, or has buffers that are too small", () => {
  for (
    const [why, expected] of [
      [
        "[Device] is lost.",
        "The GPU was lost: its driver stopped it, or it was removed; start again",
      ],
      ["vkQueueSubmit failed with VK_ERROR_DEVICE_LOST", "The GPU was lost: "],
      [
        "Buffer size (1200000000) exceeds the max buffer size limit (1073741824).",
        "A tensor is larger than the GPU's buffers: use a smaller batch or model, or the onnx device",
      ],
      ["[Invalid Buffer] is invalid due to a previous error.", "The GPU ran out of memory: use a "],
    ]
  ) {
    const { message } = new GraphError("ONNX Runtime failed", new Error(why));
    assertStringIncludes(message, expected!);
    assertStringIncludes(message, `(${why})`);
  }
});
