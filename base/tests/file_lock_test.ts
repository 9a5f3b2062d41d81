import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { readLockOwner, tryFileLock, withFileLock } from "../file_lock.ts";
import { permitted } from "../../tests/permissions.ts";

const hasFiles = permitted({ name: "read" }, { name: "write" });

/** A folder that is removed at the end of its scope. */
async function temporaryFolder() {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** A clock that only `sleep` advances, which hardly waits but records the times. */
function patientClock() {
  const slept: number[] = [];
  let now = Date.UTC(2025, 0, 1);
  const sleep = async (milliseconds: number) => {
    slept.push(milliseconds);
    now += milliseconds;
    await new Promise((resolve) => setTimeout(resolve, 1));
  };
  return { sleep, now: () => now, slept };
}

Deno.test({
  name: "withFileLock() runs one action at a time and reports the process that others wait for",
  ignore: !hasFiles,
  async fn() {
    await using folder = await temporaryFolder();
    const path = join(folder.path, ".lock");
    const { sleep, now } = patientClock();
    const log: string[] = [];
    const events: string[] = [];
    const holder = (name: string) => () =>
      withFileLock(path, async () => {
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
  name: "withFileLock() gives up and names the owner when the lock is never released",
  ignore: !hasFiles,
  async fn() {
    await using folder = await temporaryFolder();
    const path = join(folder.path, ".lock");
    const { sleep, now, slept } = patientClock();
    let release = () => {};
    const held = new Promise<void>((resolve) => release = resolve);
    let entered = () => {};
    const inside = new Promise<void>((resolve) => entered = resolve);
    const first = withFileLock(path, () => (entered(), held), { sleep, now });
    await inside;
    await assertRejects(
      () =>
        withFileLock(path, () => Promise.resolve(), { sleep, now, maxWait: 5000, interval: 1000 }),
      UserError,
      `process ${Deno.pid} (since "2025-01-01T00:00:00.000Z") has held the lock for more than 5 s`,
    );
    assertEquals(slept.length, 5);
    release();
    await first;
  },
});

Deno.test({
  name: "withFileLock() releases the lock when the action throws",
  ignore: !hasFiles,
  async fn() {
    await using folder = await temporaryFolder();
    const path = join(folder.path, ".lock");
    const { sleep, now, slept } = patientClock();
    const failing = () => withFileLock(path, () => Promise.reject(new Error("x")), { sleep, now });
    await assertRejects(failing, Error, "x");
    assertEquals(await withFileLock(path, () => Promise.resolve(1), { sleep, now }), 1);
    assertEquals(slept, []);
  },
});

Deno.test({
  name: "withFileLock() takes the lock when its owner was killed",
  ignore: !hasFiles || !permitted({ name: "run", command: Deno.execPath() }),
  async fn() {
    await using folder = await temporaryFolder();
    const path = join(folder.path, ".lock");
    const { sleep, now } = patientClock();
    const module = new URL("../file_lock.ts", import.meta.url).href;
    const code = `import { withFileLock } from ${JSON.stringify(module)};
      const hang = () => { console.log("held"); return new Promise((r) => setTimeout(r, 60000)); };
      await withFileLock(${JSON.stringify(path)}, hang, { sleep: async () => {}, now: Date.now });`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", code],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.getReader();
    assertEquals(new TextDecoder().decode((await reader.read()).value), "held\n");
    const wait = () => withFileLock(path, () => Promise.resolve(), { sleep, now, maxWait: 1000 });
    await assertRejects(wait, UserError, `process ${child.pid} `);
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    assertEquals(JSON.parse(await Deno.readTextFile(path)).pid, child.pid);
    assertEquals(await withFileLock(path, () => Promise.resolve("mine"), { sleep, now }), "mine");
    assertEquals(JSON.parse(await Deno.readTextFile(path)).pid, Deno.pid);
  },
});

Deno.test({
  name: "tryFileLock() gives no second lock until the first is disposed",
  ignore: !hasFiles,
  async fn() {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "run.lock");
    assertEquals(await readLockOwner(path), undefined);
    {
      using first = await tryFileLock(path, 0);
      assertEquals(first?.supported, true);
      assertEquals(await tryFileLock(path), undefined);
      if (Deno.build.os !== "windows") {
        assertEquals(await readLockOwner(path), {
          pid: Deno.pid,
          since: "1970-01-01T00:00:00.000Z",
        });
      }
    }
    using second = await tryFileLock(path);
    assertEquals(second?.supported, true);
  },
});
