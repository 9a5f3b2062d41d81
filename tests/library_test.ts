/** docs/library.md: every example runs as a reader would run it, and prints what it should. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { deviceWorks } from "./devices.ts";
import { permitted } from "./permissions.ts";

const ROOT = new URL("../", import.meta.url);
const ignore = !deviceWorks("onnx") ||
  !permitted({ name: "read" }, { name: "write" }, { name: "run" });

/** What each example prints, by its heading. */
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
    const png = Deno.readFileSync(new URL("garments.png", ROOT));
    assert(png.length > 1000, `${png.length} bytes are no picture of two garments`);
    Deno.removeSync(new URL("garments.png", ROOT));
  },
  "FID": (printed) => {
    const [, others, dark] = /other images ([\d.]+)\ndarkened ones ([\d.]+)/.exec(printed) ?? [];
    assert(Number(dark) > 2 * Number(others), printed);
  },
  // 8, 5, 3, 1 of 9, 7, 5, 3 n-grams match, and no text is too short: 100 (120 / 945)^(1/4).
  "BLEU": (printed) => assertEquals(printed, "BLEU 59.69\n"),
};

async function examples(): Promise<Map<string, string>> {
  const page = await Deno.readTextFile(new URL("docs/library.md", ROOT));
  return new Map(
    page.split(/^## /m).flatMap((section) => {
      const [, code] = /^```ts\n(.*?)^```$/ms.exec(section) ?? [];
      return code === undefined ? [] : [[section.split("\n")[0]!, code] as const];
    }),
  );
}

Deno.test({
  name: "docs/library.md's examples are type-checked, run, and print what they should",
  ignore,
  fn: async () => {
    const found = await examples();
    assertEquals([...found.keys()], Object.keys(PRINTS));
    for (const [heading, code] of found) {
      // Inside the repository, so that the workspace resolves the package's name.
      const main = await Deno.makeTempFile({ dir: new URL("tests", ROOT).pathname, suffix: ".ts" });
      try {
        await Deno.writeTextFile(main, code);
        const flags = ["--allow-read", "--allow-env", "--allow-ffi", "--allow-write=garments.png"];
        const { code: exit, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
          args: ["run", "-q", "--check", "--no-prompt", ...flags, main],
          cwd: ROOT,
        }).output();
        assertEquals(exit, 0, `${heading}: ${new TextDecoder().decode(stderr)}`);
        PRINTS[heading]!(new TextDecoder().decode(stdout));
      } finally {
        await Deno.remove(main);
      }
    }
  },
});
