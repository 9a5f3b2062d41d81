/**
 * Smoke runs with other thread counts and on other devices: the losses of 50 steps beside each other, and
 * the same bits twice where nothing differs.
 *
 *     SOAK_DEVICES=onnx,wasm,cpu deno task test:soak
 */
import { assert, assertEquals } from "@std/assert";
import { copyFolder, metricsOf, startProgram } from "../image/program/program.ts";
import { soaks } from "./limits.ts";
import { inSoakFolder } from "./smoke_runs.ts";
import { prepare, trainingFlags, TRAININGS } from "./trainings.ts";

const STEPS = 50;

/** How far losses may be from each other, as a share of them. */
const TOLERANCE = 1e-3;

/** Every step's loss is a row, and every tenth has a validation loss. */
const SETTINGS = {
  ...{ steps: STEPS, "log-every": 1, "eval-every": 10 },
  ...{ "batch-size": 4, "validation-size": 16 },
};

/** The column of losses, training and validation, of a run's metrics.csv. */
async function lossesOf(directory: string): Promise<number[]> {
  const [header, ...rows] = (await metricsOf(directory)).map((row) => row.split(","));
  const columns = ["loss", "valLoss"].map((name) => header!.indexOf(name));
  return rows.flatMap((row) => columns.map((i) => row[i]!).filter((cell) => cell !== ""))
    .map(Number);
}

for (const training of TRAININGS) {
  const { name, program, folder } = training;
  Deno.test({
    name: `${name} loses alike over ${STEPS} steps with 1 and 2 threads and on every device`,
    ignore: !soaks,
    fn: () =>
      inSoakFolder(async (place) => {
        const devices = soaks ? (Deno.env.get("SOAK_DEVICES") ?? "onnx,wasm").split(",") : [];
        const prepared = `${place}/${name}`;
        await prepare(training, prepared);
        const run = async (device: string, threads: number, run = `${device}-${threads}`) => {
          const out = `${prepared}-${run}`;
          if (training.before.length > 0) await copyFolder(prepared, out);
          const where = [`--device=${device}`, `--threads=${threads}`, `--out=${out}`];
          const flags = [...trainingFlags(training, SETTINGS), ...where];
          const { code, stderr } = await startProgram(program, flags).ended;
          assertEquals(code, 0, stderr);
          return await lossesOf(`${out}/${folder}`);
        };
        const expected = await run("onnx", 1);
        assertEquals(expected.length, STEPS + STEPS / 10);
        assertEquals(await run("onnx", 1, "again"), expected, "in another process");
        const [one, two] = [await run("onnx", 2), await run("onnx", 2, "2 again")];
        assertEquals(two, one, "in another process with 2 threads");
        const others = new Map([["onnx, 2 threads", one]]);
        for (const device of devices.filter((name) => name !== "onnx")) {
          others.set(device, await run(device, 1));
        }
        for (const [what, losses] of others) {
          const gaps = losses.map((loss, i) => Math.abs(loss - expected[i]!) / expected[i]!);
          const largest = Math.max(...gaps);
          console.log(
            `${name}, ${what}: within ${largest.toExponential(1)} of onnx, 1 thread`,
          );
          assert(largest <= TOLERANCE, `${name}, ${what}: ${gaps}`);
        }
      }),
  });
}
