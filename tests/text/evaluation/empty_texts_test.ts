import { assertEquals } from "@std/assert";
import { withEmptyTexts } from "../../../text/evaluation/evaluate.ts";

const figure = { name: "Perplexity", value: "184.8", measured: 184.8, protocol: "of words" };

Deno.test("withEmptyTexts() names the number of empty samples beside every figure", () => {
  assertEquals(withEmptyTexts(["a", "b"], [figure]), [figure]);
  const [count, other] = withEmptyTexts(["", " \n", "a bed", ""], [figure]);
  assertEquals([count!.value, count!.measured], ["3 of 4", 0.75]);
  assertEquals(other!.value, "184.8 (3 of 4 empty)");
  assertEquals(other!.protocol, "of words; 3 of 4 samples are empty");
});
