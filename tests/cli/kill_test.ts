import { assert, assertEquals } from "@std/assert";
import { loadCheckpoint } from "../../training/checkpoint/checkpoint.ts";
import {
  clearLeftovers,
  findCheckpoint,
  saveCheckpoint,
} from "../../training/checkpoint/folders.ts";
import { lockRun } from "../../cli/run_folder.ts";
import { permitted } from "../permissions.ts";

/** A program that locks a run's folder and saves checkpoints until it is killed. */
const program = (directory: string) => `
  import { saveCheckpoint } from "${new URL(
  "../../training/checkpoint/folders.ts",
  import.meta.url,
)}";
  import { lockRun } from "${new URL("../../cli/run_folder.ts", import.meta.url)}";
  const lock = await lockRun(${JSON.stringify(directory)});
  console.log("locked");
  for (let step = 1;; step++) {
    const data = new Float32Array(20_000).fill(step);
    const weights = new Map([["w", { dtype: "F32", shape: [data.length], data }]]);
    await saveCheckpoint(${JSON.stringify(directory)}, {
      modelIndex: {},
      components: { unet: { config: { step }, weights } },
      state: { step, seed: 0, configHash: "", vectors: weights },
    });
  }`;

Deno.test({
  name:
    "saveCheckpoint() leaves a whole checkpoint, and lockRun() an unlocked folder, when the run is killed",
  ignore: Deno.build.os === "windows" ||
    !permitted({ name: "read" }, { name: "write" }, { name: "run" }),
  async fn() {
    const directory = await Deno.makeTempDir();
    try {
      for (const delay of [0, 7, 19, 44, 83]) {
        const child = new Deno.Command(Deno.execPath(), {
          args: ["eval", program(directory)],
          stdin: "null",
          stdout: "piped",
          stderr: "null",
        }).spawn();
        const reader = child.stdout.getReader();
        const { value } = await reader.read();
        assertEquals(new TextDecoder().decode(value), "locked\n");
        await new Promise((resolve) => setTimeout(resolve, delay));
        child.kill("SIGKILL");
        await child.status;
        await reader.cancel();

        using _lock = await lockRun(directory); // there is no stale lock
        await clearLeftovers(directory);
        const found = await findCheckpoint(directory);
        if (found === undefined) continue; // killed before the first checkpoint was written
        assertEquals(found.damaged, []);
        const { components, state } = await loadCheckpoint(found.directory, { state: true });
        assertEquals(state?.step, found.step);
        assertEquals(components.unet?.config, { step: found.step });
        assert(components.unet!.weights!.get("w")!.data.every((value) => value === found.step));
      }
      const list = async () =>
        (await Array.fromAsync(Deno.readDir(`${directory}/checkpoints`))).map(({ name }) => name)
          .sort();
      const left = await list();
      assert(left.length >= 1 && left.every((name) => /^step-\d{6}$/.test(name)), left.join());
      // Each kill may leave some that were to be removed. The next checkpoint of an undisturbed run removes them.
      await saveCheckpoint(directory, {
        modelIndex: {},
        components: {},
        state: { step: 999_999, seed: 0, configHash: "", vectors: new Map() },
      });
      assertEquals(await list(), [left.at(-1), "step-999999"]);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
