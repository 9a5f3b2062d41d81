import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../base/errors.ts";
import { prepareTexts } from "../../../text/autoencoder/start.ts";
import { PRESETS } from "../../../text/presets.ts";

Deno.test("prepareTexts() refuses to cut answers of multiplications, and cuts reviews", () => {
  const config = { ...PRESETS.smoke.autoencoder, vocabSize: 300, maxTokens: 13, windows: false };
  const texts = ["0 0 0 0", "0 6 9 1 #### 0 6 9 1"]; // 4 and 11 tokens, 7 and 19 with spaces apart
  const data = { train: texts, validation: texts };
  const notes: string[] = [];
  const prepare = (changes: Partial<typeof config>) =>
    prepareTexts(data, { ...config, ...changes }, {}, (line) => notes.push(line));
  const whole = prepare({ dataset: "multiplication" });
  assertEquals(whole.train.map(({ decoder }) => decoder.length), [4, 11]);
  assertThrows(
    () => prepare({ dataset: "multiplication", splitDigits: true }),
    UserError,
    "1 of 2 steps are longer than --max-tokens 13, and would be cut with their answers: raise it, " +
      "or leave out --split-digits",
  );
  assertThrows(
    () => prepare({ dataset: "multiplication", maxTokens: 8 }),
    UserError,
    "with their answers: raise it",
  );
  assertEquals(notes, []);
  prepare({ maxTokens: 8 });
  assertEquals(notes.length, 2);
});
