/**
 * Measures the speed of training and sampling.
 *
 *     deno task bench                         # a table
 *     deno task bench --json --only nano      # {"rows": [{"name", "ms", "cpuMs"}]}
 *
 * Every row is the median of its steps after a warm-up. Other programs should not run meanwhile.
 */
import process from "node:process";
import { type Device, openDevice } from "../engine/device.ts";
import { EXIT, usageError } from "../base/errors.ts";
import { integer, parseFlags, text, toggle } from "../cli/flags.ts";
import { helpText, wantsHelp } from "../cli/help.ts";
import { runProgram } from "../cli/program.ts";
import type { Row } from "./row.ts";
import { rows } from "./rows.ts";

const FLAGS = {
  "Benchmark": {
    steps: integer({ min: 1, help: "timed steps; 20 if not given" }),
    warmup: integer({ min: 1, help: "steps before these; 3 if not given" }),
    threads: integer({ min: 1, help: "threads of the device; all cores if not given" }),
    only: text({ help: "rows whose name contains this" }),
    json: toggle({ help: "print JSON" }),
  },
};

interface Measured {
  readonly name: string;
  /** Milliseconds per step. */
  readonly ms: number;
  /** Milliseconds of CPU time per step, all threads together. */
  readonly cpuMs: number;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

async function measure(
  { name, prepare }: Row,
  device: Device,
  steps: number,
  warmup: number,
): Promise<Measured> {
  const { run, dispose } = prepare(device);
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
  return { name, ms: median(times), cpuMs: median(cpuTimes) };
}

await runProgram(async () => {
  if (wantsHelp(Deno.args)) {
    console.log(helpText({
      usage: "deno task bench [flags]",
      about: "Measures the speed of training and sampling.",
      flags: FLAGS,
    }));
    return EXIT.done;
  }
  const { steps = 20, warmup = 3, only = "", json = false, threads } = parseFlags(
    Deno.args,
    FLAGS,
  );
  const chosen = rows.filter(({ name }) => name.includes(only));
  if (chosen.length === 0) {
    const names = rows.map(({ name }) => name).join(", ");
    throw usageError(`--only ${only}: no row has a name with this; the rows are ${names}`);
  }
  const results: Measured[] = [];
  for (const row of chosen) {
    const device = await openDevice("onnx", threads === undefined ? {} : { threads });
    const measured = await measure(row, device, steps, warmup);
    results.push(measured);
    if (!json) {
      const [ms, cpuMs] = [measured.ms, measured.cpuMs].map((it) => it.toFixed(1).padStart(8));
      console.log(`${row.name.padEnd(40)} ${ms} ms ${cpuMs} ms of CPU`);
    }
  }
  if (json) console.log(JSON.stringify({ rows: results }));
  return 0;
});
