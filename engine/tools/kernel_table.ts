/**
 * Writes docs/kernels.md: which device has which kernel of tfjs.
 *
 *     deno task docs:kernels
 *
 * The names come from what is registered, without opening a device: from tfjs's own registries, and from the
 * tables of this project's kernels.
 */
import { createRequire } from "node:module";
import { kernels, missing } from "../onnx/kernels/mod.ts";
import { tensorflowPackage } from "../device_names.ts";
import * as tf from "../tf.ts";
import { COMPOSED_ON_WASM } from "../composed_kernels.ts";

/** Where the table is. */
export const KERNEL_TABLE: URL = new URL("../../docs/kernels.md", import.meta.url);

/** tfjs's backends; "tensorflow" is that of tensorflow-gpu, too. */
const BACKENDS = ["cpu", "wasm", "webgpu", "tensorflow"] as const;

const INTRODUCTION = `# What each device supports, kernel by kernel

Kernels of TensorFlow.js 4.22, which its operations and their gradients are made of, and the devices
that have them. Written by \`deno task docs:kernels\`; a test compares it with what is registered.

- \`+\`: the device's own kernel. \`composed\`: put together from other kernels by this project.
- \`host\`: refused by name in traced code, for the reason in the last column; outside \`compile()\`,
  after \`tf.setBackend("onnx")\`, tfjs's cpu backend computes it. \`-\`: an error by name.
- \`tensorflow-gpu\` has the kernels of \`tensorflow\`. Convolutions padded by numbers are composed.
- Strings and complex numbers are the host's on \`onnx\`, whatever the kernel.
- Operations of several kernels (\`tf.batchNorm\`, \`tf.logSoftmax\`, \`tf.mirrorPad\`'s gradient and the
  like) work where all of them do.
`;

/** A Markdown table, laid out as deno fmt does. */
function markdown(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)));
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)));
  return lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

/** The kernels that each of tfjs's backends registers. */
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
    markdown([
      ["kernel", "onnx", ...BACKENDS, "why not on onnx"],
      ...rows,
      [`${rows.length} kernels`, ...counts, ""],
    ]),
  ].join("\n");
}

if (import.meta.main) Deno.writeTextFileSync(KERNEL_TABLE, await kernelTable());
