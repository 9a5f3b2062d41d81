/**
 * Writes docs/kernels.md, the table of the kernels of each device. The names come from tfjs's registry and from
 * the engine's tables; no device is opened.
 *
 *     deno task docs:kernels
 */
import { markdownTable } from "@nanodiffusion/base/markdown";
import { createRequire } from "node:module";
import { kernels, missing } from "../onnx/kernels/mod.ts";
import { tensorflowPackage } from "../device_names.ts";
import * as tf from "../tf.ts";
import { COMPOSED_ON_WASM } from "../composed_kernels.ts";

/** The file of the table. */
export const KERNEL_TABLE: URL = new URL("../../docs/kernels.md", import.meta.url);

/** tfjs's backends. The devices tensorflow and tensorflow-gpu share one. */
const BACKENDS = ["cpu", "wasm", "webgpu", "tensorflow"] as const;

const INTRODUCTION = `# What each device supports, kernel by kernel

The operations of TensorFlow.js 4.22 and their gradients are made of kernels. This table shows the
devices that have each kernel. \`deno task docs:kernels\` writes it, and a test checks that it is up
to date.

- \`+\`: the device has the kernel. \`composed\`: this project composes it of other kernels.
- \`host\`: the device lacks the kernel for the reason in the last column. In traced code it throws an
  error with its name. Outside \`compile()\`, after \`tf.setBackend("onnx")\`, tfjs's cpu backend
  computes it.
- \`-\`: the kernel throws an error with its name.
- \`tensorflow-gpu\` has the same kernels as \`tensorflow\`. Convolutions padded by numbers are
  composed.
- \`onnx-webgpu\` has the kernels of \`onnx\`. It runs on the processor what ONNX Runtime's WebGPU
  provider computes wrongly or inexactly: \`Sin\`, \`Cos\`, \`Tan\`, \`MaxPoolWithArgmax\` and gradients of
  \`MaxPool\`, convolutions and pooling over three dimensions, and gradients of depthwise
  convolutions. Of what the provider lacks, the programs use \`OneHot\`, and comparisons, selections
  and slices of integers. \`deno task devices --verbose\` counts both for each graph.
- \`webgpu\` is a device of web pages.
- On \`onnx\` all kernels of strings and complex numbers run on the host.
- An operation of several kernels (such as \`tf.batchNorm\`, \`tf.logSoftmax\` or the gradient of
  \`tf.mirrorPad\`) needs all of them.
`;

/** The kernels of each of tfjs's backends. */
async function registered(): Promise<Record<typeof BACKENDS[number], ReadonlySet<string>>> {
  await import("@tensorflow/tfjs-backend-wasm");
  await import("@tensorflow/tfjs-backend-webgpu");
  const require = createRequire(import.meta.url);
  require(`${tensorflowPackage("tensorflow")}/dist/register_all_kernels.js`);
  const names = (backend: string) =>
    new Set(tf.getKernelsForBackend(backend).map(({ kernelName }) => kernelName));
  return {
    cpu: names("cpu"),
    wasm: names("wasm"),
    webgpu: names("webgpu"),
    tensorflow: names("tensorflow"),
  };
}

/** The text of docs/kernels.md. */
export async function kernelTable(): Promise<string> {
  const sets = await registered();
  const names = [...new Set(BACKENDS.flatMap((backend) => [...sets[backend]]))].sort();
  const rows = names.map((name) => {
    const on = (backend: typeof BACKENDS[number]) =>
      backend === "wasm" && COMPOSED_ON_WASM.includes(name)
        ? "composed"
        : sets[backend].has(name)
        ? "+"
        : "-";
    const onnx = Object.hasOwn(kernels, name) ? "+" : sets.cpu.has(name) ? "host" : "-";
    return [`\`${name}\``, onnx, ...BACKENDS.map(on), missing[name] ?? ""];
  });
  const counts = ["onnx", ...BACKENDS].map((_, column) =>
    `${rows.filter((row) => row[column + 1] === "+" || row[column + 1] === "composed").length}`
  );
  return [
    INTRODUCTION,
    markdownTable([
      ["kernel", "onnx", ...BACKENDS, "why not on onnx"],
      ...rows,
      [`${rows.length} kernels`, ...counts, ""],
    ]),
  ].join("\n");
}

if (import.meta.main) Deno.writeTextFileSync(KERNEL_TABLE, await kernelTable());
