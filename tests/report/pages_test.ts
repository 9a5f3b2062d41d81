/** Pages of runs whose names and settings are untrusted. */
import { assert, assertEquals } from "@std/assert";
import { imageRuns, runImage, TINY } from "../image/program/program.ts";
import { permitted } from "../permissions.ts";
import { parseMarkup } from "./markup.ts";
import { runText, TINY_TEXT } from "../text/program/program.ts";

/** A valid name of a folder, which would run as a script in a page that did not escape it. */
const NAME = `<img src=x onerror=alert(1)>"'&`;

/** Asserts that a page opens without a network and runs nothing. */
function assertHarmless(page: string): void {
  const elements = parseMarkup(page);
  const names = new Set(elements.map(({ name }) => name));
  for (
    const name of ["script", "iframe", "link", "object", "embed", "base", "a", "form", "video"]
  ) {
    assert(!names.has(name), name);
  }
  for (const { name, attributes } of elements) {
    for (const [key, value] of attributes) {
      assert(
        !/^(on|href$|srcset$|action$|formaction$|data$|background$)/.test(key),
        `${name} ${key}`,
      );
      if (key === "src") assert(/^data:image\/(png|gif);base64,/.test(value), value.slice(0, 40));
      if (key === "style") assert(!/url\(|@import/i.test(value), value);
    }
  }
  // The only address is the name space of SVG, which is not opened.
  const addresses = new Set(page.match(/(?:https?|ftp|file|wss?):\/\/[^"\s<]*/g));
  assertEquals([...addresses], ["http://www.w3.org/2000/svg"]);
  // The folder's name is there, as text.
  assert(elements.some(({ text }) => text.includes(NAME)));
}

for (
  const [program, run, args] of [
    ["image.ts", runImage, [...TINY, "--steps=2"]],
    ["text.ts", runText, [...TINY_TEXT, "--steps=2"]],
  ] as const
) {
  Deno.test({
    name:
      `${program} writes a page that loads nothing and runs nothing, whatever the folder's name`,
    ignore: !imageRuns || Deno.build.os === "windows",
    fn: async () => {
      const folder = await Deno.makeTempDir();
      try {
        const { code, stderr } = await run(...args, `--out=${folder}/${NAME}`);
        assertEquals(code, 0, stderr);
        assertHarmless(await Deno.readTextFile(`${folder}/${NAME}/report.html`));
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

Deno.test({
  name: "only element() and the style sheets make markup, so that data cannot enter it unescaped",
  ignore: !permitted({ name: "read" }),
  fn: async () => {
    const made: string[] = [];
    for (const folder of ["cli", "image", "report", "text", "training"]) {
      const root = new URL(`../../${folder}/`, import.meta.url);
      for await (const { name } of Deno.readDir(root)) {
        const text = name.endsWith(".ts") ? await Deno.readTextFile(new URL(name, root)) : "";
        if (/new Markup\(/.test(text)) made.push(`${folder}/${name}`);
      }
    }
    assertEquals(made.sort(), ["report/html.ts", "report/plot_style.ts", "report/style.ts"]);
  },
});
