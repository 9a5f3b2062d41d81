import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { loadFashionMnist } from "../../datasets/fashion_mnist.ts";
import { checkBatchSize, classesOf, FASHION } from "../../image/data.ts";
import { permitted } from "../permissions.ts";

Deno.test("classesOf() reads names in upper or lower case, numbers and lists", () => {
  assertEquals(classesOf({}, FASHION), undefined);
  assertEquals(classesOf({ class: "sneaker" }, FASHION), [7]);
  assertEquals(classesOf({ class: "0" }, FASHION), [0]);
  assertEquals(classesOf({ class: "Bag, 9,t-shirt/TOP" }, FASHION), [8, 9, 0]);
});

Deno.test("classesOf() throws with the nearest name when there is no such class", () => {
  for (
    const [typed, meant] of [["tshirt", "T-shirt/top"], ["sneakers", "Sneaker"], [
      "boot",
      "Ankle boot",
    ]]
  ) {
    const { message } = assertThrows(() => classesOf({ class: typed! }, FASHION), UserError);
    assertMatch(
      message,
      /^--class ".+": must be one of T-shirt\/top, .+, or 0 to 9; did you mean /,
    );
    assertEquals(message.endsWith(`did you mean ${meant}?`), true, message);
  }
  assertThrows(() => classesOf({ class: "10" }, FASHION), UserError, '--class "10"');
});

Deno.test({
  name: "checkBatchSize() refuses a batch that is larger than the training set",
  ignore: !permitted({ name: "read" }),
  fn: async () => {
    const data = await loadFashionMnist({ sampleOnly: true });
    checkBatchSize({ batchSize: 5500 }, data);
    assertThrows(() => checkBatchSize({ batchSize: 5501 }, data), UserError, "there are 5500 ");
  },
});
