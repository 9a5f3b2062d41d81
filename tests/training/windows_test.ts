import { assertEquals } from "@std/assert";
import type { JsonObject } from "../../base/json.ts";
import { MeanWindow } from "../../training/windows.ts";

const NUM_TRAIN_TIMESTEPS = 100;

/** A step by its loss, its norm, and the losses of examples by time step. */
interface Step {
  loss: number;
  gradNorm: number;
  examples: [timestep: number, loss: number][];
  skipped?: boolean;
}

function addTo(window: MeanWindow, { loss, gradNorm, examples, skipped = false }: Step): void {
  window.addStep({ loss, gradNorm, skipped });
  const [timesteps, losses] = [0, 1].map((column) => examples.map((row) => row[column]!));
  window.addLosses(losses!, timesteps!, NUM_TRAIN_TIMESTEPS);
}

function step(loss: number, gradNorm: number, examples: Step["examples"]): Step {
  return { loss, gradNorm, examples };
}

const FIRST = step(1, 10, [[0, 1], [24, 2], [25, 4]]);
const SECOND = step(3, 20, [[49, 8], [99, 16], [0, 6]]);
const THIRD = step(5, 60, [[75, 32]]);

Deno.test("take() returns means of steps, and of examples by quarter of the time steps", () => {
  const window = new MeanWindow();
  addTo(window, FIRST);
  addTo(window, SECOND);
  // No example fell into the third quarter.
  assertEquals(window.take(), {
    loss: 2,
    gradNorm: 15,
    skippedSteps: 0,
    lossQ0: (1 + 2 + 6) / 3,
    lossQ1: (4 + 8) / 2,
    lossQ3: 16,
  });
});

Deno.test("take() counts skipped steps and leaves their norms out of the mean", () => {
  const window = new MeanWindow();
  addTo(window, FIRST);
  addTo(window, { ...SECOND, gradNorm: Infinity, skipped: true });
  const { loss, gradNorm, skippedSteps } = new MeanWindow(window.toJson()).means();
  assertEquals({ loss, gradNorm, skippedSteps }, { loss: 2, gradNorm: 10, skippedSteps: 1 });
  window.take();
  addTo(window, { ...SECOND, gradNorm: NaN, skipped: true });
  const skipped = window.means();
  assertEquals([skipped["gradNorm"], skipped["skippedSteps"]], [undefined, 1]);
});

Deno.test("addStep() adds further figures, each averaged over the steps that have it", () => {
  const window = new MeanWindow();
  window.addStep({ loss: 1, gradNorm: 4, skipped: false }, { reconstruction: 0.5 });
  window.addStep({ loss: 3, gradNorm: Infinity, skipped: true }, { reconstruction: 1.5 });
  window.addStep({ loss: 5, gradNorm: Infinity, skipped: true });
  const expected = { loss: 3, gradNorm: 4, reconstruction: 1, skippedSteps: 2 };
  assertEquals(new MeanWindow(window.toJson()).take(), expected);
});

Deno.test("take() empties the window, means() does not", () => {
  const window = new MeanWindow();
  addTo(window, FIRST);
  assertEquals(window.means()["loss"], 1);
  addTo(window, SECOND);
  assertEquals(window.means()["loss"], 2);
  assertEquals(window.take()["loss"], 2);
  assertEquals(window.means(), {});
  addTo(window, THIRD);
  assertEquals(window.take(), { loss: 5, lossQ3: 32, gradNorm: 60, skippedSteps: 0 });
});

Deno.test("MeanWindow continues from a file as if there had been none", () => {
  const straight = new MeanWindow();
  const stopped = new MeanWindow();
  for (const window of [straight, stopped]) {
    addTo(window, step(0.1, 0.7, [[3, 0.3], [60, 1e-7]]));
    addTo(window, FIRST);
  }
  const saved = JSON.stringify(stopped.toJson());
  addTo(stopped, THIRD); // a step after the program's last checkpoint is not in it
  const resumed = new MeanWindow(JSON.parse(saved));
  for (const window of [straight, resumed]) addTo(window, SECOND);
  assertEquals(resumed.take(), straight.take());
  assertEquals(resumed.means(), {});
});

Deno.test("toJson() is a copy: later steps do not change it", () => {
  const window = new MeanWindow();
  addTo(window, FIRST);
  const saved = window.toJson();
  const before = structuredClone(saved);
  addTo(window, SECOND);
  assertEquals(saved, before);
});

Deno.test("MeanWindow ignores saved entries that are no sums", () => {
  const saved = {
    a: { sum: 6, count: 3 },
    b: { sum: "x", count: 1 },
    c: { sum: 1, count: 0 },
    d: 1,
  };
  assertEquals(new MeanWindow(saved).means(), { a: 2 });
});

Deno.test("MeanWindow begins empty when the saved value is of another kind", () => {
  for (const saved of [undefined, {}, { sums: "x" }, { sums: [1, 2, 3] }] as JsonObject[]) {
    const window = new MeanWindow(saved);
    addTo(window, step(0.5, 1, [[75, 0.25]]));
    assertEquals(window.take(), { loss: 0.5, gradNorm: 1, skippedSteps: 0, lossQ3: 0.25 });
  }
});
