import { assertEquals } from "@std/assert";
import { fillingLines, maskedTexts, sideBySide } from "../../../text/masked/report.ts";

const answer = (right: boolean) => ({ prompt: "1_", text: "12", reference: "12", right });
const SAMPLES = {
  answers: [answer(true), answer(false)],
  trajectories: [["1_", "13", "12"]],
  scores: [],
  figures: [],
};
const TASK = { show: (text: string) => [text, "--"], unit: "pairs" }; // boards of two lines

Deno.test("sideBySide() aligns blocks of different heights, and puts single lines below each other", () => {
  assertEquals(sideBySide([["a", "bcd"], ["e"]]), ["a       e", "bcd"]);
  assertEquals(sideBySide([["a"], ["e"]]), ["a", "e"]);
});

Deno.test("fillingLines() shows what is given, the step half way, and the answer", () => {
  assertEquals(fillingLines(SAMPLES, TASK), ["1_     13     12", "--     --     --"]);
});

Deno.test("maskedTexts() leaves out the step half way where none was kept", () => {
  const [{ texts } = { texts: [] }] = maskedTexts(SAMPLES, TASK);
  assertEquals(texts, [
    { prompt: "right", text: "1_     13     12\n--     --     --" },
    { prompt: "wrong", text: "1_     12\n--     --" },
  ]);
});
