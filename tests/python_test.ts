/**
 * Checkpoints opened by diffusers and transformers. PYTHON in the environment names a Python that has
 * them and torch; without it these tests are skipped.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { imageRuns, runImage, tiny, workplace } from "./image/program/program.ts";
import { permitted } from "./permissions.ts";
import { runText, TINY_TEXT } from "./text/program/program.ts";

const python = permitted({ name: "env", variable: "PYTHON" }) ? Deno.env.get("PYTHON") : undefined;

/** Whether that Python has what a check needs. */
async function hasModules(modules: string): Promise<boolean> {
  if (python === undefined || !imageRuns) return false;
  const child = new Deno.Command(python, {
    args: ["-c", `import ${modules}`],
    ...{ stdin: "null", stdout: "null", stderr: "null" },
  });
  return await child.output().then(({ success }) => success, () => false);
}

const ignore = !await hasModules("diffusers, torch");
const { folder } = workplace(1);
const here = (name: string) => new URL(`./python/${name}`, import.meta.url).pathname;

/** Runs a program that must succeed. */
async function succeed(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals(code, 0, decode(stdout) + decode(stderr));
  return decode(stdout);
}

/** A DiT that has learned enough for its output not to be 0. */
const DIT = ["--preset=smoke", "--denoiser=dit", "--threads=1", "--learning-rate=0.003"];

for (
  const [name, flags, classes] of [
    ["a ddim run", ["--preset=smoke"], "DDIMPipeline with DDIMScheduler"],
    ["a ddpm run", tiny("--steps=8", "--sampler=ddpm"), "DDPMPipeline with DDPMScheduler"],
    [
      "a run with learned variances",
      tiny("--steps=8", "--learned-variance"),
      "DDPMPipeline with DDPMScheduler",
    ],
    ["a DiT's run", DIT, "DiTPipeline with DDIMScheduler"],
    [
      "a DiT's run with learned variances",
      [...DIT, "--learned-variance"],
      "DiTPipeline with DDPMScheduler",
    ],
    [
      "a DiT's run of a flow",
      [...DIT, "--objective=flow_matching"],
      "DiTPipeline with FlowMatchEulerDiscreteScheduler",
    ],
  ] as const
) {
  Deno.test({
    name: `diffusers opens the checkpoint of ${name}, and its network answers as ours`,
    ignore,
    fn: async () => {
      const place = await folder();
      const ended = await runImage(...flags, `--out=${place}/run`);
      assertEquals(ended.code, 0, ended.stderr);
      const output = `${place}/output.json`;
      await succeed(
        Deno.execPath(),
        "run",
        "-A",
        here("network_output.ts"),
        `${place}/run`,
        output,
      );
      const said = await succeed(python!, here("check_checkpoint.py"), output);
      assertStringIncludes(said, classes);
    },
  });
}

Deno.test({
  name: "transformers opens a text run's encoder, decoder and tokenizer, and they answer as ours",
  ignore: !await hasModules("transformers, torch"),
  fn: async () => {
    const place = await folder();
    const ended = await runText(...TINY_TEXT, "--steps=8", `--out=${place}/run`);
    assertEquals(ended.code, 0, ended.stderr);
    const output = `${place}/output.json`;
    const program = here("text_vae_output.ts");
    await succeed(Deno.execPath(), "run", "-A", program, `${place}/run`, output);
    const said = await succeed(python!, here("check_text_vae.py"), output);
    assertStringIncludes(said, "the tokenizer agree");
  },
});
