/**
 * How fast training and sampling are here.
 *
 *     deno task bench                         # a table
 *     deno task bench --json --only nano      # {"rows": [{"name", "ms", "cpuMs"}]}, rows named so
 *
 * Every row is the median of its steps after a warm-up; run it with nothing else going on.
 */
import process from "node:process";
import { openDevice } from "../engine/device.ts";
import { usageError } from "../base/errors.ts";
import { choice, integer, parseFlags, text, toggle } from "../cli/flags.ts";
import { runProgram } from "../cli/program.ts";
import { rows } from "./rows.ts";

const FLAGS = {
  "Benchmark": {
    steps: integer({ min: 1, help: "steps that are timed; 20 if not given" }),
    warmup: integer({ min: 1, help: "steps before them; 3 if not given" }),
    threads: integer({ min: 1, help: "threads of the device; all cores if not given" }),
    only: text({ help: "rows whose name contains this" }),
    device: choice(["onnx"], { help: "where to compute" }),
    json: toggle({ help: "print JSON" }),
  },
};

/** The middle one of some numbers. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

await runProgram(async () => {
  const { steps = 20, warmup = 3, only = "", json = false, threads } = parseFlags(
    Deno.args,
    FLAGS,
  );
  const chosen = rows.filter(({ name }) => name.includes(only));
  if (chosen.length === 0) {
    throw usageError(`--only ${only}: no row is named so; there are ${rows.map((r) => r.name)}.`);
  }
  const results: { name: string; ms: number; cpuMs: number }[] = [];
  for (const { name, prepare } of chosen) {
    const device = await openDevice("onnx", threads === undefined ? {} : { threads });
    const { run, dispose } = await prepare(device);
    for (let i = 0; i < warmup; i++) await run();
    const times: number[] = [];
    const cpuTimes: number[] = [];
    for (let i = 0; i < steps; i++) {
      const [start, before] = [performance.now(), process.cpuUsage()];
      await run();
      times.push(performance.now() - start);
      const { user, system } = process.cpuUsage(before);
      cpuTimes.push((user + system) / 1000);
    }
    await dispose();
    const row = { name, ms: median(times), cpuMs: median(cpuTimes) };
    results.push(row);
    if (!json) {
      const [ms, cpuMs] = [row.ms, row.cpuMs].map((value) => value.toFixed(1).padStart(8));
      console.log(`${name.padEnd(40)} ${ms} ms ${cpuMs} ms of CPU`);
    }
  }
  if (json) console.log(JSON.stringify({ rows: results }));
  return 0;
});
