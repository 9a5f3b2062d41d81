import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { measure } from "../../tools/measure_text_vae.ts";
import { imageRuns } from "../image/program/program.ts";
import { runText, TINY_TEXT } from "../text/program/program.ts";

Deno.test({
  name: "measure() writes the figures of a run on held-out reviews",
  ignore: !imageRuns,
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "measure test " });
    const { code, stderr } = await runText(...TINY_TEXT, "--steps=2", "--out", `${folder}/run`);
    assertEquals(code, 0, stderr);
    const lines: string[] = [];
    const out = `${folder}/figures.json`;
    const flags = ["--sample", "--texts=6", "--threads=1", "--checkpoint", `${folder}/run`];
    assertEquals(
      await measure([...flags, "--out", out, "--command", "c"], (line) => lines.push(line)),
      0,
    );
    const figures = JSON.parse(await Deno.readTextFile(out));
    // After two steps, hardly any reconstruction is right.
    assert(figures.clean.bleu >= 0 && figures.clean.bleu < 10, `${figures.clean.bleu}`);
    assertEquals([figures.clean.exact, figures.substituted.share, figures.command], [0, 0.3, "c"]);
    assertEquals(figures.noised.length, 11);
    assertEquals(figures.noised[0].bleu, figures.clean.bleu);
    assertEquals(figures.latents.numbers, 16);
    assertStringIncludes(figures.protocol, "6 reviews that training held out");
    assertStringIncludes(lines.join("\n"), `clean: BLEU ${figures.clean.bleu.toFixed(2)}`);
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test({
  name: "measure() throws when there is no checkpoint",
  ignore: !imageRuns,
  fn: async () => {
    await assertRejects(() => measure(["--checkpoint", "no/such/folder"], () => {}), UserError);
  },
});
