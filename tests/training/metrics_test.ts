import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { MetricsLog, readMetrics } from "../../training/metrics.ts";
import { permitted } from "../permissions.ts";

const ignore = !permitted({ name: "read" }, { name: "write" });
const COLUMNS = ["loss", "validationLoss"] as const;

/** Runs a test with the path of a log, there or not yet, in a folder of its own. */
function withLog(name: string, fn: (path: string, folder: string) => Promise<void>): void {
  Deno.test({
    name,
    ignore,
    fn: async () => {
      const folder = await Deno.makeTempDir();
      try {
        await fn(`${folder}/metrics.csv`, folder);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

withLog("MetricsLog.append() adds rows under a header", async (path) => {
  using log = await MetricsLog.open(path, COLUMNS);
  assertEquals(await Deno.readTextFile(path), "step,loss,validationLoss\n");
  await log.append({ step: 1, loss: 0.5 });
  await log.append({ step: 10, loss: 1e-9, validationLoss: 0.25 });
  await log.append({ step: 20, validationLoss: undefined });
  assertEquals(
    await Deno.readTextFile(path),
    "step,loss,validationLoss\n1,0.5,\n10,1e-9,0.25\n20,,\n",
  );
});

withLog("readMetrics() reads back every number as it was", async (path) => {
  const rows = [
    { step: 0, loss: 0.1 + 0.2 },
    { step: 1, loss: Math.fround(0.1), validationLoss: -0.5 },
    { step: 2, loss: NaN, validationLoss: Infinity },
    { step: 3, loss: Number.MIN_VALUE },
    { step: 4 },
  ];
  using log = await MetricsLog.open(path, COLUMNS);
  for (const row of rows) await log.append(row);
  await log.sync();
  assertEquals(await readMetrics(path), rows);
});

withLog("MetricsLog.open() starts an empty log when no run is resumed", async (path) => {
  await Deno.writeTextFile(path, "something else\n");
  (await MetricsLog.open(path, COLUMNS)).close();
  assertEquals(await Deno.readTextFile(path), "step,loss,validationLoss\n");
});

withLog(
  "MetricsLog.open() removes rows after the step from which a run is resumed",
  async (path, folder) => {
    {
      using log = await MetricsLog.open(path, COLUMNS);
      for (const step of [10, 20, 30, 40]) await log.append({ step, loss: step / 10 });
    }
    using log = await MetricsLog.open(path, COLUMNS, { resumeStep: 20 });
    await log.append({ step: 30, loss: 33 });
    assertEquals(await readMetrics(path), [
      { step: 10, loss: 1 },
      { step: 20, loss: 2 },
      { step: 30, loss: 33 },
    ]);
    const files = (await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name);
    assertEquals(files, ["metrics.csv"]);
  },
);

withLog("MetricsLog.open() removes an incomplete last line", async (path) => {
  const whole = "step,loss,validationLoss\n10,0.5,\n20,0.25,0.5\n";
  for (const half of ["3", "30,0.1", "30,0.125,0.", '30,"0', "\0\0\0\0"]) {
    await Deno.writeTextFile(path, whole + half);
    assertEquals((await readMetrics(path)).map((row) => row.step), [10, 20]);
    using log = await MetricsLog.open(path, COLUMNS, { resumeStep: 100 });
    assertEquals(await Deno.readTextFile(path), whole);
    await log.append({ step: 30 });
    assertEquals(await Deno.readTextFile(path), `${whole}30,,\n`);
  }
});

withLog(
  "MetricsLog.open() writes a header when the log of a resumed run is missing",
  async (path) => {
    (await MetricsLog.open(path, COLUMNS, { resumeStep: 7 })).close();
    assertEquals(await readMetrics(path), []);
    await Deno.writeTextFile(path, "step,lo");
    (await MetricsLog.open(path, COLUMNS, { resumeStep: 7 })).close();
    assertEquals(await Deno.readTextFile(path), "step,loss,validationLoss\n");
  },
);

withLog(
  "MetricsLog.open() rejects when the log of a resumed run has other columns",
  async (path) => {
    const text = "step,loss\n1,2\n";
    await Deno.writeTextFile(path, text);
    await assertRejects(
      () => MetricsLog.open(path, COLUMNS, { resumeStep: 1 }),
      UserError,
      'the columns are "step,loss", but this run has "step,loss,validationLoss"',
    );
    assertEquals(await Deno.readTextFile(path), text);
  },
);

withLog("readMetrics() names the line when it is not a row of numbers", async (path) => {
  for (
    const [text, message] of [
      [
        "step,loss\n1,2\n2,high\n",
        'metrics.csv line 3: "high" in the column "loss" is not a number',
      ],
      ["step,loss\n1,2\n,3\n", "metrics.csv line 3: the row has no step"],
      ["step,loss\n1,2\n2,3,4\n", "Syntax error on line 3"],
      ['step,loss\n1,2\n2,"3\n', "Syntax error on line"],
      ["loss,step\n1,2\n", 'the first column is "loss", but must be "step"'],
    ] as const
  ) {
    await Deno.writeTextFile(path, text);
    const error = await assertRejects(() => readMetrics(path), UserError, message);
    assertEquals(error.message.split("\n").length, 1);
    assertEquals(await Deno.readTextFile(path), text);
  }
});

withLog("readMetrics() reads lines that end in CRLF", async (path) => {
  await Deno.writeTextFile(path, "step,loss\r\n1,2\r\n2,\r\n");
  assertEquals(await readMetrics(path), [{ step: 1, loss: 2 }, { step: 2 }]);
});

withLog("MetricsLog.append() rejects when steps do not increase", async (path) => {
  await Deno.writeTextFile(path, "step,loss,validationLoss\n5,1,\n");
  using log = await MetricsLog.open(path, COLUMNS, { resumeStep: 5 });
  await assertRejects(() => log.append({ step: 5 }), RangeError, "greater than 5");
  await assertRejects(() => log.append({ step: NaN }), RangeError);
  await log.append({ step: 6 });
  assertEquals((await readMetrics(path)).map((row) => row.step), [5, 6]);
});

withLog(
  "MetricsLog says what to do when a file cannot be read or written",
  async (path, folder) => {
    await assertRejects(() => readMetrics(path), UserError, `cannot read ${path}`);
    const nowhere = `${folder}/nowhere/metrics.csv`;
    await assertRejects(
      () => MetricsLog.open(nowhere, COLUMNS),
      UserError,
      `cannot write ${nowhere}`,
    );
    const log = await MetricsLog.open(path, COLUMNS);
    log.close();
    log.close();
    await assertRejects(() => log.append({ step: 1 }), UserError, `cannot write ${path}`);
  },
);
