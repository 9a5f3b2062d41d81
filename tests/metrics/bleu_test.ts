import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { corpusBleu, sentenceBleu, tokenize13a } from "../../metrics/bleu.ts";
import { splitWords } from "../../metrics/ngrams.ts";
import { assertAllClose } from "../assert_close.ts";
import { fixtureJson, hasFixture } from "../fixtures.ts";

interface Pair {
  hypothesis: string;
  reference: string;
}

const ignore = !hasFixture("text_metrics.json");

async function reference() {
  const { pairs, sacrebleu_13a, sacrebleu_sentence } = await fixtureJson("text_metrics.json");
  return {
    pairs: pairs as Pair[],
    hypotheses: (pairs as Pair[]).map(({ hypothesis }) => hypothesis),
    references: (pairs as Pair[]).map(({ reference }) => reference),
    corpus: sacrebleu_13a,
    sentences: sacrebleu_sentence as number[],
  };
}

// sacrebleu's own tests: three hypotheses, each with two references.
const DOG = {
  hypotheses: ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."],
  references: [
    ["The dog bit the man.", "The dog had bit the man."],
    ["It was not unexpected.", "No one was surprised."],
    ["The man bit him first.", "The man had bitten the dog."],
  ],
};

Deno.test("corpusBleu() gives sacrebleu's score and its components", { ignore }, async () => {
  const { hypotheses, references, corpus } = await reference();
  const bleu = corpusBleu(hypotheses, references);
  assertAlmostEquals(bleu.score, corpus.score, 1e-9);
  assertAllClose(bleu.precisions, corpus.precisions, { rtol: 1e-12 });
  assertAlmostEquals(bleu.brevityPenalty, corpus.bp, 1e-12);
  assertEquals([bleu.hypothesisLength, bleu.referenceLength], [corpus.sys_len, corpus.ref_len]);
});

Deno.test("sentenceBleu() gives sacrebleu's score of each sentence", { ignore }, async () => {
  const { pairs, sentences } = await reference();
  const scores = pairs.map(({ hypothesis, reference }) =>
    sentenceBleu(hypothesis, reference).score
  );
  assertAllClose(scores, sentences, { rtol: 1e-12 });
});

Deno.test("corpusBleu() gives sacrebleu's published scores with several references", () => {
  const score = (options = {}) => corpusBleu(DOG.hypotheses, DOG.references, options).score;
  assertAlmostEquals(score(), 48.530827, 1e-6);
  assertAlmostEquals(score({ tokenize: splitWords }), 49.1919566, 1e-6);
  const byOrder = [1, 2, 3, 4, 5, 6].map((maxOrder) => score({ maxOrder }));
  assertAllClose(byOrder, [77.65, 60.5, 53.93, 48.53, 46.14, 43.28], { atol: 0.005 });
});

Deno.test("corpusBleu() counts matches and n-grams of each order", () => {
  const { matches, totals } = corpusBleu(["am I am a character sequence"], [
    "I am a symbol string sequence a a",
  ]);
  assertEquals([matches, totals], [[4, 2, 1, 0], [6, 5, 4, 3]]);
});

Deno.test("corpusBleu() smooths as sacrebleu does", () => {
  const floor = { smoothing: "floor", smoothValue: 0.01 } as const;
  assertAlmostEquals(
    corpusBleu(["this is a fest"], ["this is a test"], floor).score,
    22.3606797749979,
    1e-12,
  );
  // PLANNER's measure, as in sumeval.
  assertAlmostEquals(
    sentenceBleu("I am waiting on the beach", "He is walking on the beach", floor).score,
    11.3622,
    5e-5,
  );
  // From sacrebleu 2.6.0.
  const scores = (["none", "floor", "add-k", "exp"] as const).map((smoothing) =>
    sentenceBleu("a little test", "a test", { smoothing }).score
  );
  assertAllClose(scores, [0, 14.938015821857212, 57.73502691896257, 34.66806371753173], {
    rtol: 1e-12,
  });
});

Deno.test("corpusBleu() counts only the orders that occur when effectiveOrder is set", () => {
  assertAlmostEquals(sentenceBleu("test", "a test").score, 36.78794411714425, 1e-12);
  assertEquals(corpusBleu(["test"], ["a test"]).score, 0);
});

Deno.test("corpusBleu() gives 0 when nothing matches or the texts are empty", () => {
  assertEquals(corpusBleu(["this is a test", "another test"], ["ref1", "ref2"]).score, 0);
  assertEquals(corpusBleu(["", ""], ["ref1", "ref2"]).score, 0);
  assertEquals(corpusBleu([], []).score, 0);
});

Deno.test("corpusBleu() ignores case only when lowercase is set", () => {
  const references = ["the room was very clean"];
  assertAlmostEquals(
    corpusBleu(["THE ROOM WAS VERY CLEAN"], references, { lowercase: true }).score,
    100,
    1e-9,
  );
  assertEquals(corpusBleu(["THE ROOM WAS VERY CLEAN"], references).score, 0);
});

Deno.test("corpusBleu() throws when the lists' lengths differ or a reference is missing", () => {
  assertThrows(() => corpusBleu(["a"], []), RangeError, "1 hypotheses and 0 entries of references");
  assertThrows(() => corpusBleu(["a"], [[]]), RangeError, "hypothesis 0 has no reference");
});

Deno.test("tokenize13a() gives sacrebleu's tokens", () => {
  // From sacrebleu 2.6.0: tokens separated by spaces.
  const cases = [
    [
      "It's 3.5-star, $1,000.00! well-known (a/b) [x] {y} ~z `q` &quot;hi&quot; &amp;lt; a-\n" +
      "b c\nd 10-12, e.g. U.S. 5,000,end.",
      'It\'s 3.5 - star , $ 1,000.00 ! well-known ( a / b ) [ x ] { y } ~ z ` q ` " hi " < ab c ' +
      "d 10 - 12 , e . g . U . S . 5,000 , end .",
    ],
    [
      'a@b.com: 50% off; "x"_y^z|w\\v <skipped>ok',
      'a @ b . com : 50 % off ; " x " _ y ^ z | w \\ v ok',
    ],
    ["x\u00a0y\u200bz\ufeffw 'tis", "x y\u200bz\ufeffw 'tis"],
    ["x\ufeff", "x\ufeff"],
    ["\ufeff \x1c\n", "\ufeff"],
    ["...wait,what?!", ". . . wait , what ? !"],
    ["3.\n4,", "3 . 4 ,"],
  ] as const;
  for (const [text, tokens] of cases) assertEquals(tokenize13a(text).join(" "), tokens);
});
