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
