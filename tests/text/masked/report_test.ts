import { assertEquals } from "@std/assert";
import { fillingLines, maskedTexts, sideBySide } from "../../../text/masked/report.ts";

const answer = (right: boolean) => ({ quiz: [1, 0], answer: [1, 2], solution: [1, 2], right });
const SAMPLES = {
  answers: [answer(true), answer(false)],
  trajectories: [[[1, 0], [1, 3], [1, 2]]],
  scores: [],
  figures: [],
};
const TASK = { show: (tokens: ArrayLike<number>) => [Array.from(tokens).join("")], unit: "pairs" };

Deno.test("sideBySide() aligns blocks of different heights", () => {
  assertEquals(sideBySide([["a", "bcd"], ["e"]]), ["a       e", "bcd"]);
});

Deno.test("fillingLines() shows what is given, the step half way, and the answer", () => {
  assertEquals(fillingLines(SAMPLES, TASK), ["10     13     12"]);
});

Deno.test("maskedTexts() leaves out the step half way where none was kept", () => {
  const [{ texts } = { texts: [] }] = maskedTexts(SAMPLES, TASK);
  assertEquals(texts, [
    { prompt: "right", text: "10     13     12" },
    { prompt: "wrong", text: "10     12" },
  ]);
});
