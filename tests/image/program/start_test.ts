import { assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { decodeSafetensors } from "../../../nn/safetensors.ts";
import { imageRuns, runImage, tiny, workplace } from "./program.ts";

const ignore = !imageRuns;
const { folder, straightRun } = workplace(8);

/** The averaged weights in the checkpoint of a run. */
async function weightsOf(run: string, step: number) {
  const path = `${run}/checkpoints/step-${String(step).padStart(6, "0")}/unet`;
  const name = `${path}/diffusion_pytorch_model.safetensors`;
  return decodeSafetensors(await Deno.readFile(name), name).tensors;
}

Deno.test({
  name: "image --start-from starts with the averaged weights of a run",
  ignore,
  fn: async () => {
    const from = await straightRun();
    const out = `${await folder()}/run`;
    // The learning rate is so small that a step does not change the first seven digits.
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
  name: "image --start-from names the first setting that differs in another network",
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
