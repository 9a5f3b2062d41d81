/**
 * SIGINT and SIGTERM at random moments: the program saves, says so and leaves with 130, and the run ends
 * with the weights, metrics and samples of one that was left alone.
 *
 *     SOAK_SIGNALS=100 SOAK_SECONDS=3600 SOAK_SEED=0 deno task test:soak
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { resultOf, startProgram } from "../image/program/program.ts";
import { limit, soakClock, soakRandom, soaks } from "./limits.ts";
import { inSoakFolder, SMOKE_RUNS, type SmokeRun, straightSmoke } from "./smoke_runs.ts";

/** Signals to a run before it may go on to its end. */
const SIGNALS_A_RUN = 4;

/** Share of the signals that come in the first fifth of a second. */
const [EARLY, EARLY_MS] = [0.3, 200];

/** The last checkpoints, samples and metrics. Others are where the run was interrupted. */
async function resultsOf({ program }: SmokeRun, out: string): Promise<unknown[]> {
  const places = program === "image" ? [out] : [out, `${out}/diffusion`];
  return await Promise.all(places.map(resultOf));
}

Deno.test({
  name: "image and text save and leave with 130 at SIGINT and SIGTERM, and go on to the same bits",
  ignore: !soaks,
  fn: () =>
    inSoakFolder(async (place) => {
      const [wanted, over] = [limit("SOAK_SIGNALS", 20), soakClock()];
      const random = soakRandom("signals");
      const straight = new Map<SmokeRun, { milliseconds: number; results: unknown[] }>();
      for (const run of SMOKE_RUNS) {
        const out = `${place}/${run.program}`;
        const { milliseconds } = await straightSmoke(run, out);
        straight.set(run, { milliseconds, results: await resultsOf(run, out) });
      }
      const counts = { sent: 0, saved: 0, kept: 0, early: 0, silent: 0 };
      for (let runs = 0; counts.sent < wanted && !over(); runs++) {
        const run = SMOKE_RUNS[runs % SMOKE_RUNS.length]!;
        const { milliseconds, results } = straight.get(run)!;
        const out = `${place}/${run.program}-${runs}`;
        const log: string[] = [];
        for (let i = 0; i < SIGNALS_A_RUN && counts.sent < wanted; i++) {
          // SIGINT to the program itself, SIGTERM by way of the task, which passes it on.
          const signal = random.next() < 0.5 ? "SIGINT" : "SIGTERM";
          const task = signal === "SIGTERM";
          const running = startProgram(run.program, [...run.flags, `--out=${out}`], { task });
          const early = random.next() < EARLY;
          const timer = Promise.withResolvers<void>();
          const id = setTimeout(
            () => timer.resolve(),
            random.next() * (early ? EARLY_MS : milliseconds),
          );
          await Promise.race([timer.promise, running.ended]);
          clearTimeout(id);
          running.kill(signal);
          const { code, stderr } = await running.ended;
          log.push(`${signal}: ${code}, ${stderr}`);
          if (code === 0) break; // sooner than the signal
          counts.sent++;
          const last = stderr.trimEnd().split("\n").at(-1)!;
          // Before the program listens, the system ends it: by 130 or 143, as shells count signals.
          if (stderr === "") assert(code === 130 || code === 143, log.join("\n"));
          else {
            assertEquals(code, 130, log.join("\n"));
            assertMatch(last, /^interrupted: (saved|what was saved|before it began)/);
          }
          const kind = stderr === ""
            ? "silent"
            : /: saved/.test(last)
            ? "saved"
            : /before it/.test(last)
            ? "early"
            : "kept";
          counts[kind]++;
        }
        const last = await startProgram(run.program, [...run.flags, `--out=${out}`]).ended;
        assertEquals(last.code, 0, [...log, last.stderr].join("\n"));
        assertEquals(await resultsOf(run, out), results, `${out}\n${log.join("\n")}`);
        await Deno.remove(out, { recursive: true });
      }
      console.log(
        `${counts.sent} signals: ${counts.saved} finished the step and saved, ${counts.kept} came ` +
          `outside of training, ${counts.early} before the program began, ${counts.silent} before ` +
          "anything of it ran",
      );
    }),
});
