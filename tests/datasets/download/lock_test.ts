import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "node:path";
import { withLock } from "../../../datasets/download/lock.ts";
import { UserError } from "../../../base/errors.ts";
import { permitted } from "../../permissions.ts";
import { folderWith, hasFiles, patientNetwork } from "../tiny_dataset.ts";

Deno.test({
  name: "withLock() lets one in at a time and says for whom the other waits",
  ignore: !hasFiles,
  async fn() {
    await using folder = await folderWith();
    const path = join(folder.path, ".lock");
    const { sleep, now } = patientNetwork();
    const log: string[] = [];
    const events: string[] = [];
    const holder = (name: string) => () =>
      withLock(path, async () => {
        events.push(`${name} in`);
        await new Promise((resolve) => setTimeout(resolve, 20));
        events.push(`${name} out`);
        return name;
      }, { log: (line) => log.push(line), sleep, now });
    const results = await Promise.all([holder("a")(), holder("b")(), holder("c")()]);
    assertEquals(results, ["a", "b", "c"]);
    for (let i = 0; i < events.length; i += 2) {
      assertEquals(events[i]!.replace(" in", " out"), events[i + 1]);
    }
    assertEquals(log.length, 2);
    const owner = new RegExp(`^waiting for (process ${Deno.pid} |another process).*which holds `);
    for (const line of log) assertMatch(line, owner);
  },
});

Deno.test({
  name: "withLock() gives up and names the owner when it is never let go",
  ignore: !hasFiles,
  async fn() {
    await using folder = await folderWith();
    const path = join(folder.path, ".lock");
    const { sleep, now, slept } = patientNetwork();
    let release = () => {};
    const held = new Promise<void>((resolve) => release = resolve);
    let entered = () => {};
    const inside = new Promise<void>((resolve) => entered = resolve);
    const first = withLock(path, () => (entered(), held), { sleep, now });
    await inside;
    await assertRejects(
      () => withLock(path, () => Promise.resolve(), { sleep, now, maxWait: 5000, interval: 1000 }),
      UserError,
      `process ${Deno.pid} (since "2025-01-01T00:00:00.000Z") has held the lock for more than 5 s`,
    );
    assertEquals(slept.length, 5);
    release();
    await first;
  },
});

Deno.test({
  name: "withLock() is free again when the action throws",
  ignore: !hasFiles,
  async fn() {
    await using folder = await folderWith();
    const path = join(folder.path, ".lock");
    const { sleep, now, slept } = patientNetwork();
    const failing = () => withLock(path, () => Promise.reject(new Error("x")), { sleep, now });
    await assertRejects(failing, Error, "x");
    assertEquals(await withLock(path, () => Promise.resolve(1), { sleep, now }), 1);
    assertEquals(slept, []);
  },
});

Deno.test({
  name: "withLock() takes a lock over when its owner was killed",
  ignore: !hasFiles || !permitted({ name: "run", command: Deno.execPath() }),
  async fn() {
    await using folder = await folderWith();
    const path = join(folder.path, ".lock");
    const { sleep, now } = patientNetwork();
    const module = new URL("../../../datasets/download/lock.ts", import.meta.url).href;
    const code = `import { withLock } from ${JSON.stringify(module)};
      const hang = () => { console.log("held"); return new Promise((r) => setTimeout(r, 60000)); };
      await withLock(${JSON.stringify(path)}, hang, { sleep: async () => {}, now: Date.now });`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", code],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.getReader();
    assertEquals(new TextDecoder().decode((await reader.read()).value), "held\n");
    const wait = () => withLock(path, () => Promise.resolve(), { sleep, now, maxWait: 1000 });
    await assertRejects(wait, UserError, `process ${child.pid} `);
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    assertEquals(JSON.parse(await Deno.readTextFile(path)).pid, child.pid);
    assertEquals(await withLock(path, () => Promise.resolve("mine"), { sleep, now }), "mine");
    assertEquals(JSON.parse(await Deno.readTextFile(path)).pid, Deno.pid);
  },
});
