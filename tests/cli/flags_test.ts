import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { EXIT, UserError } from "../../base/errors.ts";
import {
  checkSettings,
  choice,
  integer,
  integers,
  kebabCase,
  number,
  parseFlags,
  resolveConfig,
  text,
  toggle,
} from "../../cli/flags.ts";

const FLAGS = {
  "The run": {
    preset: choice(["smoke", "nano"], { help: "a set of values" }),
    out: text({ placeholder: "DIR", help: "the folder of the run" }),
    seed: integer({ min: 0, help: "the seed" }),
    resume: toggle({ help: "go on from the last checkpoint" }),
  },
  "Training": {
    steps: integer({ min: 1, help: "optimizer steps" }),
    learningRate: number({ above: 0, below: 10, help: "the learning rate" }),
    blockOutChannels: integers({ min: 1, max: 512, help: "channels of each level" }),
  },
  "Sampling": {
    sampler: choice(["ddpm", "ddim"], { help: "the sampler" }),
    eta: number({ min: 0, max: 1, help: "noise of DDIM" }),
    x0Limit: number({ help: "any number" }),
  },
};

const parse = (...args: string[]) => parseFlags(args, FLAGS);

/** The message, of one line and exit code 2, that a command line is refused with. */
function refusal(...args: string[]): string {
  const error = assertThrows(() => parse(...args), UserError);
  assertEquals(error.exitCode, EXIT.usage);
  assertEquals(error.message.split("\n").length, 1);
  return error.message;
}

Deno.test("kebabCase() writes a name as on the command line", () => {
  assertEquals(["steps", "learningRate", "x0Limit"].map(kebabCase), [
    "steps",
    "learning-rate",
    "x0-limit",
  ]);
});

Deno.test("parseFlags() returns nothing when nothing is given", () => {
  assertEquals(parse(), {});
});

Deno.test("parseFlags() returns typed values of the flags that are given", () => {
  const given = parse("--steps", "20", "--learning-rate=1e-3", "--sampler", "ddim", "--resume");
  const typed: {
    steps?: number;
    learningRate?: number;
    sampler?: "ddpm" | "ddim";
    resume?: boolean;
    blockOutChannels?: number[];
    out?: string;
  } = given;
  assertEquals(typed, { steps: 20, learningRate: 0.001, sampler: "ddim", resume: true });
});

Deno.test("parseFlags() reads every kind of flag", () => {
  assertEquals(parse("--block-out-channels", "32,64, 64"), { blockOutChannels: [32, 64, 64] });
  assertEquals(parse("--block-out-channels=8"), { blockOutChannels: [8] });
  assertEquals(parse("--out", "runs/a=b c"), { out: "runs/a=b c" });
  assertEquals(parse("--out=007"), { out: "007" });
  assertEquals(parse("--no-resume"), { resume: false });
  assertEquals(parse("--resume=false"), { resume: false });
  assertEquals(parse("--seed", "9007199254740991"), { seed: 9007199254740991 });
  assertEquals(parse("--steps", "1e5"), { steps: 100000 });
  for (
    const [typed, value] of [["-0.5", -0.5], ["+3", 3], [".5", 0.5], ["2.", 2], [
      "1E2",
      100,
    ]] as const
  ) {
    assertEquals(parse("--x0-limit", typed), { x0Limit: value });
    assertEquals(parse(`--x0-limit=${typed}`), { x0Limit: value });
  }
});

Deno.test("parseFlags() accepts both ends of a range, and refuses values outside", () => {
  assertEquals(parse("--eta", "0", "--steps", "1", "--seed", "0"), { eta: 0, steps: 1, seed: 0 });
  assertEquals(parse("--eta", "1"), { eta: 1 });
  assertEquals(refusal("--eta", "1.01"), "--eta 1.01: must be a number from 0 to 1");
  assertEquals(refusal("--eta", "-0.1"), "--eta -0.1: must be a number from 0 to 1");
  assertEquals(refusal("--steps", "0"), "--steps 0: must be an integer of at least 1");
  assertEquals(refusal("--seed", "-1"), "--seed -1: must be an integer of at least 0");
  assertEquals(
    refusal("--learning-rate", "0"),
    "--learning-rate 0: must be a number above 0 and below 10",
  );
  assertStringIncludes(refusal("--learning-rate", "10"), "below 10");
  assertEquals(
    refusal("--block-out-channels", "32,1024"),
    "--block-out-channels 32,1024: must be comma-separated integers, each from 1 to 512",
  );
});

Deno.test("parseFlags() refuses values that are not numbers", () => {
  for (const typed of ["ten", "1.5", "0x10", "1_000", "Infinity", "NaN", "1e99", "5 6", "٣"]) {
    assertStringIncludes(refusal("--steps", typed), "must be an integer of at least 1");
  }
  for (const typed of ["Infinity", "NaN", "1e999", "1,5", "half"]) {
    assertStringIncludes(refusal("--x0-limit", typed), "must be a number");
  }
  for (const typed of ["32,,64", "32;64", ",", "32,"]) {
    assertStringIncludes(refusal("--block-out-channels", typed), "comma-separated integers");
  }
});

Deno.test("parseFlags() suggests the nearest flag when one is unknown", () => {
  assertEquals(
    refusal("--stpes", "5"),
    "--stpes: unknown flag; did you mean --steps? --help lists them all",
  );
  assertStringIncludes(refusal("--learningRate=1"), "--learningRate: unknown flag; did you mean");
  assertStringIncludes(refusal("--learning_rate=1"), "did you mean --learning-rate?");
  assertStringIncludes(refusal("--no-resum"), "did you mean --no-resume?");
  assertStringIncludes(refusal("--no-steps"), "did you mean --steps?");
  assertStringIncludes(refusal("--hlep"), "did you mean --help?");
  assertEquals(refusal("--silent"), "--silent: unknown flag; --help lists them all");
  assertStringIncludes(refusal("-s", "4"), "-s: unknown flag");
  assertStringIncludes(refusal("--__proto__", "1"), "unknown flag");
  assertStringIncludes(refusal("--constructor=1"), "unknown flag");
});

Deno.test("parseFlags() lists the choices and suggests the nearest one when a value is not among them", () => {
  assertEquals(
    refusal("--sampler", "ddmi"),
    "--sampler ddmi: must be one of ddpm, ddim; did you mean ddim?",
  );
  assertStringIncludes(
    refusal("--preset", "Nano"),
    "must be one of smoke, nano; did you mean nano?",
  );
  assertStringIncludes(refusal("--resume=maybe"), "--resume maybe: must be true or false");
});

Deno.test("parseFlags() refuses an empty value", () => {
  const message = "--steps needs a value: an integer of at least 1";
  assertEquals(refusal("--steps="), message);
  assertEquals(refusal("--steps"), message);
  assertEquals(refusal("--steps", "--resume"), message);
  assertEquals(
    refusal("--out", "--resume"),
    "--out needs a value: a path that does not begin with ~",
  );
  assertStringIncludes(refusal("--resume="), "--resume needs a value: true or false");
});

Deno.test("parseFlags() refuses a flag that is given twice", () => {
  assertEquals(
    refusal("--steps", "5", "--steps=6"),
    "--steps is given more than once (5, then 6): give it once",
  );
  assertStringIncludes(refusal("--resume", "--no-resume"), "(true, then false): give it once");
  assertStringIncludes(refusal("--out=a", "--out=a"), "give it once");
});

Deno.test("parseFlags() refuses an argument that belongs to no flag", () => {
  assertEquals(refusal("nano"), "nano: belongs to no flag; did you mean --preset nano?");
  assertStringIncludes(refusal("--out", ""), "--out needs a value");
  assertEquals(refusal("steps", "5"), "steps: belongs to no flag; did you mean --steps?");
  assertStringIncludes(refusal("--resume", "something"), "every value follows its flag");
  assertStringIncludes(refusal("--steps", "5", "--", "--seed"), "--seed: belongs to no flag");
});

Deno.test("parseFlags() drops -- in front of the flags, as task runners leave it there", () => {
  assertEquals(parse("--", "--steps", "5"), { steps: 5 });
});

Deno.test("parseFlags() refuses a path that begins with ~, which would name a folder ~", () => {
  const message = "must be a path that does not begin with ~";
  assertStringIncludes(refusal("--out=~/runs"), message);
  assertStringIncludes(refusal("--out", "~"), message);
  assertEquals(parse("--out=a~b"), { out: "a~b" });
});

Deno.test("parseFlags() prints no control characters that were typed", () => {
  assertEquals(
    refusal("--steps", "\x1b[31m5\n6"),
    '--steps "\\u001b[31m5\\n6": must be an integer of at least 1',
  );
  assertStringIncludes(refusal("--\x1b[2J"), '"--\\u001b[2J": unknown flag');
});

Deno.test("resolveConfig() replaces the preset's values by those that are given", () => {
  const preset = { steps: 10, eta: 0, sampler: "ddim" as "ddim" | "ddpm", channels: [8] };
  const config = resolveConfig(preset, parse("--steps", "3", "--sampler=ddpm", "--seed", "7"));
  const typed: { steps: number; sampler: "ddim" | "ddpm"; seed?: number } = config;
  assertEquals(typed.seed, 7);
  assertEquals({ ...config }, { steps: 3, eta: 0, sampler: "ddpm", channels: [8], seed: 7 });
  assertEquals(preset.steps, 10);
  assertEquals(resolveConfig(preset, { steps: undefined }).steps, 10);
});

Deno.test("checkSettings() accepts what the flags accept and ignores other keys", () => {
  const good = { steps: 1, eta: 0.5, blockOutChannels: [1, 2], resume: false, out: "a", other: {} };
  checkSettings(good, FLAGS, "nano");
  assertEquals(parse("--steps=1", "--eta=0.5", "--block-out-channels=1,2"), {
    steps: good.steps,
    eta: good.eta,
    blockOutChannels: good.blockOutChannels,
  });
});

Deno.test("checkSettings() names the setting that its flag would refuse", () => {
  for (
    const [bad, message] of [
      [{ steps: 0 }, "c.json: steps is 0, but must be an integer of at least 1"],
      [{ steps: "5" }, 'c.json: steps is "5", but must be an integer of at least 1'],
      [{ eta: null }, "c.json: eta is null, but must be a number from 0 to 1"],
      [{ blockOutChannels: 8 }, "c.json: blockOutChannels is 8, but must be comma-separated"],
      [{ resume: "true" }, 'c.json: resume is "true", but must be true or false'],
      [{ sampler: "euler" }, 'c.json: sampler is "euler", but must be one of ddpm, ddim'],
    ] as [object, string][]
  ) assertThrows(() => checkSettings(bad, FLAGS, "c.json"), UserError, message);
});
