import { assert, assertEquals } from "@std/assert";
import { registerWasmKernels } from "../composed_kernels.ts";
import * as tf from "../tf.ts";
import { openDevice } from "../device.ts";
import { KERNEL_TABLE, kernelTable } from "../tools/kernel_table.ts";
import { deviceWorks } from "../../tests/devices.ts";
import { permitted } from "../../tests/permissions.ts";

const ignore = !permitted({ name: "read" }, { name: "env" });

/** The cells of every row, by kernel. */
function rowsOf(table: string): Map<string, string[]> {
  const lines = table.split("\n").filter((line) => line.startsWith("| `"));
  return new Map(lines.map((line) => {
    const [name = "", ...cells] = line.split("|").slice(1, -1).map((cell) => cell.trim());
    return [name.replaceAll("`", ""), cells];
  }));
}

Deno.test({
  name: "docs/kernels.md is up to date: if not, run `deno task docs:kernels`",
  ignore,
  fn: async () => assertEquals(await Deno.readTextFile(KERNEL_TABLE), await kernelTable()),
});

Deno.test({
  name: "kernelTable() lists the kernels that onnx, cpu and wasm have after they are opened",
  ignore: ignore || !deviceWorks("onnx") || !deviceWorks("wasm"),
  fn: async () => {
    const rows = rowsOf(await kernelTable());
    await openDevice("onnx", { threads: 1 });
    await openDevice("wasm");
    registerWasmKernels();
    const names = (backend: string) =>
      tf.getKernelsForBackend(backend).map(({ kernelName }) => kernelName);
    for (const [column, backend] of [[1, "cpu"], [2, "wasm"]] as const) {
      const listed = [...rows].filter(([, cells]) => cells[column] !== "-").map(([name]) => name);
      assertEquals(listed.toSorted(), names(backend).toSorted(), backend);
    }
    const onOnnx = new Set(names("onnx"));
    for (const [name, [onnx]] of rows) assertEquals(onOnnx.has(name), onnx !== "-", name);
    assert(rows.size > 150);
  },
});
