import { assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import {
  classFigures,
  perplexityFigures,
  referenceFigures,
  varietyFigures,
} from "../../../text/evaluation/generation_figures.ts";
import type { MeasuredFigure } from "../../../metrics/measured_figure.ts";
import { textEvaluationCsv } from "../../../text/evaluation/evaluate.ts";

const byName = (figures: readonly MeasuredFigure[]) =>
  Object.fromEntries(figures.map((figure) => [figure.name, figure]));

Deno.test("varietyFigures() measures generated and real texts", () => {
  const real = ["a b c d e", "f g h i j"]; // ten words, four 4-grams, all different
  const samples = ["a b c d e", "a b c d x"]; // 6 of 10 words, 3 of 4 4-grams are different
  const figures = byName(varietyFigures({ samples, real, training: ["y a b c d e"] }));
  const both = (name: string) => [figures[name]!.measured, figures[name]!.real?.measured];
  assertEquals(both("Distinct-1"), [0.6, 1]);
  assertEquals(both("Distinct-4"), [0.75, 1]);
  assertEquals(figures["Distinct-4, relative to real texts"]!.measured, 0.75);
  assertEquals(both("Repetition"), [0.25, 0]);
  // a b c d twice and b c d e once of four; of real texts two of four.
  assertEquals(both("Memorised 4-grams"), [0.75, 0.5]);
  assertEquals(both("Unknown words"), [0.1, 0.5]); // x; f to j
  assertEquals(figures["Distinct-1"]!.value, "60.0 %");
  assertEquals(figures["Distinct-1"]!.real?.value, "100.0 %");
  assertStringIncludes(figures["Distinct-1"]!.protocol, "2 texts; beside it 2 held-out texts");
  // Where real texts have no 4-grams, there is no ratio.
  const short = byName(varietyFigures({ samples, real: ["a", "b"], training: [] }));
  assertEquals(short["Distinct-4, relative to real texts"], undefined);
});

Deno.test("referenceFigures() has BLEU and ROUGE, also of minimum-Bayes-risk candidates", () => {
  const reference = "the cat sat on the mat today";
  assertEquals(referenceFigures([{ text: reference }]), []);
  const figures = byName(referenceFigures([{
    text: "nothing of that kind at all here",
    candidates: ["nothing of that kind at all here", reference, reference],
    reference,
  }]));
  assertEquals(figures["ROUGE-2"]!.measured, 0);
  assertAlmostEquals(figures["BLEU, minimum Bayes risk"]!.measured, 100, 1e-9);
  assertAlmostEquals(figures["ROUGE-L, minimum Bayes risk"]!.measured, 100, 1e-9);
  assertStringIncludes(figures["BLEU, minimum Bayes risk"]!.protocol, "of 3 candidates");
  const alone = byName(referenceFigures([{ text: reference, reference }]));
  assertAlmostEquals(alone["BLEU"]!.measured, 100, 1e-9);
  assertEquals(alone["BLEU, minimum Bayes risk"], undefined);
});

Deno.test("perplexityFigures() leaves out what few texts, or a GPT-2 that knows its own by heart, cannot carry", async () => {
  // A reader for which each token has as many nats as the text has letters.
  const reader = {
    read: (examples: readonly { ids: Int32Array }[]) =>
      Promise.resolve({
        nats: Float64Array.from(examples, ({ ids }) => ids[0]! * 2),
        counts: Uint32Array.from(examples, () => 2),
        features: {
          data: Float64Array.from(examples.flatMap(({ ids }) => [ids[0]!, 1, -ids[0]!])),
          width: 3,
        },
      }),
  };
  const options = {
    name: "a small GPT-2",
    sequence: (text: string) => ({ ids: Int32Array.of(text.length), given: 0 }),
  };
  const texts = Array.from({ length: 200 }, (_, i) => "x".repeat(1 + i % 4));
  const measured = (samples: string[], real: string[], training: string[]) =>
    perplexityFigures(reader, { samples, real, training }, options);
  const figures = byName((await measured(texts, texts, texts)).figures);
  assertAlmostEquals(figures["Perplexity"]!.measured, Math.exp(2.5), 1e-9);
  assertAlmostEquals(figures["Perplexity"]!.real!.measured, Math.exp(2.5), 1e-9);
  assertAlmostEquals(figures["MAUVE"]!.measured, 1, 1e-9);
  assertStringIncludes(figures["Perplexity"]!.protocol, "under a small GPT-2");
  const few = await measured(["a"], ["bb"], ["a"]); // perplexities e^2 and e
  assertEquals(few.figures.map(({ name }) => name), ["Perplexity"]);
  assertEquals(few.leftOut, [{
    name: "MAUVE",
    reason: "it needs at least 200 samples and as many held-out texts, and there are 1 and 1",
  }]);
  const byHeart = await measured(texts, ["xxx"], ["x"]); // e^3 is more than 5 e
  assertEquals(byHeart.figures, []);
  assertEquals(byHeart.leftOut.map(({ name }) => name), ["Perplexity", "MAUVE"]);
  assertStringIncludes(
    byHeart.leftOut[0]!.reason,
    "their perplexity is 2.7, that of held-out ones 20.1",
  );
});

Deno.test("classFigures() has ratings of real and of generated texts, exact and within one star", () => {
  const classifier = {
    classify: Number,
    probabilities: () => new Float64Array(5),
    features: 7,
  };
  const labelled = (...pairs: [string, number][]) =>
    pairs.map(([text, label]) => ({ text, label }));
  const real = labelled(["0", 0], ["1", 0], ["4", 0], ["3", 3]);
  const samples = labelled(["2", 3], ["2", 4]);
  const options = { trained: 9, kind: "rating", classes: ["1", "2", "3", "4", "5"] } as const;
  const { ofSamples, ofReal } = classFigures(classifier, samples, real, options);
  const figures = byName([...ofSamples, ...ofReal]);
  assertEquals(figures["Rating of real reviews predicted, exact"]!.measured, 0.5);
  assertEquals(figures["Rating of real reviews predicted, within one star"]!.measured, 0.75);
  assertEquals(figures["Requested rating predicted, exact"]!.measured, 0);
  assertEquals(figures["Requested rating predicted, within one star"]!.measured, 0.5);
  const { protocol } = figures["Requested rating predicted, exact"]!;
  assertStringIncludes(protocol, "2 generated texts of the ratings 4, 5 in turn; ");
  const same = byName(classFigures(classifier, samples.slice(1), real, options).ofSamples);
  assertStringIncludes(
    same["Requested rating predicted, exact"]!.protocol,
    "1 generated texts of rating 5; ",
  );
});

Deno.test("textEvaluationCsv() has numbers, intervals and quoted protocols", () => {
  const figures: MeasuredFigure[] = [
    { name: "A", value: "50 %", measured: 0.5, interval: [0.25, 0.75], protocol: 'one, "two"' },
    { name: "B", value: "2", measured: 2, real: { value: "3", measured: 3 }, protocol: "p" },
  ];
  assertEquals(textEvaluationCsv({ figures }).split("\n"), [
    "figure,measured,low,high,real_texts,value,protocol",
    'A,0.5,0.25,0.75,,50 %,"one, ""two"""',
    "B,2,,,3,2,p",
    "",
  ]);
});
