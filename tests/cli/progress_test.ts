import { assert, assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import { formatDuration, Progress, type ProgressOptions } from "../../cli/progress.ts";

/** A Progress with a clock that `advance` sets, and the text that it has written. */
function setUp(options: Partial<ProgressOptions> = {}) {
  const written: string[] = [];
  let time = 5000;
  const progress = new Progress({
    total: 100,
    itemsPerStep: 32,
    terminal: false,
    columns: () => 100,
    write: (text) => void written.push(text),
    now: () => time,
    ...options,
  });
  /** Lets `seconds` pass and then reports a step. */
  const advance = (seconds: number, step: number, loss?: number) => {
    time += seconds * 1000;
    progress.update(step, loss);
  };
  return { progress, written, advance };
}

Deno.test("formatDuration() shows minutes, and hours where there are any", () => {
  const shown = [0, 59.4, 61, 3599, 3600, 36_061, NaN, Infinity, -3].map(formatDuration);
  assertEquals(shown, [
    "00:00",
    "00:59",
    "01:01",
    "59:59",
    "1:00:00",
    "10:01:01",
    "--:--",
    "--:--",
    "00:00",
  ]);
});

Deno.test("Progress writes the first step at once, without a speed", async () => {
  const { progress, written, advance } = setUp();
  advance(60, 1, 0.5);
  assertEquals(written, ["step 1/100 (1 %)  loss 0.5000\n"]);
  assertEquals(progress.itemsPerSecond, NaN);
  await progress.stop();
});

Deno.test("Progress does not count the first step in speed and time left", async () => {
  const { progress, written, advance } = setUp();
  advance(60, 1);
  advance(10, 3);
  assertAlmostEquals(progress.itemsPerSecond, 6.4); // two steps of 32 in ten seconds
  assertEquals(written[1], "step 3/100 (3 %)  6.40 images/s  08:05 left\n");
  await progress.stop();
});

Deno.test("Progress writes a plain line every ten seconds or tenth of the run", async () => {
  const { progress, written, advance } = setUp({ total: 1000 });
  for (let step = 1; step <= 31; step++) advance(1, step); // by the clock
  assertEquals(written.map((line) => Number(/step (\d+)/.exec(line)?.[1])), [1, 11, 21, 31]);
  for (let step = 50; step <= 400; step += 50) advance(2, step); // by the tenth
  assertEquals(written.slice(4).map((line) => Number(/step (\d+)/.exec(line)?.[1])), [
    100,
    200,
    300,
    400,
  ]);
  await progress.stop();
});

Deno.test("Progress writes no two plain lines within a second, except for the last one", async () => {
  const { progress, written, advance } = setUp({ total: 10 });
  for (let step = 1; step <= 10; step++) advance(0.3, step);
  await progress.stop();
  const steps = written.map((line) => Number(/step (\d+)/.exec(line)?.[1]));
  assertEquals(steps, [1, 5, 9, 10]);
  assertMatch(written.at(-1)!, /^step 10\/10 \(100 %\) .* images\/s {2}in 00:03\n$/);
});

Deno.test("Progress counts from where a run is resumed", async () => {
  const { progress, written, advance } = setUp({ total: 100, start: 90, unit: "texts" });
  advance(1, 91);
  advance(10, 96);
  assertEquals(written[1], "step 96/100 (96 %)  16.0 texts/s  00:08 left\n");
  await progress.stop();
});

Deno.test("Progress shows a running mean of the loss", async () => {
  const { progress, written, advance } = setUp({ total: 1000 });
  advance(10, 1, 4);
  advance(10, 2, 2);
  // Weights 0.98 and 1: (0.98 * 4 + 2) / 1.98.
  assertMatch(written[1]!, /loss 2\.990 /);
  for (let step = 3; step < 600; step++) advance(0.001, step, 1);
  advance(10, 600, 1);
  assertMatch(written.at(-1)!, /loss 1\.000 /);
  await progress.stop();
});

Deno.test("Progress shows a loss that is not finite, and leaves it out of the mean", async () => {
  const { progress, written, advance } = setUp();
  advance(10, 1, NaN);
  advance(10, 2, 3);
  assertMatch(written[0]!, /loss NaN/);
  assertMatch(written[1]!, /loss 3\.000/);
  await progress.stop();
});

Deno.test("Progress follows a change of speed", async () => {
  const { progress, advance } = setUp({ total: 1000, itemsPerStep: 1 });
  for (let step = 1; step <= 100; step++) advance(10, step);
  assertAlmostEquals(progress.itemsPerSecond, 0.1);
  for (let step = 101; step <= 160; step++) advance(0.1, step);
  assertAlmostEquals(progress.itemsPerSecond, 10, 1e-6);
  await progress.stop();
});

for (const terminal of [false, true]) {
  Deno.test(`Progress writes nothing after stop() when terminal is ${terminal}`, async () => {
    const { progress, written, advance } = setUp({ terminal });
    advance(1, 1, 1);
    advance(1, 2, 1);
    await progress.stop();
    const before = [...written];
    assert(before.at(-1)!.endsWith("\n"));
    advance(100, 50, 1);
    progress.note("too late");
    await progress.stop();
    await new Promise((resolve) => setTimeout(resolve, 450)); // two frames of the bar
    assertEquals(written, before);
  });
}

Deno.test("Progress writes the last step when it stops, and nothing if there was none", async () => {
  const { progress, written, advance } = setUp();
  advance(1, 1);
  advance(0.1, 2);
  assertEquals(written.length, 1);
  await progress.stop();
  assertMatch(written[1]!, /^step 2\/100/);
  const idle = setUp();
  await idle.progress.stop();
  assertEquals(idle.written, []);
});

Deno.test("Progress draws its bar in one line when it writes to a terminal", async () => {
  const { progress, written, advance } = setUp({ terminal: true });
  advance(10, 25, 0.125);
  advance(10, 50, 0.125);
  await progress.stop();
  const frames = written.join("").split("\r\x1b[K").slice(1);
  assertEquals(frames[0], "step   0/100  [------------------------]");
  assertEquals(
    frames.at(-1),
    "step  50/100  [############------------]  loss 0.1250  80.0 images/s  00:20 left\n",
  );
});

Deno.test("Progress keeps to one line when the terminal is narrow", async () => {
  for (const columns of [70, 40, 10, 1]) {
    const { progress, written, advance } = setUp({ terminal: true, columns: () => columns });
    advance(10, 25, 0.125);
    advance(10, 50, 0.125);
    await progress.stop();
    const frames = written.join("").split("\r\x1b[K").slice(1);
    assert(frames.every((frame) => frame.trimEnd().length <= Math.max(columns - 1, 1)));
    if (columns === 70) assertMatch(frames.at(-1)!, /^step {2}50\/100 {2}loss 0\.1250/);
  }
});

Deno.test("note() writes a line above the bar", async () => {
  const { progress, written } = setUp({ terminal: true });
  await new Promise((resolve) => setTimeout(resolve, 1));
  progress.note("saved runs/a");
  assertEquals(written.at(-1), "\r\x1b[Ksaved runs/a\n");
  await progress.stop();
  const plain = setUp();
  plain.progress.note("saved runs/a");
  assertEquals(plain.written, ["saved runs/a\n"]);
  await plain.progress.stop();
});

Deno.test("Progress does not end a run when writing to the terminal fails", async () => {
  for (const terminal of [false, true]) {
    let attempts = 0;
    const { progress, advance } = setUp({
      terminal,
      write: () => {
        attempts++;
        throw new Deno.errors.BrokenPipe("gone");
      },
    });
    advance(20, 1);
    advance(20, 2);
    await progress.stop();
    assertEquals(attempts, 1);
  }
});
