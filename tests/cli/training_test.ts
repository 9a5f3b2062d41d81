import { assert, assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { runDetails } from "../../cli/compare_runs.ts";
import { openTraining, resumeRun } from "../../cli/training.ts";
import { readTrainingTime } from "../../cli/training_time.ts";
import { float32 } from "../../engine/tree.ts";
import { EXIT } from "../../base/errors.ts";
import { loadCheckpoint } from "../../training/checkpoint/checkpoint.ts";
import { listCheckpoints } from "../../training/checkpoint/folders.ts";
import { stateTensors } from "../../training/checkpoint/state_tensors.ts";
import type { StepResult, TrainState } from "../../training/step.ts";
import { MeanWindow } from "../../training/windows.ts";
import { permitted } from "../permissions.ts";
import { runHere } from "../run_here.ts";

const ignore = !permitted({ name: "read" }, { name: "write" });

const CONFIG = {
  steps: 6,
  batchSize: 2,
  learningRate: 0.5,
  lrSchedule: "constant",
  warmupSteps: 0,
  emaDecay: 0,
  logEvery: 2,
  evalEvery: 6,
  checkpointEvery: 3,
} as const;

/** The record of a run with a number of steps. */
function recordOf(steps: number) {
  return {
    program: "image",
    seed: 0,
    config: { steps },
    data: [],
    configHash: "",
    sessions: [],
  };
}

/** The state after some steps: their number. */
const stateOf = (value: number): TrainState => ({
  parameters: float32([value]),
  ema: float32([value]),
  optimizer: {},
});

/** A step that adds 1 to the state; the loss is the number of the batch. */
function addOne({ parameters }: TrainState, batch: number): Promise<StepResult> {
  const state = stateOf(parameters.data[0]! + 1);
  return Promise.resolve({ state, loss: batch, gradNorm: 1, figures: {} });
}

/** Trains in a folder, from its last checkpoint if it has one. */
async function trainIn(
  directory: string,
  { steps = CONFIG.steps, trainStep = addOne }: { steps?: number; trainStep?: typeof addOne } = {},
): Promise<{ interrupted: boolean; done: number }> {
  const record = recordOf(steps);
  const checkpoint = await resumeRun({ directory, record }, ["steps"]);
  const state = stateOf(Number(checkpoint?.state?.vectors.get("parameters")?.data[0] ?? 0));
  const window = new MeanWindow(checkpoint?.state?.details?.["window"]);
  await using training = await openTraining({
    description: "2 parameters",
    directory,
    device: { milliseconds: 0 },
    config: { ...CONFIG, steps },
    unit: "images",
    columns: ["loss", "gradNorm", "skippedSteps", "learningRate", "valLoss", "imagesPerSecond"],
    checkpoint,
  });
  const batchAt = (step: number) => ({ batch: step });
  for await (const step of training.steps({ trainStep, batchAt, state })) {
    window.addStep(step);
    if (step.logs) await training.log(step, window, step.measures ? { valLoss: 7 } : {});
    if (!step.saves) continue;
    const details = { window: window.toJson(), run: runDetails(record) };
    const vectors = stateTensors(step.state);
    await training.save(step, {
      modelIndex: {},
      components: { unet: { config: {} } },
      state: { step: step.step, seed: 0, configHash: "", vectors, details },
    });
  }
  return { interrupted: training.interrupted, done: checkpoint?.state?.step ?? 0 };
}

/** Runs a test in a new folder, and returns what it printed as messages. */
async function inFolder(test: (directory: string) => Promise<void>): Promise<string> {
  const directory = await Deno.makeTempDir();
  try {
    let failure: unknown;
    const { stderr } = await runHere(async () => {
      await test(directory).catch((error) => failure = error);
      return EXIT.done;
    });
    if (failure !== undefined) throw failure;
    return stderr;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** The rows of metrics.csv, without the speed. */
async function rowsOf(directory: string): Promise<string[]> {
  const [, ...rows] = (await Deno.readTextFile(`${directory}/metrics.csv`)).trimEnd().split("\n");
  return rows.map((row) => row.slice(0, row.lastIndexOf(",")));
}

const ROWS = ["2,0.5,1,0,0.5,", "4,2.5,1,0,0.5,", "6,4.5,1,0,0.5,7"];

Deno.test({
  name: "openTraining() writes rows and checkpoints, and reports how the training went",
  ignore,
  fn: async () => {
    const stderr = await inFolder(async (directory) => {
      const { interrupted, done } = await trainIn(directory);
      assertEquals([interrupted, done], [false, 0]);
      const { steps, milliseconds, peakMemory } = await readTrainingTime(directory);
      assert(steps === 6 && milliseconds > 0 && peakMemory > 0);
      assertEquals(await rowsOf(directory), ROWS);
      assertEquals((await listCheckpoints(directory)).map(({ step }) => step), [6, 3]);
    });
    assert(/^step 1\/6 .+\nstep 6\/6 \(100 %\) [^\n]+\n$/.test(stderr), stderr);
  },
});

Deno.test({
  name: "openTraining() prints its description before it draws the progress bar",
  ignore,
  fn: async () => {
    const directory = await Deno.makeTempDir();
    const order: string[] = [];
    const { isTerminal, writeSync } = Deno.stderr;
    Deno.stderr.isTerminal = () => true;
    Deno.stderr.writeSync = (bytes) => {
      order.push("bar");
      return bytes.length;
    };
    try {
      const training = await openTraining({
        description: "2 parameters",
        log: (line) => order.push(line),
        directory,
        device: { milliseconds: 0 },
        config: CONFIG,
        unit: "images",
        columns: ["loss"],
        checkpoint: undefined,
      });
      await training[Symbol.asyncDispose]();
    } finally {
      Object.assign(Deno.stderr, { isTerminal, writeSync });
      await Deno.remove(directory, { recursive: true });
    }
    assertEquals(order.slice(0, 2), [`2 parameters, ${directory}`, "bar"]);
  },
});

Deno.test({
  name:
    "openTraining() gives the rows and the state of a longer run when it continues a shorter one",
  ignore,
  fn: async () => {
    await inFolder(async (directory) => {
      await trainIn(directory, { steps: 3 });
      assertEquals(await rowsOf(directory), [ROWS[0], "3,2,1,0,0.5,7"]);
      const { done } = await trainIn(directory);
      assertEquals(done, 3);
      assertEquals((await readTrainingTime(directory)).steps, 6);
      assertEquals(await rowsOf(directory), [ROWS[0], "3,2,1,0,0.5,7", ROWS[1], ROWS[2]]);
      const [last] = await listCheckpoints(directory);
      const { state } = await loadCheckpoint(last!.directory, { state: true });
      assertEquals(Number(state!.vectors.get("parameters")!.data[0]), 6);
    });
  },
});

Deno.test({
  name: "openTraining() saves the step of a SIGINT, says so, and ends there",
  ignore,
  fn: async () => {
    const { addSignalListener } = Deno;
    const stderr = await inFolder(async (directory) => {
      const listeners: (() => void)[] = [];
      const add = Deno.addSignalListener;
      Deno.addSignalListener = (signal, listener) => {
        if (signal === "SIGINT") listeners.push(listener);
        add(signal, listener);
      };
      const { interrupted } = await trainIn(directory, {
        trainStep: (state, batch) => {
          if (batch === 3) listeners.forEach((listener) => listener());
          return addOne(state, batch);
        },
      });
      assertEquals([interrupted, listeners.length], [true, 1]);
      assertEquals((await listCheckpoints(directory)).map(({ step }) => step), [4, 3]);
      const { interrupted: again, done } = await trainIn(directory);
      assertEquals([again, done], [false, 4]);
      assertEquals(await rowsOf(directory), ROWS);
    });
    assertEquals(Deno.addSignalListener, addSignalListener);
    const said = /^interrupted: saved .+\/step-000004; the same command goes on from there$/m;
    assert(said.test(stderr), stderr);
  },
});

Deno.test({
  name: "openTraining() closes its files and ends its line when a step fails",
  ignore,
  fn: async () => {
    await inFolder(async (directory) => {
      const trainStep = () => Promise.reject(new UserError("no memory"));
      await assertRejects(() => trainIn(directory, { trainStep }), UserError, "no memory");
      assertEquals(await rowsOf(directory), []);
    });
  },
});

Deno.test({
  name: "resumeRun() returns nothing without a checkpoint, and the newest sound one otherwise",
  ignore,
  fn: async () => {
    const stderr = await inFolder(async (directory) => {
      const run = { directory, record: recordOf(6) };
      assertEquals(await resumeRun(run), undefined);
      await trainIn(directory);
      assertEquals((await resumeRun(run))?.state?.step, 6);
      await Deno.truncate(`${directory}/checkpoints/step-000006/training_state.safetensors`, 10);
      assertEquals((await resumeRun(run))?.state?.step, 3);
    });
    assert(/^skipping .+\/step-000006: /m.test(stderr), stderr);
  },
});

Deno.test({
  name: "resumeRun() refuses settings that differ, unless they may",
  ignore,
  fn: async () => {
    await inFolder(async (directory) => {
      await trainIn(directory);
      const longer = { directory, record: recordOf(9) };
      await assertRejects(() => resumeRun(longer), UserError, "--steps is 6 there and 9 here");
      assertEquals((await resumeRun(longer, ["steps"]))?.state?.step, 6);
    });
  },
});
