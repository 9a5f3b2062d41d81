import { assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { decodeSafetensors } from "../../../nn/safetensors.ts";
import { imageRuns, runImage, tiny, workplace } from "./program.ts";

const ignore = !imageRuns;
const { folder, straightRun } = workplace(8);

/** The averaged weights that a run's checkpoint holds. */
async function weightsOf(run: string, step: number) {
  const path = `${run}/checkpoints/step-${String(step).padStart(6, "0")}/unet`;
  const name = `${path}/diffusion_pytorch_model.safetensors`;
  return decodeSafetensors(await Deno.readFile(name), name).tensors;
}

Deno.test({
  name: "image.ts begins with a run's averaged weights when --start-from names it",
  ignore,
  fn: async () => {
    const from = await straightRun();
    const out = `${await folder()}/run`;
    // So small a rate that the first step leaves the weights where they were, to seven digits.
    const { code, stderr } = await runImage(
      ...tiny(`--start-from=${from}`, `--out=${out}`, "--steps=1", "--learning-rate=1e-9"),
    );
    assertEquals(code, 0, stderr);
    const [before, after] = [await weightsOf(from, 8), await weightsOf(out, 1)];
    assertEquals([...after.keys()], [...before.keys()]);
    for (const [name, { data }] of before) {
      Array.from(data, Number).forEach((value, i) =>
        assertAlmostEquals(Number(after.get(name)!.data[i]), value, 1e-6, `${name}[${i}]`)
      );
    }
    const record = JSON.parse(await Deno.readTextFile(`${out}/config.json`));
    assertEquals(record.config.startFrom, from);
    assertEquals(record.data[1].name, "starting weights");
  },
});

Deno.test({
  name: "image.ts names the setting that differs when --start-from is of another network",
  ignore,
  fn: async () => {
    const from = await straightRun();
    const out = `${await folder()}/run`;
    const { code, stderr } = await runImage(
      ...tiny(`--start-from=${from}`, `--out=${out}`, "--channels=8,16"),
    );
    assertEquals(code, 1);
    assertStringIncludes(stderr, "block_out_channels is [8,8], expected [8,16]");
  },
});
