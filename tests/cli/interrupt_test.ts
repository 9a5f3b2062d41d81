import { assert, assertEquals } from "@std/assert";
import { breathe } from "../../base/breathe.ts";
import { runSnippet, snippetsWork } from "../run_snippet.ts";

const IMPORTS = {
  "breathe": "base/breathe.ts",
  "leaveOnInterrupt, listenForInterrupt": "cli/interrupt.ts",
};
const ignore = !snippetsWork;

Deno.test("breathe() lets timers run, and costs little when called often", async () => {
  let fired = 0;
  const timer = setInterval(() => fired++, 1);
  const start = performance.now();
  let breaths = 0;
  for (; performance.now() < start + 300; breaths++) await breathe();
  clearInterval(timer);
  assert(fired >= 2, `${fired}`);
  assert(breaths > 1000, `${breaths}`);
});

Deno.test({
  name: "breathe() lets a signal arrive after one step, however long steps are",
  ignore,
  fn: async () => {
    const { stdout } = await runSnippet(
      IMPORTS,
      `using interrupt = listenForInterrupt();
       const compute = () => { for (const end = Date.now() + 60; Date.now() < end;); };
       for (let step = 1; step < 100; step++) {
         compute();
         if (step === 3) Deno.kill(Deno.pid, "SIGINT");
         await breathe();
         if (interrupt.signal !== undefined) {
           console.log(step);
           break;
         }
       }`,
    );
    // The step in which the signal came, or at the latest the next one.
    assert(["3\n", "4\n"].includes(stdout), stdout);
  },
});

Deno.test({
  name: "listenForInterrupt() reports the signal once the computing code has called breathe()",
  ignore,
  fn: async () => {
    const { code, stdout } = await runSnippet(
      IMPORTS,
      `using interrupt = listenForInterrupt();
       console.log(interrupt.signal);
       Deno.kill(Deno.pid, "SIGTERM");
       for (const end = Date.now() + 20_000; interrupt.signal === undefined && Date.now() < end;) {
         await breathe();
       }
       console.log(interrupt.signal);`,
    );
    assertEquals([code, stdout], [0, "undefined\nSIGTERM\n"]);
  },
});

Deno.test({
  name: "listenForInterrupt() ends the program at once when a second signal comes",
  ignore,
  fn: async () => {
    const { code, signal, stdout } = await runSnippet(
      IMPORTS,
      `using interrupt = listenForInterrupt();
       Deno.kill(Deno.pid, "SIGINT");
       while (interrupt.signal === undefined) await breathe();
       console.log("first");
       Deno.kill(Deno.pid, "SIGINT");
       for (const end = Date.now() + 20_000; Date.now() < end;) await breathe();
       console.log("not reached");`,
    );
    assertEquals([code, signal, stdout], [130, null, "first\n"]);
  },
});

Deno.test({
  name: "leaveOnInterrupt() waits while something listens, and ends the program at once afterwards",
  ignore,
  fn: async () => {
    const { code, stdout, stderr } = await runSnippet(
      IMPORTS,
      `leaveOnInterrupt();
       {
         using interrupt = listenForInterrupt();
         Deno.kill(Deno.pid, "SIGINT");
         while (interrupt.signal === undefined) await breathe();
         console.log("saved");
       }
       Deno.kill(Deno.pid, "SIGINT");
       for (const end = Date.now() + 20_000; Date.now() < end;) await breathe();
       console.log("not reached");`,
    );
    assertEquals([code, stdout], [130, "saved\n"]);
    assert(/^interrupted: [^\n]+\n$/.test(stderr), stderr);
  },
});

Deno.test({
  name: "listenForInterrupt() stops listening when it is disposed of",
  ignore,
  fn: async () => {
    const { signal, stdout } = await runSnippet(
      IMPORTS,
      `listenForInterrupt()[Symbol.dispose]();
       Deno.kill(Deno.pid, "SIGTERM");
       for (const end = Date.now() + 20_000; Date.now() < end;) await breathe();
       console.log("not reached");`,
    );
    assertEquals([signal, stdout], ["SIGTERM", ""]);
  },
});
