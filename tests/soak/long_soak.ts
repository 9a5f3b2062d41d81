/**
 * Long runs hold no more at their end than at their beginning, and clocks and suspensions do no harm.
 *
 *     SOAK_STEPS=2000 SOAK_STOPS=10 SOAK_SECONDS=3600 deno task test:soak
 */
import { assert, assertEquals } from "@std/assert";
import { hashFolder, startProgram } from "../image/program/program.ts";
import { limit, soakClock, soakRandom, soaks } from "./limits.ts";
import type { Probe } from "./probe.ts";
import { inSoakFolder, lastingOf, SMOKE_RUNS, straightSmoke } from "./smoke_runs.ts";
import { prepare, trainingFlags, TRAININGS } from "./trainings.ts";

/** How much resident memory may grow after the warm-up, as a share of it. */
const GROWTH = 0.02;

/** The first share of a run is its warm-up: graphs are compiled, and memory pools fill up. */
const WARM_UP = 0.25;

const module = (name: string) => new URL(name, import.meta.url).pathname;

for (const training of TRAININGS) {
  const { name, program, folder } = training;
  Deno.test({
    name:
      `${name} holds as many tensors and sessions at its last step as before, and as much memory`,
    ignore: !soaks,
    fn: () =>
      inSoakFolder(async (place) => {
        const steps = limit("SOAK_STEPS", 300);
        const out = `${place}/${name}`;
        await prepare(training, out);
        const flags = trainingFlags(training, { steps, "batch-size": 8 });
        const running = startProgram(program, [...flags, "--threads=1", `--out=${out}`], {
          preload: module("probe.ts"),
        });
        const { code, stderr } = await running.ended;
        assertEquals(code, 0, stderr);
        const text = await Deno.readTextFile(`${out}/probe.jsonl`);
        const all: Probe[] = text.trim().split("\n").map((line) => JSON.parse(line));
        // Sampling and reports come after the last step; they are no part of what is steady.
        const steady = all.slice(0, -Math.ceil(all.length / 20));
        const warm = steady.slice(Math.floor(WARM_UP * steady.length));
        assert(warm.length >= 8, `${warm.length} probes`);
        const [early, late] = [0, 1].map((half) => {
          const size = Math.floor(warm.length / 2);
          return warm.slice(half * size, (half + 1) * size);
        });
        // Garbage comes and goes: what a process needs is the least that it holds.
        const least = (probes: Probe[]) => Math.min(...probes.map(({ rss }) => rss));
        const most = (probes: Probe[], key: "tensors" | "sessions") =>
          Math.max(...probes.map((probe) => probe[key]));
        const growth = least(late!) / least(early!) - 1;
        console.log(
          `${name}, ${steps} steps: resident memory ${(least(early!) / 1e6).toFixed(0)} MB, ` +
            `${(100 * growth).toFixed(2)} % more in the second half; ${most(late!, "tensors")} ` +
            `tensors, ${most(late!, "sessions")} sessions, ${all.length} probes`,
        );
        assert(growth <= GROWTH, `${growth}`);
        assert(most(late!, "tensors") <= most(early!, "tensors"));
        assert(most(late!, "sessions") <= most(early!, "sessions"));
        // No file grows but the logs: two checkpoints, samples and a report, whatever the steps.
        const names = Object.keys(await hashFolder(out));
        const kept = names.filter((path) => path.startsWith(`${folder}checkpoints/`))
          .map((path) => path.slice(folder.length).split("/")[1]);
        assertEquals(new Set(kept).size, 2);
        assert(names.every((name) => !name.includes(".tmp-")));
      }),
  });
}

Deno.test({
  name: "image and text end with the same bits when they are suspended and clocks jump",
  ignore: !soaks,
  fn: () =>
    inSoakFolder(async (place) => {
      const [stops, over] = [limit("SOAK_STOPS", 4), soakClock()];
      const random = soakRandom("stops");
      let done = 0;
      for (const run of SMOKE_RUNS) {
        const { milliseconds, lasting } = await straightSmoke(run, `${place}/${run.program}`);
        const out = `${place}/${run.program}-disturbed`;
        const running = startProgram(run.program, [...run.flags, `--out=${out}`], {
          preload: module("jumping_clock.ts"),
        });
        let ended = false;
        const end = running.ended.finally(() => ended = true);
        for (let i = 0; i < stops && !over() && !ended; i++) {
          await pause(random.next() * milliseconds / stops);
          if (ended) break;
          running.kill("SIGSTOP");
          await pause(200 + 800 * random.next());
          running.kill("SIGCONT");
          done++;
        }
        const { code, stderr } = await end;
        assertEquals(code, 0, stderr);
        assertEquals(await lastingOf(out), lasting);
      }
      console.log(`${done} suspensions, with clocks that jumped by hours and days: the same bits`);
      assert(done > 0 || stops === 0);
    }),
});

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
