import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { copyFolder, imageRuns, resultOf, runImage, tiny, workplace } from "./program.ts";
import { runText, runTextProcess, tinyDenoiser } from "../../text/program/program.ts";

const ignore = !imageRuns;
const { folder, straightRun } = workplace(8);

async function recordOf(directory: string): Promise<Record<string, unknown>> {
  return JSON.parse(await Deno.readTextFile(`${directory}/config.json`));
}

Deno.test({
  name: "image --config gives the same weights, metrics and samples as the replayed run",
  ignore,
  fn: async () => {
    const from = await straightRun();
    const out = `${await folder()}/again`;
    const { code, stderr } = await runImage(`--config=${from}/config.json`, "--out", out);
    assertEquals(code, 0, stderr);
    assertEquals(await resultOf(out), await resultOf(from));
    const [there, here] = await Promise.all([recordOf(from), recordOf(out)]);
    assertEquals([here["config"], here["data"]], [there["config"], there["data"]]);
    const [session] = here["sessions"] as Record<string, unknown>[];
    assertEquals([session!["device"], session!["threads"]], ["onnx", 1]);
    assertMatch(String(session!["lockfile"]), /^[0-9a-f]{64}$/);
  },
});

Deno.test({
  name: "image --config accepts flags for settings, and refuses flags that contradict it",
  ignore,
  fn: async () => {
    const from = `${await straightRun()}/config.json`;
    const out = `${await folder()}/changed`;
    const changed = await runImage(`--config=${from}`, "--seed=4", "--steps=2", "--out", out);
    assertEquals(changed.code, 0, changed.stderr);
    const { config } = await recordOf(out) as { config: Record<string, unknown> };
    assertEquals([config["seed"], config["steps"], config["batchSize"]], [4, 2, 4]);

    const refuse = async (args: string[], code: number, message: RegExp) => {
      const ended = await runImage(...args, "--out", `${out}-none`);
      assertMatch(ended.stderr, message);
      assertMatch(ended.stderr.trimEnd().split("\n").at(-1)!, /^error: /);
      assertEquals(ended.code, code, ended.stderr);
    };
    await refuse([`--config=${from}`, "--preset=nano"], 2, /leave --preset out/);
    await refuse([`--config=${from}`, "--sample-only"], 2, /leave --sample-only out/);
    await refuse([`--config=${out}/none.json`], 1, /there is no .+none\.json/);

    // Values that no flag allows, with a hash that matches them.
    const edited = `${await folder()}/config.json`;
    const record = await recordOf(await straightRun());
    const text = JSON.stringify({ ...record, config: { ...config, batchSize: -1 } });
    await Deno.writeTextFile(edited, text);
    await refuse([`--config=${edited}`], 1, /config\.json was edited/);
    await Deno.writeTextFile(edited, JSON.stringify({ ...record, program: "text" }));
    await refuse([`--config=${edited}`], 1, /is a run of "text"/);
  },
});

Deno.test({
  name: "image --config takes the folder of a run, and prints the settings that flags change",
  ignore,
  fn: async () => {
    const from = await straightRun();
    const ended = await runImage(`--config=${from}/`, "--steps=2", "--out", `${await folder()}/r`);
    assertEquals(ended.code, 0, ended.stderr);
    const { config } = await recordOf(from) as { config: Record<string, unknown> };
    assertStringIncludes(ended.stdout, `--steps 2 instead of ${config["steps"]}\n`);
  },
});

Deno.test({
  name: "image --resume takes the settings that are not given from the run in --out",
  ignore,
  fn: async () => {
    const out = `${await folder()}/run`;
    const first = await runImage(...tiny("--steps=4", "--learning-rate=0.003", "--out", out));
    assertEquals(first.code, 0, first.stderr);
    assertStringIncludes(
      first.stderr,
      "all 4 steps lie within the warm-up of 100: the learning rate only reaches 4 % of its peak",
    );
    const longer = await runImage("--resume", "--out", out, "--steps=6");
    assertEquals(longer.code, 0, longer.stderr);
    const { config, sessions } = await recordOf(out) as {
      config: Record<string, unknown>;
      sessions: Record<string, unknown>[];
    };
    assertEquals([config["steps"], config["batchSize"], config["learningRate"]], [6, 4, 0.003]);
    assertEquals(sessions.map(({ threads }) => threads), [1, 1]);
  },
});

for (
  const [name, flags, code, message] of [
    ["--resume with --overwrite", ["--resume", "--overwrite"], 2, /leave one of them out/],
    ["--no-resume with --overwrite", ["--no-resume", "--overwrite"], 2, /leave one of them out/],
    ["--no-resume where a run is", ["--no-resume"], 1, /--no-resume starts a new one/],
    [
      "--resume with another learning rate",
      ["--resume", "--learning-rate=0.5"],
      1,
      /--learning-rate is/,
    ],
    ["--resume with fewer steps", ["--resume", "--steps=1"], 2, /has already done \d+ steps/],
  ] as const
) {
  Deno.test({
    name: `image refuses ${name}, changes nothing and does not advise deletion first`,
    ignore,
    fn: async () => {
      const out = await straightRun();
      const before = await Deno.readTextFile(`${out}/config.json`);
      const ended = await runImage("--out", out, ...flags);
      assertMatch(ended.stderr, message);
      assertEquals(ended.code, code, ended.stderr);
      assertEquals(/(: |\. |or )(replace|start again with --overwrite)/i.test(ended.stderr), false);
      assertEquals(await Deno.readTextFile(`${out}/config.json`), before);
    },
  });
}

Deno.test({
  name: "image --config refuses other data than that of the replayed run, and names the file",
  ignore,
  fn: async () => {
    const record = await recordOf(await straightRun());
    const [data] = record["data"] as { sha256: Record<string, string> }[];
    data!.sha256["train-labels-idx1-ubyte.gz"] = "0".repeat(64);
    const place = await folder();
    await Deno.writeTextFile(`${place}/config.json`, JSON.stringify(record));
    const ended = await runImage(`--config=${place}/config.json`, "--out", `${place}/out`);
    assertEquals(ended.code, 1);
    assertMatch(
      ended.stderr,
      /error: .+ cannot be repeated: .+ "fashion-mnist, train" differs, in the file "train-labels/,
    );
    assertEquals(await Deno.stat(`${place}/out`).then(() => true, () => false), false);
  },
});

Deno.test({
  name: "image refuses a checkpoint of another seed or of other data, even if its shapes fit",
  ignore,
  fn: async () => {
    const place = await folder();
    const out = `${place}/run`;
    const args = tiny("--steps=16", "--seed=7", "--out", out);
    const begun = await runImage(...tiny("--steps=8", "--seed=7", "--out", out));
    assertEquals(begun.code, 0, begun.stderr);
    const own = `${out}/checkpoints/step-000008`;
    await Deno.rename(own, `${place}/own`);
    await copyFolder(`${await straightRun()}/checkpoints/step-000008`, own);
    const ended = await runImage(...args, "--resume");
    assertEquals(ended.code, 1);
    assertMatch(
      ended.stderr,
      /error: .+step-000008 belongs to another run: --seed is 0 there and 7 here\. .+--overwrite\n$/,
    );
    await Deno.remove(own, { recursive: true });
    await Deno.rename(`${place}/own`, own);
    const again = await runImage(...args, "--resume");
    assertEquals(again.code, 0, again.stderr);
  },
});

Deno.test({
  name: "text --config gives the same models, metrics and texts as the replayed run",
  ignore,
  fn: async () => {
    const place = await folder();
    const first = await runTextProcess(...tinyDenoiser("--out", `${place}/first`));
    assertEquals(first.code, 0, first.stderr);
    const again = await runText(`--config=${place}/first/config.json`, "--out", `${place}/again`);
    assertEquals(again.code, 0, again.stderr);
    for (const part of ["", "/diffusion"]) {
      const expected = await resultOf(`${place}/first${part}`);
      const found = await resultOf(`${place}/again${part}`);
      assertEquals(found, expected);
      assert(Object.keys(found).some((file) => file.startsWith("checkpoints/")));
    }
  },
});

Deno.test({
  name: "text --config of an autoencoder trains one, and names settings that a denoiser needs",
  ignore,
  fn: async () => {
    const place = await folder();
    const flags = tinyDenoiser("--stage=vae", "--out", `${place}/first`);
    const first = await runTextProcess(...flags);
    assertEquals(first.code, 0, first.stderr);
    const again = await runText(`--config=${place}/first/config.json`, "--out", `${place}/again`);
    assertEquals(again.code, 0, again.stderr);
    assertEquals(await resultOf(`${place}/again`), await resultOf(`${place}/first`));
    const names = await Array.fromAsync(Deno.readDir(`${place}/again`), ({ name }) => name);
    assert(!names.includes("diffusion"), names.join());

    const rest = tinyDenoiser().filter((flag) => !flag.startsWith("--out"));
    const vae = `--vae=${place}/first`;
    const denoiser = await runText(...rest, vae, "--out", `${place}/denoiser`);
    assertEquals(denoiser.code, 0, denoiser.stderr);
    const config = `--config=${place}/denoiser/diffusion/config.json`;
    const without = await runText(config, "--out", `${place}/copy`);
    assertEquals(without.code, 2);
    assertStringIncludes(without.stderr, "name its autoencoder with --vae");
    const copy = await runText(config, vae, "--out", `${place}/copy`);
    assertEquals(copy.code, 0, copy.stderr);
    assertEquals(
      await resultOf(`${place}/copy/diffusion`),
      await resultOf(`${place}/denoiser/diffusion`),
    );
  },
});
