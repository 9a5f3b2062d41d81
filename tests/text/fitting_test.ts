import { assert, assertEquals } from "@std/assert";
import { parseFlags } from "../../cli/flags.ts";
import { parseOwnProblems } from "../../datasets/own_problems.ts";
import { parseOwnTexts } from "../../datasets/own_texts.ts";
import { fitOwnData } from "../../text/fitting.ts";
import { TEXT_FLAGS } from "../../text/denoiser_flags.ts";
import { PRESETS } from "../../text/presets.ts";

const encode = (lines: readonly string[]) => new TextEncoder().encode(lines.join("\n"));

function fit(name: string, lines: readonly string[], ...args: string[]) {
  const bytes = encode(lines);
  const own = name.endsWith(".jsonl")
    ? { problems: parseOwnProblems(bytes, name) }
    : parseOwnTexts(bytes, name);
  const file = { path: name, sha256: "", own };
  return fitOwnData(file, PRESETS.smoke, parseFlags(args, TEXT_FLAGS));
}

const TEXTS = Array.from({ length: 40 }, (_, i) => `the text number ${i} of this file`);

Deno.test("fitOwnData() chooses condition, held-out part, vocabulary and lengths for texts, and says why", () => {
  const rows = TEXTS.map((text, i) => `${text},${i % 2 === 0 ? "good" : "bad"}`);
  const { settings, reasons } = fit("a.csv", ["text,label", ...rows]);
  assertEquals(settings.denoiser, { condition: "label" });
  const { validationSize, vocabSize, maxTokens = 0, latents } = settings.autoencoder!;
  // A tenth of 40 texts; 256 bytes and a tenth of 280 words, in hundreds.
  assertEquals([validationSize, vocabSize], [4, 300]);
  assert(maxTokens % 8 === 0 && latents === Math.max(8, maxTokens / 4));
  const usual = Number(/at most (\d+) tokens/.exec(reasons.join())![1]);
  assert(usual <= maxTokens && maxTokens < usual + 8);
  assertEquals(reasons, [
    "--condition: label; one of 2: bad, good",
    "--validation-size: 4; as many again are held out to test with",
    "--vocab-size: 300; there are 280 words",
    `--max-tokens: ${maxTokens}; 95 % of the texts have at most ${usual} tokens, and longer ones are cut`,
    `--latents: ${latents}; one for every four tokens, and at least 8`,
  ]);
});

Deno.test("fitOwnData() leaves out what flags set, and conditions on nothing without labels", () => {
  const flags = ["--max-tokens=16", "--vocab-size=300", "--latents=4"];
  const { settings, reasons } = fit("a.txt", TEXTS, ...flags);
  assertEquals(settings.denoiser, { condition: "none" });
  assertEquals(reasons, [
    "--condition: none; there are no labels",
    "--validation-size: 4; as many again are held out to test with",
  ]);
});

Deno.test("fitOwnData() fits thoughts and questions of problems, and splits digits where answers are numbers", () => {
  const problem = (i: number, answer: unknown) =>
    JSON.stringify({ question: `what is ${i} plus one`, thoughts: ["count", "on"], answer });
  const numbers = fit("a.jsonl", Array.from({ length: 20 }, (_, i) => problem(i, i + 1)));
  assertEquals(numbers.settings.autoencoder!.splitDigits, true);
  assertEquals(numbers.settings.denoiser!.maxThoughts, 2);
  assert(numbers.reasons.includes("--max-thoughts: 2; the most that a problem has is 2"));
  assert(numbers.reasons.includes("--split-digits: on; all answers are numbers"));
  const words = fit("a.jsonl", Array.from({ length: 20 }, (_, i) => problem(i, `it is ${i + 1}`)));
  assertEquals(words.settings.autoencoder!.splitDigits, false);
  assert(words.reasons.includes("--split-digits: off; answers are texts"));
});
