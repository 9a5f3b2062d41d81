import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { choice, integer, integers, text, toggle } from "../../cli/flags.ts";
import { helpText, helpTopic, wantsHelp } from "../../cli/help.ts";

const OPTIONS = {
  usage: "deno task image [flags]",
  about: "Trains a model.\nNeeds data.",
  examples: [["deno task image --resume", "Continue a run."]] as const,
  flags: {
    "The run": {
      out: text({ placeholder: "DIR", help: "the folder of the run" }),
      resume: toggle({ help: "go on from the last checkpoint" }),
      evaluate: toggle({ help: "measure the samples" }),
    },
    "Training": {
      trainSteps: integer({ min: 1, help: "optimizer steps" }),
      batchSize: integer({ min: 1, max: 512, help: "images a step" }),
      blockOutChannels: integers({ min: 1, help: "channels of each level" }),
      sampler: choice(["ddpm", "ddim"], { help: "the sampler" }),
      order: choice(["first", "2nd"], {
        help: "the order",
        meanings: {
          first: "the simple one",
          "2nd": "the one that is better in most cases, and as fast",
        },
      }),
    },
  },
  presets: {
    smoke: { trainSteps: 20, batchSize: 32, evaluate: false, blockOutChannels: [8, 16] },
    nano: { trainSteps: 1500, batchSize: 32, evaluate: true, sampler: "ddim" },
  },
  defaultPreset: "nano",
};

Deno.test("helpText() lists examples, and flags by group with ranges, choices and the presets' values", () => {
  assertEquals(
    helpText({ ...OPTIONS, width: 80 }),
    `Usage: deno task image [flags]

Trains a model.

Needs data.

Examples
  deno task image --resume
      Continue a run.

Flags: N is an integer, X a number; ranges and defaults are in brackets.
Defaults are those of the preset nano; the values of presets that differ follow
them. --help TOPIC shows a part: The run, Training, or a word of a flag's name.

The run
  --out DIR                 the folder of the run
  --[no-]resume             go on from the last checkpoint
  --[no-]evaluate           measure the samples [default on; smoke off]

Training
  --train-steps N           optimizer steps [at least 1; default 1500; smoke 20]
  --batch-size N            images a step [from 1 to 512; default 32]
  --block-out-channels N,N,...
                            channels of each level [at least 1; default none;
                            smoke 8,16]
  --sampler NAME            the sampler [ddpm, ddim; default ddim; smoke none]
  --order NAME              the order
                              first  the simple one
                              2nd    the one that is better in most cases, and
                                     as fast
`,
  );
});

Deno.test("helpText() shows the groups and the flags of a topic", () => {
  const flags = (topic: string) => helpText({ ...OPTIONS, topic }).match(/^ {2}--\S+/gm);
  assertEquals(flags("the RUN"), ["  --out", "  --[no-]resume", "  --[no-]evaluate"]);
  assertEquals(flags("size"), ["  --batch-size"]);
  assertStringIncludes(helpText({ ...OPTIONS, topic: "x y" }), "No flag has x y in its name.");
  assertEquals(helpTopic(["--preset", "nano", "--help", "size"]), "size");
  assertEquals(helpTopic(["--help", "--preset"]), undefined);
  assertEquals(helpTopic(["-h"]), undefined);
});

Deno.test("helpText() keeps to its width", () => {
  for (const width of [60, 72, 100, 120]) {
    const lines = helpText({ ...OPTIONS, about: "word ".repeat(60).trim(), width }).split("\n");
    assert(lines.every((line) => line.length <= width), `wider than ${width}`);
  }
});

Deno.test("helpText() shows no defaults when there are no presets", () => {
  const help = helpText({ usage: "x", about: "y", flags: OPTIONS.flags });
  assertStringIncludes(help, "optimizer steps [at least 1]\n");
});

Deno.test("wantsHelp() finds --help and -h among other arguments", () => {
  assertEquals(wantsHelp(["--stpes", "5", "--help"]), true);
  assertEquals(wantsHelp(["-h"]), true);
  assertEquals(wantsHelp(["--helpful", "help"]), false);
  assertEquals(wantsHelp(["--", "--help"]), true); // as a task runner leaves it
  assertEquals(wantsHelp(["--steps", "--", "--help"]), false);
});
