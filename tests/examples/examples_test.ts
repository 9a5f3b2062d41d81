/** The examples, each as a reader would run it. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { deviceWorks } from "../devices.ts";
import { permitted } from "../permissions.ts";

const ignore = !permitted({ name: "read" }, { name: "write" }, { name: "run" }) ||
  !deviceWorks("onnx");

/** Runs an example. @returns What it printed. */
async function runExample(name: string, ...args: string[]): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--no-prompt", "-A", `examples/${name}.ts`, ...args],
    cwd: new URL("../..", import.meta.url),
    stdin: "null",
  });
  const { code, stdout, stderr } = await child.output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

Deno.test({
  name: "examples/garments.ts writes a PNG file of ten garments",
  ignore,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      await runExample("garments", "checkpoints/fashion-mnist", `${folder}/a.png`);
      const png = await Deno.readFile(`${folder}/a.png`);
      assertEquals(new TextDecoder().decode(png.subarray(1, 4)), "PNG");
      assert(png.length > 3000, `${png.length} bytes are no picture of ten garments`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "examples/ddpm.ts trains, samples and writes a PNG file in 150 lines",
  ignore,
  fn: async () => {
    const source = await Deno.readTextFile(new URL("../../examples/ddpm.ts", import.meta.url));
    assert(source.trimEnd().split("\n").length <= 150, "the example is longer than 150 lines");
    const folder = await Deno.makeTempDir();
    try {
      await runExample("ddpm", "2", "1", `${folder}/a.png`);
      const png = await Deno.readFile(`${folder}/a.png`);
      assertEquals(new TextDecoder().decode(png.subarray(1, 4)), "PNG");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "examples/two_moons.ts samples points on two half circles with both objectives",
  ignore,
  fn: async () => {
    const printed = await runExample("two_moons", "1000");
    const plots = printed.split(/^(?:DDPM|flow matching)$/m).slice(1);
    assertEquals(plots.length, 2);
    for (const plot of plots) {
      const lines = plot.split("\n").slice(1);
      const stars = lines.flatMap((line, row) =>
        [...line].flatMap((char, column) =>
          char === "*" ? [[(column + 0.5) / 15 - 2, 1.5 - (row + 0.5) / 6] as const] : []
        )
      );
      // The half circles' distance from their centres is 1. Standard normal points are 0.37 off on average.
      const off = stars.map(([x, y]) =>
        Math.min(
          Math.abs(Math.hypot(x + 0.5, y + 0.25) - 1),
          Math.abs(Math.hypot(x - 0.5, y - 0.25) - 1),
        )
      );
      const mean = off.reduce((sum, distance) => sum + distance, 0) / off.length;
      assert(stars.length > 50 && mean < 0.2, `${stars.length} points, ${mean} off on average`);
    }
  },
});

Deno.test({
  name: "examples/beam_search.ts reconstructs its review both ways",
  ignore,
  fn: async () => {
    const text = "great location, friendly staff and clean rooms";
    const printed = await runExample("beam_search", text);
    assertStringIncludes(printed, `greedy: ${text}`);
    assertStringIncludes(printed, `beam:   ${text}`);
  },
});

const bert = permitted({ name: "env", variable: "BERT_BASE" })
  ? Deno.env.get("BERT_BASE")
  : undefined;

Deno.test({
  name: "examples/masked_words.ts predicts the capital of France",
  ignore: ignore || bert === undefined,
  fn: async () => {
    const printed = await runExample("masked_words", bert!, "the capital of france is [MASK].");
    assertEquals(printed.split(", ")[0], "paris");
  },
});
