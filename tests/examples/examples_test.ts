/** The examples, each as a reader would run it. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decode, encode } from "fast-png";
import { hasServer } from "../datasets/tiny_dataset.ts";
import { deviceWorks } from "../devices.ts";
import { serveHub } from "../hub_server.ts";
import { inFolder } from "../in_folder.ts";
import { permitted } from "../permissions.ts";

const ignore = !permitted({ name: "read" }, { name: "write" }, { name: "run" }) ||
  !deviceWorks("onnx");

/** Runs an example with arguments, and environment variables. @returns What it printed. */
async function runExample(
  name: string,
  ...given: (string | Readonly<Record<string, string>>)[]
): Promise<string> {
  const args = given.filter((arg) => typeof arg === "string");
  const env = Object.assign({}, ...given.filter((arg) => typeof arg !== "string"));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--no-prompt", "-A", `examples/${name}.ts`, ...args],
    cwd: new URL("../..", import.meta.url),
    env,
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

Deno.test({
  name: "examples/own_images.ts trains on a folder of pictures and writes a PNG file",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      for (let i = 0; i < 20; i++) {
        const data = new Uint8Array(32 * 32 * 3).fill(12 * i);
        const png = encode({ width: 32, height: 32, data, channels: 3 });
        await Deno.mkdir(`${folder}/in/${i % 2}`, { recursive: true });
        await Deno.writeFile(`${folder}/in/${i % 2}/${i}.png`, png);
      }
      const printed = await runExample("own_images", `${folder}/in`, "2", `${folder}/a.png`);
      assertStringIncludes(printed, "20 images in 2 classes (0 10, 1 10), cut to 32x32 RGB");
      const { width, height, channels } = decode(await Deno.readFile(`${folder}/a.png`));
      assertEquals([width > 128, height > 64, channels], [true, true, 3]);
    }),
});

Deno.test({
  name: "examples/own_texts.ts trains on a file of texts and prints four",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const texts = ["nice hotel, great location", "noisy room, never again", "friendly staff"];
      await Deno.writeTextFile(`${folder}/a.txt`, texts.join("\n"));
      const printed = await runExample("own_texts", `${folder}/a.txt`, "2");
      assertEquals(printed.split("\n")[0], "3 texts, a line each");
      assertEquals(printed.split("\n").length, 6); // and an empty one after the last
    }),
});

Deno.test({
  name: "examples/hub_checkpoint.ts samples from a model of the hub with another sampler",
  ignore: ignore || !hasServer,
  fn: () =>
    inFolder(async (folder) => {
      const source = "tests/fixtures/unets/cifar10";
      const files: Record<string, Uint8Array<ArrayBuffer>> = {};
      for (
        const name of ["config", "scheduler_config", "model_index"].map((name) => `${name}.json`)
          .concat("diffusion_pytorch_model.safetensors")
      ) files[`model/${name}`] = await Deno.readFile(`${source}/${name}`);
      await using hub = serveHub(files);
      const env = { HF_ENDPOINT: hub.address, NANODIFFUSION_CACHE: `${folder}/cache` };
      const printed = await runExample("hub_checkpoint", "ours/model", `${folder}/a.png`, "2", env);
      assertStringIncludes(printed, "ours/model@0123456789ab: 16x16x3, its sampler is ddpm");
      const { channels } = decode(await Deno.readFile(`${folder}/a.png`));
      assertEquals(channels, 3);
    }),
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
