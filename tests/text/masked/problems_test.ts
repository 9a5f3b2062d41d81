import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { solvesCountdown } from "../../../datasets/countdown.ts";
import { countdownTask, multiplicationTask } from "../../../text/masked/problems.ts";
import { maskTargets } from "../../../text/masked/task.ts";

Deno.test("countdownTask() masks solutions, padding included, and judges by their equations", async () => {
  const task = await countdownTask(3);
  for (const example of [...task.heldOut("test", 20), task.train(0, 0), task.train(499_999, 1)]) {
    const { tokens, targets } = example;
    assertEquals([tokens.length, targets.length], [task.length, task.length]);
    assert(Array.from(tokens).every((token) => token !== task.maskId && token < task.vocabSize));
    const [question, solution] = task.write(tokens).split(" | ");
    assert(solvesCountdown(question!, solution!), task.write(tokens));
    assert(task.isRight(example, tokens));
    const masked = maskTargets(example, task);
    assertEquals(task.write(masked), `${question} | ${"_".repeat(32)}`); // 12 an equation, 8 for the target
    assert(!task.isRight(example, masked));
  }
  // Another solution is right, too: that of a problem with one number twice is another order.
  const [example] = task.heldOut("test", 1);
  const [question, solution] = task.write(example!.tokens).split(" | ");
  const [first, second, mark, target] = solution!.split(" ");
  const turned = first!.replace(/^(\d+)([+*])(\d+)/, "$3$2$1");
  const text = [turned, second, mark, target].join(" ");
  assert(solvesCountdown(question!, text));
});

Deno.test("multiplicationTask() has digits next to each other, and judges by the product", async () => {
  const task = await multiplicationTask("2x2");
  assertEquals([task.trainSize, task.heldOut("test", 5000).length], [6480, 810]);
  const [example] = task.heldOut("validation", 1);
  const text = task.write(example!.tokens);
  const [, a, b, product] = /^(\d\d) \* (\d\d) \| .* #### (\d{4})$/.exec(text)!;
  const value = (digits: string) => Number([...digits].reverse().join(""));
  assertEquals(value(a!) * value(b!), value(product!), text);
  assert(task.isRight(example!, example!.tokens));
  const wrong = Array.from(example!.tokens);
  wrong[task.length - 1] = wrong[task.length - 1] === 2 ? 3 : 2; // the first digit of the product
  assert(!task.isRight(example!, wrong));
  const other = Array.from(example!.tokens);
  other[task.length - 10] = 2; // a step alone
  assert(task.isRight(example!, other));
  assertNotEquals(Object.keys(task.sha256), Object.keys((await multiplicationTask("1x2")).sha256));
});
