import { assertAlmostEquals, assertEquals } from "@std/assert";
import type { JsonObject } from "../../base/json.ts";
import { LossWindow, type MeasuredStep } from "../../training/loss_window.ts";
import { MeanWindow } from "../../training/mean_window.ts";

/** A step by its loss, its norm, and the losses of examples by time step. */
function step(loss: number, gradNorm: number, examples: [timestep: number, loss: number][]) {
  return {
    ...{ loss, gradNorm, skipped: false },
    losses: Float32Array.from(examples, ([, loss]) => loss),
    timesteps: Int32Array.from(examples, ([timestep]) => timestep),
  } satisfies MeasuredStep;
}

const FIRST = step(1, 10, [[0, 1], [24, 2], [25, 4]]);
const SECOND = step(3, 20, [[49, 8], [99, 16], [0, 6]]);
const THIRD = step(5, 60, [[75, 32]]);

Deno.test("take() gives means of steps, and of examples by quarter of the time steps", () => {
  const window = new LossWindow(100);
  window.add(FIRST);
  window.add(SECOND);
  assertEquals(window.take(), {
    loss: 2,
    gradNorm: 15,
    skippedSteps: 0,
    lossQ0: (1 + 2 + 6) / 3,
    lossQ1: (4 + 8) / 2,
    lossQ2: undefined, // no example fell into it
    lossQ3: 16,
  });
});

Deno.test("take() counts steps that were skipped, and leaves their norms out of the mean", () => {
  const window = new LossWindow(100);
  window.add(FIRST);
  window.add({ ...SECOND, gradNorm: Infinity, skipped: true });
  const { loss, gradNorm, skippedSteps } = new LossWindow(100, window.toJson()).means();
  assertEquals({ loss, gradNorm, skippedSteps }, { loss: 2, gradNorm: 10, skippedSteps: 1 });
  window.take();
  window.add({ ...SECOND, gradNorm: NaN, skipped: true });
  assertEquals([window.means().gradNorm, window.means().skippedSteps], [undefined, 1]);

  // What was saved before steps were skipped has no such number.
  const before = (window.toJson()["sums"] as number[]).slice(0, 11);
  assertEquals(new LossWindow(100, { sums: before }).means().loss, 3);
  assertEquals(new LossWindow(100, { sums: before }).means().skippedSteps, 0);

  const means = new MeanWindow();
  means.addStep({ loss: 1, gradNorm: 4, skipped: false }, { reconstruction: 0.5 });
  means.addStep({ loss: 3, gradNorm: Infinity, skipped: true }, { reconstruction: 1.5 });
  means.addStep({ loss: 5, gradNorm: Infinity, skipped: true });
  const expected = { loss: 3, gradNorm: 4, reconstruction: 1, skippedSteps: 2 };
  assertEquals(new MeanWindow(means.toJson()).take(), expected);
});

Deno.test("take() begins anew, means() goes on", () => {
  const window = new LossWindow(100);
  window.add(FIRST);
  assertEquals(window.means().loss, 1);
  window.add(SECOND);
  assertEquals(window.means().loss, 2);
  assertEquals(window.take().loss, 2);
  window.add(THIRD);
  const { loss, lossQ0, lossQ3, gradNorm } = window.take();
  assertEquals({ loss, lossQ0, lossQ3, gradNorm }, {
    ...{ loss: 5, lossQ0: undefined, lossQ3: 32, gradNorm: 60 },
  });
});

Deno.test("LossWindow goes on after a file as if there had been none", () => {
  const straight = new LossWindow(100);
  const stopped = new LossWindow(100);
  for (const window of [straight, stopped]) {
    window.add(step(0.1, 0.7, [[3, 0.3], [60, 1e-7]]));
    window.add(FIRST);
  }
  const saved = JSON.stringify(stopped.toJson());
  stopped.add(THIRD); // what a program did after its last checkpoint is not in it
  const resumed = new LossWindow(100, JSON.parse(saved) as JsonObject);
  for (const window of [straight, resumed]) window.add(SECOND);
  assertEquals(resumed.take(), straight.take());
});

Deno.test("toJson() is a copy: steps that follow do not change it", () => {
  const window = new LossWindow(100);
  window.add(FIRST);
  const saved = window.toJson();
  const before = structuredClone(saved);
  window.add(SECOND);
  assertEquals(saved, before);
});

Deno.test("MeanWindow passes over what was saved and is no mean", () => {
  const saved = {
    a: { sum: 6, count: 3 },
    b: { sum: "x", count: 1 },
    c: { sum: 1, count: 0 },
    d: 1,
  };
  assertEquals(new MeanWindow(saved).means(), { a: 2 });
});

Deno.test("LossWindow begins anew where what was saved is of another kind", () => {
  for (const saved of [undefined, {}, { sums: "x" }, { sums: [1, 2, 3] }] as JsonObject[]) {
    const window = new LossWindow(4, saved);
    window.add(step(0.5, 1, [[3, 0.25]]));
    const { loss, lossQ3 } = window.take();
    assertAlmostEquals(loss, 0.5);
    assertEquals(lossQ3, 0.25);
  }
});
