import { assertEquals } from "@std/assert";
import { roundHalfEven } from "../rounding.ts";

Deno.test("roundHalfEven() rounds halves to the even integer", () => {
  const values = [-2.5, -1.5, 0.5, 1.5, 2.5, 3.5, 62.5, 63.5];
  assertEquals(values.map(roundHalfEven), [-2, -2, 0, 2, 2, 4, 62, 64]);
});

Deno.test("roundHalfEven() rounds other numbers to the nearest integer", () => {
  const values = [0, 0.49999999999999994, 1.2, 2.5000000000000004, -1.7, 7];
  assertEquals(values.map(roundHalfEven), [0, 0, 1, 3, -2, 7]);
});
