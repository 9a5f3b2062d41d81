/**
 * `kill -9` at random moments: each run goes on, and ends with the bits of one that was never killed.
 *
 *     SOAK_KILLS=100 SOAK_SECONDS=3600 SOAK_SEED=0 deno task test:soak
 */
import { assert, assertEquals } from "@std/assert";
import type { RandomStream } from "../../nn/random.ts";
import type { Ended, Running } from "../image/program/program.ts";
import { limit, soakClock, soakRandom, soaks } from "./limits.ts";
import {
  inSoakFolder,
  lastingOf,
  namesIn,
  type SmokeRun,
  startSmoke,
  straightSmoke,
  TINY_RUNS,
} from "./smoke_runs.ts";

/** Kills of a run before it may go on to its end. */
const KILLS_A_RUN = 8;

/** What is being written when a run is to be killed, if it is not killed by the clock. */
const WRITTEN: Readonly<Record<string, RegExp>> = {
  "a checkpoint": /\/checkpoints\/step-/,
  "metrics": /\/metrics\.csv/,
  "the record": /(?<!\/step-.*)\/config\.json/,
  "latents": /\/latents(\/|$)/,
  "samples": /\/samples(\/|$)/,
  "a report": /\/report\.html/,
  "an evaluation": /\/evaluation(\.json|\/)/,
};

/** What is written again and again; the rest once. */
const REPEATED = ["metrics", "the record"];

/** The most changes of a kind of files that are waited for. */
const MOST_CHANGES = 6;

/** How many changes of each kind of files there are in a folder until something has ended. */
async function countChanges(out: string, end: Promise<unknown>): Promise<Map<string, number>> {
  using watcher = Deno.watchFs(out);
  end.catch(() => {}).finally(() => watcher.close());
  const changes = new Map<string, number>();
  for await (const { paths } of watcher) {
    for (const [what, pattern] of Object.entries(WRITTEN)) {
      if (paths.some((path) => pattern.test(path))) changes.set(what, (changes.get(what) ?? 0) + 1);
    }
  }
  return changes;
}

/** What of {@linkcode WRITTEN} a run still has to write, by the files that it will end with. */
async function toBeWritten(out: string, whole: readonly string[]): Promise<string[]> {
  const there = new Set(await namesIn(out));
  const missing = whole.filter((path) => !there.has(path));
  return Object.keys(WRITTEN).filter((what) =>
    REPEATED.includes(what) || missing.some((path) => WRITTEN[what]!.test(`/${path}`))
  );
}

/** Kills a run at a random moment. @returns What it was doing, as the moment was chosen. */
async function killSometime(
  { running, out, random, milliseconds, what, changes }: {
    readonly running: Running;
    readonly out: string;
    readonly random: RandomStream;
    readonly milliseconds: number;
    readonly what: readonly string[];
    /** How many changes there are of each in a whole run. */
    readonly changes: ReadonlyMap<string, number>;
  },
): Promise<{ moment: string; ended: Ended }> {
  const chosen = what[Math.floor(random.next() * 2 * what.length)]; // every other by the clock
  let ended: Ended | undefined;
  const end = running.ended.then((result) => ended = result);
  if (chosen === undefined) {
    const timer = Promise.withResolvers<void>();
    const id = setTimeout(() => timer.resolve(), random.next() * milliseconds);
    await Promise.race([timer.promise, end]);
    clearTimeout(id);
  } else {
    using watcher = Deno.watchFs(out);
    end.then(() => watcher.close()).catch(() => {}); // closed already
    const most = Math.min(changes.get(chosen) ?? 1, MOST_CHANGES);
    let left = 1 + Math.floor(random.next() * most);
    for await (const { paths } of watcher) {
      if (paths.some((path) => WRITTEN[chosen]!.test(path)) && --left === 0) break;
    }
  }
  if (ended === undefined) running.kill("SIGKILL");
  return { moment: chosen ?? "the clock", ended: await end };
}

/** What a run that was killed left half-done, by its files. */
async function leftBy(out: string): Promise<string> {
  const files = await namesIn(out);
  const cut = files.find((path) => path.includes(".tmp-"));
  if (cut === undefined) return files.includes("config.json") ? "no file cut off" : "nothing yet";
  return `cut off: ${cut.replace(/\.tmp-.*$/, "").replace(/step-\d+.*/, "step")}`;
}

Deno.test({
  name: "image and text go on after kill -9 anywhere, to the bits of a run that was never killed",
  ignore: !soaks,
  fn: () =>
    inSoakFolder(async (place) => {
      const [wanted, over] = [limit("SOAK_KILLS", 20), soakClock()];
      const [kills, counts] = [{ image: 0, text: 0 }, new Map<string, number>()];
      const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
      let [runs, alike] = [0, 0];
      const killed = () => kills.image + kills.text;
      /** Kills one run after the other of a program. */
      const killRuns = async (run: SmokeRun) => {
        const { program } = run;
        const random = soakRandom(`kills, ${program}`);
        const whole = `${place}/${program}`;
        await Deno.mkdir(whole);
        const straight = straightSmoke(run, whole);
        const changes = await countChanges(whole, straight);
        const { lasting, ...took } = await straight;
        let { milliseconds } = took; // the machine may be slower or faster later on
        for (let n = 0; killed() < wanted && !over(); n++) {
          const out = `${place}/${program}-${n}`;
          await Deno.mkdir(out);
          const log: string[] = [];
          let here = 0; // kills of this run
          let ended = false; // sooner than the moment at which it was to be killed
          for (let i = 0; i < KILLS_A_RUN && killed() < wanted && !ended; i++) {
            const what = await toBeWritten(out, Object.keys(lasting));
            const [started, running] = [performance.now(), startSmoke(run, out)];
            const end = await killSometime({ running, out, random, milliseconds, what, changes });
            const { moment, ended: { code, stdout, stderr } } = end;
            log.push(`by ${moment}: ${code}\n${stdout}${stderr}`);
            ended = code === 0;
            if (ended) {
              if (i === 0) milliseconds = performance.now() - started;
              count(`${program}, not killed: ended before ${moment}`);
              continue;
            }
            assertEquals(code, 137, log.join("\n"));
            kills[program]++;
            here++;
            count(`${program}, chosen by ${moment}`);
            count(`${program}, ${await leftBy(out)}`);
          }
          if (!ended) {
            const { code, stderr } = await startSmoke(run, out).ended;
            assertEquals(code, 0, [...log, stderr].join("\n"));
          }
          assertEquals(await lastingOf(out), lasting, `${out}\n${log.join("\n")}`);
          await Deno.remove(out, { recursive: true });
          runs++;
          alike += here;
          console.log(`${alike} kills of ${runs} runs so far, all ended alike`);
        }
      };
      await Promise.all(TINY_RUNS.map(killRuns)); // side by side: two cores, two programs
      console.log(
        `${killed()} kills of ${runs} runs (image ${kills.image}, text ${kills.text}), all ended alike`,
      );
      [...counts].sort().forEach(([what, times]) => console.log(`  ${times} of ${what}`));
      assert(killed() > 0 || wanted === 0);
    }),
});
