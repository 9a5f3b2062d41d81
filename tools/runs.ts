/**
 * Lists the runs of a folder with the commands that made them, which tells them apart.
 *
 *     deno task runs
 */
import { RECORD_NAME } from "../cli/run_record.ts";

interface Run {
  readonly name: string;
  readonly started: string;
  readonly command: string;
}

/** The run in a folder: of a record of a run, or of samples; undefined if it has none. */
async function runIn(folder: string, name: string): Promise<Run | undefined> {
  for (const file of [RECORD_NAME, "record.json"]) {
    const text = await Deno.readTextFile(`${folder}/${name}/${file}`).catch(() => undefined);
    if (text === undefined) continue;
    try {
      const { sessions, session = sessions.at(-1) } = JSON.parse(text);
      const { started, command } = session;
      return { name, started: String(started), command: command.join(" ") };
    } catch {
      return { name, started: "", command: `${file} cannot be read` };
    }
  }
  return undefined;
}

/** The runs of a folder, the newest first. */
export async function runsIn(folder: string): Promise<Run[]> {
  const runs: Run[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const run = isDirectory ? await runIn(folder, name) : undefined;
    if (run !== undefined) runs.push(run);
  }
  return runs.sort((a, b) => a.started < b.started ? 1 : -1);
}

if (import.meta.main) {
  const runs = await runsIn("runs").catch(() => []);
  if (runs.length === 0) console.log("there are no runs yet");
  const width = Math.max(...runs.map(({ name }) => name.length));
  for (const { name, started, command } of runs) {
    const time = started.slice(0, 16).replace("T", " ");
    console.log(`${time.padEnd(16)}  ${name.padEnd(width)}  deno task ${command}`);
  }
}
