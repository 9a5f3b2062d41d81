/** The library as its users meet it: docs/library.md, the examples of functions, another project. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { deviceWorks } from "./devices.ts";
import { inFolder } from "./in_folder.ts";
import { permitted } from "./permissions.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const ignore = !deviceWorks("onnx") ||
  !permitted({ name: "read" }, { name: "write" }, { name: "run" });
const PERMISSIONS = ["--no-prompt", "--allow-read", "--allow-env", "--allow-ffi"];

async function deno(args: readonly string[], cwd = ROOT) {
  const child = new Deno.Command(Deno.execPath(), { args: [...args], cwd, env: { NO_COLOR: "1" } });
  const { code, stdout, stderr } = await child.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

/** What each example of docs/library.md prints, by its heading. */
const PRINTS: Readonly<Record<string, (printed: string) => void>> = {
  "Train a UNet on your own arrays": (printed) => {
    const losses = [...printed.matchAll(/^step \d+ {2}loss ([\d.]+)$/gm)].map(([, x]) => Number(x));
    assertEquals(losses.length, 3);
    // Predicting no noise at all has a loss of 1.
    assert(losses.at(-1)! < 0.5 && losses[0]! > losses.at(-1)!, printed);
  },
  "Open a checkpoint": (printed) => {
    assertEquals(printed, "2736353 parameters\n28 x 28 x 1, T = 1000\n");
  },
  "Sample with any sampler, and write a PNG file": (printed) => {
    assertMatch(printed, /^\d{3} x \d{2,3} pixels\n$/);
    const png = Deno.readFileSync(`${ROOT}garments.png`);
    assert(png.length > 1000, `${png.length} bytes are no picture of two garments`);
    Deno.removeSync(`${ROOT}garments.png`);
  },
  "FID": (printed) => {
    const [, others, dark] = /other images ([\d.]+)\ndarkened ones ([\d.]+)/.exec(printed) ?? [];
    assert(Number(dark) > 2 * Number(others), printed);
  },
  // 8, 5, 3, 1 of 9, 7, 5, 3 n-grams match, and no text is too short: 100 (120 / 945)^(1/4).
  "BLEU": (printed) => assertEquals(printed, "BLEU 59.69\n"),
};

const page = ignore ? "" : await Deno.readTextFile(`${ROOT}docs/library.md`);

Deno.test({
  name: "docs/library.md's examples are type-checked, run, and print what they should",
  ignore,
  fn: async () => {
    const examples = page.split(/^## /m).flatMap((section) => {
      const [, code] = /^```ts\n(.*?)^```$/ms.exec(section) ?? [];
      return code === undefined ? [] : [{ heading: section.split("\n")[0]!, code }];
    });
    assertEquals(examples.map(({ heading }) => heading), Object.keys(PRINTS));
    // Inside the repository, so that the workspace resolves the package's name.
    const folder = await Deno.makeTempDir({ dir: `${ROOT}tests` });
    try {
      const files = examples.map((_, i) => `${folder}/${i}.ts`);
      for (const [i, { code }] of examples.entries()) await Deno.writeTextFile(files[i]!, code);
      const checked = await deno(["check", "-q", ...files]);
      assertEquals(checked.code, 0, checked.stderr);
      for (const [i, { heading }] of examples.entries()) {
        const write = "--allow-write=garments.png";
        const ended = await deno(["run", "-q", "--no-check", ...PERMISSIONS, write, files[i]!]);
        assertEquals(ended.code, 0, `${heading}: ${ended.stderr}`);
        PRINTS[heading]!(ended.stdout);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

/** The files of a room whose comments have examples. */
async function* withExamples(room: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(`${ROOT}${room}`)) {
    const path = `${room}/${name}`;
    if (isDirectory && name !== "tests") yield* withExamples(path);
    if (!name.endsWith(".ts")) continue;
    if ((await Deno.readTextFile(`${ROOT}${path}`)).includes("@example")) yield path;
  }
}

Deno.test({
  name: "the examples in the library's comments are type-checked, run, and hold what they assert",
  ignore,
  fn: async () => {
    const files = ["mod.ts"];
    const rooms = [
      "datasets",
      "diffusion",
      "engine",
      "image",
      "metrics",
      "nn",
      "report",
      "training",
    ];
    for (const room of rooms) files.push(...await Array.fromAsync(withExamples(room)));
    assert(files.length >= 20, `${files.length} files with examples`);
    const { code, stdout, stderr } = await deno(["test", "-q", "--doc", ...PERMISSIONS, ...files]);
    assertEquals(code, 0, stdout + stderr);
    assert(!/Assertion failed/.test(stdout + stderr), stdout + stderr);
  },
});

const MAIN = `
import { drawSamples, loadCheckpoint, loadImageModel } from "@nanodiffusion/nanodiffusion";
import { openDevice, randomStream } from "@nanodiffusion/nanodiffusion";
import { corpusBleu } from "@nanodiffusion/nanodiffusion/metrics";

await using device = await openDevice("onnx");
const model = loadImageModel(await loadCheckpoint("${ROOT}checkpoints/fashion-mnist"));
const options = { ...model, sampler: "ddim" as const, samplerOptions: { numInferenceSteps: 1 } };
const request = { labels: Int32Array.of(7), random: randomStream(0) };
const pixels = await drawSamples(device, options, request);
console.log(pixels.length, corpusBleu(["one text"], ["one text"]).totals);
`;

Deno.test({
  name: "another project imports the package as docs/library.md says, with Deno's own settings",
  ignore,
  fn: (t) =>
    inFolder(async (folder) => {
      const [, json] = /^```json\n(.*?)^```$/ms.exec(page)!;
      const { nodeModulesDir: _, ...config } = JSON.parse(
        json!.replaceAll("../nanoDiffusion", ROOT.slice(0, -1)),
      ); // a folder of node_modules takes seconds to make
      await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify(config));
      await Deno.writeTextFile(`${folder}/main.ts`, MAIN);
      const flags = ["-q", "--cached-only", "--check", ...PERMISSIONS];
      const { code, stdout, stderr } = await deno(["run", ...flags, "main.ts"], folder);
      if (code !== 0 && stderr.includes("--cached-only")) {
        const name = "skipped: Deno's cache lacks a package, and tests do not download";
        await t.step({ name, ignore: true, fn: () => {} });
        return;
      }
      assertEquals([code, stdout], [0, "784 [ 2, 1, 0, 0 ]\n"], stderr);
    }),
});
