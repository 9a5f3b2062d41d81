import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { PRESETS } from "../../../image/presets.ts";
import { checkSettings, kebabCase } from "../../../cli/flags.ts";
import { helpText } from "../../../cli/help.ts";
import { IMAGE_FLAGS, settingsOf } from "../../../image/flags.ts";
import { copyFolder, hashFolder, imageRuns, runImage, TINY, tiny, workplace } from "./program.ts";

const ignore = !imageRuns;
const { folder, straightRun } = workplace(8);

/** Trains for a few steps. @returns The folder and the configuration of the run. */
async function run(...args: string[]): Promise<{ out: string; config: Record<string, unknown> }> {
  const out = `${await folder()}/run`;
  const ended = await runImage(...tiny("--steps=4", ...args), "--out", out);
  assertEquals(ended.code, 0, ended.stderr);
  const record = JSON.parse(await Deno.readTextFile(`${out}/config.json`));
  return { out, config: record.config };
}

/** The samples of a run. */
const gridOf = (out: string) => Deno.readFile(`${out}/samples/grid.png`);

const OPTIONAL = ["sampleTimesteps", "respacing", "startFrom", "imageSize", "colors", "flip"];

Deno.test("PRESETS have every setting, within the ranges of the flags", () => {
  const flags = Object.values(IMAGE_FLAGS).flatMap((group) => Object.keys(group));
  const settings = Object.keys(settingsOf(Object.fromEntries(flags.map((key) => [key, 0]))))
    .filter((key) => !OPTIONAL.includes(key));
  for (const [name, preset] of Object.entries(PRESETS)) {
    checkSettings(preset, IMAGE_FLAGS, name);
    assertEquals(Object.keys(preset).sort(), settings.toSorted(), name);
  }
});

Deno.test("the help of image has the range, the choices and the default of every flag", () => {
  const help = helpText({ usage: "", about: "", flags: IMAGE_FLAGS, presets: PRESETS });
  const parts = help.split(/^ {2}(?=--)/m).map((part) => part.replaceAll(/\s+/g, " "));
  for (const [key, flag] of Object.values(IMAGE_FLAGS).flatMap((group) => Object.entries(group))) {
    const part = parts.find((part) => part.replace("[no-]", "").startsWith(`--${kebabCase(key)} `));
    assert(part !== undefined, key);
    assertStringIncludes(part, flag.range);
    if (flag.kind === "choice") {
      flag.choices.forEach((name: string) => assertStringIncludes(part, name));
    }
    if (key in PRESETS.nano) assertStringIncludes(part, "default ");
  }
});

Deno.test({
  name: "image trains with another loss, weights and schedule, and samples with another sampler",
  ignore,
  fn: async () => {
    const { out, config } = await run(
      "--loss=huber",
      "--huber-delta=0.5",
      "--p2-gamma=1",
      "--p2-k=2",
      "--zero-terminal-snr",
      "--beta-schedule=cosine_continuous",
      "--sampler=dpmpp_multistep",
      "--solver-order=3",
      "--sigma-spacing=karras",
      "--guidance=3",
      "--guidance-rescale=0.7",
      "--guidance-low=0.1",
      "--guidance-high=10",
      "--dynamic-threshold=0.995",
    );
    const { loss, huberDelta, p2Gamma, p2K, zeroTerminalSnr, solverOrder, guidanceHigh } = config;
    assertEquals({ loss, huberDelta, p2Gamma, p2K, zeroTerminalSnr, solverOrder, guidanceHigh }, {
      loss: "huber",
      huberDelta: 0.5,
      p2Gamma: 1,
      p2K: 2,
      zeroTerminalSnr: true,
      solverOrder: 3,
      guidanceHigh: 10,
    });
    const scheduler = JSON.parse(
      await Deno.readTextFile(`${out}/checkpoints/step-000004/scheduler/scheduler_config.json`),
    );
    assertEquals(scheduler.rescale_betas_zero_snr, true);
    assertEquals(scheduler.beta_schedule, "cosine_continuous");
    const report = await Deno.readTextFile(`${out}/report.html`);
    assertStringIncludes(report, "order 3, 3 steps, karras sigmas, guidance 3, rescaled by 0.7");
  },
});

// With the released checkpoint: the output of a model without training hardly depends on the class and stays
// within [-1, 1].
for (
  const args of [
    ["--guidance-rescale=1"],
    ["--guidance-low=1000"],
    ["--guidance-high=1"],
    ["--dynamic-threshold=0.5"],
    ["--respacing=quad4"],
    ["--respacing=1,3"],
    ["--sample-timesteps=900,400,100,10"],
    ["--sampler=dpmpp_multistep", "--sigma-spacing=karras"],
    ["--sampler=dpmpp_multistep", "--sigma-spacing=exponential"],
    ["--sampler=dpmpp_multistep", "--solver-order=1"],
  ]
) {
  Deno.test({
    name: `image --sample-only ${args.join(" ")} gives other samples than without`,
    ignore,
    fn: async () => {
      const draw = async (...more: string[]) => {
        const out = await folder();
        const ended = await runImage(
          "--preset=smoke",
          "--threads=1",
          "--sample-only",
          `--out=${out}`,
          "--guidance=4",
          "--samples=2",
          ...more,
        );
        assertEquals(ended.code, 0, ended.stderr);
        return (await Deno.readFile(`${out}/grid.png`)).toHex();
      };
      const counted = args.some((arg) => arg.includes("respacing") || arg.includes("timesteps"));
      const [changed, plain] = await Promise.all([
        draw(...args, ...counted ? [] : ["--sample-steps=4"]),
        draw(...args.slice(0, -1), "--sample-steps=4"),
      ]);
      assert(changed !== plain, "the same picture");
    },
  });
}

Deno.test({
  name: "image samples in one step, and counts the steps of --respacing and --sample-timesteps",
  ignore,
  fn: async () => {
    const out = `${await folder()}/run`;
    await copyFolder(await straightRun(), out);
    const base = TINY.filter((flag) => !flag.startsWith("--sample-steps"));
    const again = async (...args: string[]) => {
      const ended = await runImage(...base, "--steps=8", "--out", out, "--resume", ...args);
      assertEquals(ended.code, 0, ended.stderr);
      const { config } = JSON.parse(await Deno.readTextFile(`${out}/config.json`));
      return config;
    };
    const before = await hashFolder(`${out}/checkpoints`);
    assertEquals((await again("--sample-steps=1")).sampleSteps, 1);
    const one = await gridOf(out);
    const { sampleSteps, respacing } = await again("--respacing=2,1");
    assertEquals([sampleSteps, respacing], [3, "2,1"]);
    const custom = await again("--sample-timesteps=99");
    assertEquals([custom.sampleSteps, custom.sampleTimesteps, custom.respacing], [
      ...[1, [99], undefined],
    ]);
    // The only step of "trailing" is that from the last timestep.
    assertEquals(await gridOf(out), one);
    assertEquals(await hashFolder(`${out}/checkpoints`), before, "sampling trains nothing");
  },
});
