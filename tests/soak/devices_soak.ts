/**
 * Smoke runs with other thread counts and on other devices: the losses of 50 steps beside each other, and
 * the same bits twice where nothing differs.
 *
 *     SOAK_DEVICES=onnx,wasm,cpu deno task test:soak
 */
import { assert, assertEquals } from "@std/assert";
import { metricsOf, runImage } from "../image_program.ts";
import { runText } from "../text_program.ts";
import { soaks } from "./limits.ts";
import { inSoakFolder } from "./smoke_runs.ts";

const STEPS = 50;

/** How far losses may be from each other, as a share of them. */
const TOLERANCE = 1e-3;

/** Every step's loss is a row. */
const FLAGS: Record<"image" | "text", readonly string[]> = {
  image: [
    ...["--preset=smoke", `--steps=${STEPS}`, "--log-every=1", "--eval-every=10"],
    ...["--batch-size=4", "--samples=10", "--sample-steps=2"],
  ],
  text: ["--preset=smoke", "--stage=vae", `--steps=${STEPS}`, "--log-every=1", "--eval-every=10"],
};

/** The column of losses, training and validation, of a run's metrics.csv. */
async function lossesOf(directory: string): Promise<number[]> {
  const [header, ...rows] = (await metricsOf(directory)).map((row) => row.split(","));
  const columns = ["loss", "valLoss"].map((name) => header!.indexOf(name));
  return rows.flatMap((row) => columns.map((i) => row[i]!).filter((cell) => cell !== ""))
    .map(Number);
}

Deno.test({
  name: "image and text lose alike over 50 steps with 1 and 2 threads and on every device",
  ignore: !soaks,
  fn: () =>
    inSoakFolder(async (place) => {
      const devices = soaks ? (Deno.env.get("SOAK_DEVICES") ?? "onnx,wasm").split(",") : [];
      for (const program of ["image", "text"] as const) {
        const run = async (device: string, threads: number, name = `${device}-${threads}`) => {
          const out = `${place}/${program}-${name}`;
          const start = program === "image" ? runImage : runText;
          const where = [`--device=${device}`, `--threads=${threads}`, `--out=${out}`];
          const { code, stderr } = await start(...FLAGS[program], ...where);
          assertEquals(code, 0, stderr);
          return await lossesOf(out);
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
          console.log(`${program}, ${what}: within ${largest.toExponential(1)} of onnx, 1 thread`);
          assert(largest <= TOLERANCE, `${program}, ${what}: ${gaps}`);
        }
      }
    }),
});
