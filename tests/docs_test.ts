/** The documents: what they quote is in the code, and what they link to exists. */
import { assert, assertEquals } from "@std/assert";
import { permitted } from "./permissions.ts";

const ROOT = new URL("../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));
const ignore = !permitted({ name: "read" });

/** The lines of code blocks, each with the first file that the paragraph before its block links to. */
function quotations(markdown: string): { file: string; line: string }[] {
  const paragraphs = markdown.split("\n\n");
  return paragraphs.flatMap((block, i) => {
    const [, code] = /^```ts\n(.*)\n```$/s.exec(block.trim()) ?? [];
    const [, file = ""] = /\]\(\.\.\/([^)]+\.ts)\)/.exec(paragraphs[i - 1] ?? "") ?? [];
    return (code?.split("\n") ?? []).map((line) => ({ file, line: line.trim() }));
  });
}

Deno.test("quotations() pairs a block with the first link of the paragraph before it", () => {
  const markdown = ["[a](../a.ts) and [b](../b.ts)", "```ts\nx();\n```", "[c](../c.ts)"]
    .concat("[d](../d.ts)", "```ts\ny();\n```").join("\n\n");
  assertEquals(quotations(markdown), [
    { file: "a.ts", line: "x();" },
    { file: "d.ts", line: "y();" },
  ]);
});

Deno.test({
  name: "docs/tour.md quotes lines that are in the files it names",
  ignore,
  fn: async () => {
    const quoted = quotations(await read("docs/tour.md"));
    assert(quoted.length >= 17);
    for (const { file, line } of quoted) {
      const lines = (await read(file)).split("\n").map((each) => each.trim());
      assert(lines.includes(line), `${file} has no line \`${line}\``);
    }
  },
});

Deno.test({
  name: "the documents link to files that exist",
  ignore,
  fn: async () => {
    const names = (await Array.fromAsync(Deno.readDir(new URL("docs/", ROOT)), ({ name }) => name))
      .filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`);
    for (const name of ["README.md", "engine/README.md", ...names]) {
      for (const [, link] of (await read(name)).matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
        const target = new URL(link!, new URL(name, ROOT));
        await Deno.stat(target).catch(() => assert(false, `${name} links to ${link}`));
      }
    }
  },
});

Deno.test({
  name: "README.md has at most 10 kB",
  ignore,
  fn: async () => {
    assert((await read("README.md")).length <= 10_000);
  },
});
