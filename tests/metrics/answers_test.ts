import { assertEquals, assertThrows } from "@std/assert";
import {
  accuracyByVotes,
  accuracyOf,
  decimalNumber,
  describeAccuracy,
  exactMatch,
  extractDigits,
  extractNumber,
  majorityVote,
  wilsonInterval,
} from "../../metrics/answers.ts";
import { assertAllClose } from "../assert_close.ts";

Deno.test("decimalNumber() has one form for each number, and none for other text", () => {
  const cases = [
    ["1,234.50", "1234.5"],
    ["5.", "5"],
    [".5", "0.5"],
    ["$5", "5"],
    ["-$0,005.00", "-5"],
    ["+7", "7"],
    ["-0.0", "0"],
    ["123456789012345678901", "123456789012345678901"],
    [",", undefined],
    [".", undefined],
    ["1.2.3", undefined],
    ["1e5", undefined],
  ] as const;
  for (const [text, number] of cases) assertEquals(decimalNumber(text), number, text);
});

Deno.test("extractNumber() finds the number where GSM8K's regular expression finds it", () => {
  const cases = [
    ["<<16-3-4=9>> <<9*2=18>> #### 18", "18"],
    ["She pays $1,080.\n#### 1,080", "1080"],
    ["#### -7", "-7"],
    ["#### 2.50 dollars", "2.5"],
    ["#### 12 #### 13", "12"],
    ["#### x #### 13", "13"],
    ["#### 1,234,567.", "1234567"],
    ["#### $18", "18"],
    ["#### ,", undefined],
    ["####18", undefined], // a space is required
    ["The answer is 18", undefined],
    ["#### eighteen", undefined],
    ["", undefined],
  ] as const;
  for (const [solution, answer] of cases) assertEquals(extractNumber(solution), answer, solution);
});

Deno.test("extractDigits() finds the digits after the first mark", () => {
  assertEquals(extractDigits("1 7 4 3 3 + 0 6 #### 1 3 9 4 5 4 2 1"), "13945421");
  for (const none of ["1 7 4 3", "####", "#### 1 x", "#### 1 + 2"]) {
    assertEquals(extractDigits(none), undefined, none);
  }
});

Deno.test("exactMatch() compares characters except for commas", () => {
  assertEquals(exactMatch("1080", "1,080"), true);
  for (const answer of ["1080.0", "+1080", "", undefined]) {
    assertEquals(exactMatch(answer, "1080"), false);
  }
});

Deno.test("majorityVote() returns the most frequent answer, and the first one when counts are equal", () => {
  assertEquals(majorityVote(["7", "8", "8"]), "8");
  assertEquals(majorityVote(["a", "b"]), "a");
  assertEquals(majorityVote(["c", "b", "b", "a", "a", "c"]), "c");
  assertEquals(majorityVote([undefined, undefined, "5"]), "5");
  assertEquals(majorityVote([undefined]), undefined);
  assertEquals(majorityVote([]), undefined);
});

Deno.test("wilsonInterval() gives scipy's interval", () => {
  const cases = [
    [0, 10, 0, 0.27753279986288926],
    [10, 10, 0.7224672001371109, 1],
    [5, 10, 0.236593090512564, 0.7634069094874361],
    [10, 80, 0.06933557616004862, 0.2150280209915967],
    [637, 1267, 0.47526464662984025, 0.5302435148732445],
    [1, 3, 0.06149194472039626, 0.7923403991979523],
  ] as const;
  for (const [correct, count, low, high] of cases) {
    assertAllClose(wilsonInterval(correct, count), [low, high], { atol: 1e-14, rtol: 1e-12 });
  }
});

Deno.test("wilsonInterval() throws when the counts are impossible", () => {
  for (const [correct, count] of [[0, 0], [3, 2], [-1, 2], [NaN, 2]] as const) {
    assertThrows(() => wilsonInterval(correct, count), RangeError, `${correct} right answers of`);
  }
});

Deno.test("accuracyOf() and describeAccuracy() report the share, the interval and chance", () => {
  const right = Array.from({ length: 80 }, (_, i) => i < 10);
  const accuracy = accuracyOf(right, 0.5);
  assertEquals([accuracy.correct, accuracy.count, accuracy.accuracy], [10, 80, 0.125]);
  assertEquals(
    describeAccuracy(accuracy),
    "12.5 % (10 of 80; 95 % interval 6.9 to 21.5 %; chance 50.0 %)",
  );
  assertEquals(
    describeAccuracy(accuracyOf(right)),
    "12.5 % (10 of 80; 95 % interval 6.9 to 21.5 %)",
  );
});

Deno.test("accuracyByVotes() counts the winners of the first votes", () => {
  const votes = [["1", "2", "2"], [undefined, "5", "6"], ["9", undefined, undefined]];
  const shares = accuracyByVotes(votes, ["2", "5", "9"]).map(({ correct }) => correct);
  // With one vote only the last problem is right, with two the second too, with three all.
  assertEquals(shares, [1, 2, 3]);
});

Deno.test("accuracyByVotes() throws when there are no votes or the lists' lengths differ", () => {
  assertThrows(() => accuracyByVotes([[]], ["1"]), RangeError, "0 votes; at least 1 is needed");
  assertThrows(() => accuracyByVotes([], []), RangeError, "0 votes; at least 1 is needed");
  assertThrows(() => accuracyByVotes([["1"], ["1", "2"]], ["1", "1"]), RangeError, "votes on 2");
  assertThrows(
    () => accuracyByVotes([["1"]], ["1", "1"]),
    RangeError,
    "votes on 1 problems with 2 answers",
  );
});
