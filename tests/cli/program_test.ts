import { assertEquals, assertMatch } from "@std/assert";
import { runSnippet, snippetsWork } from "../run_snippet.ts";

const IMPORTS = {
  "runProgram": "cli/program.ts",
  "UserError, usageError": "base/errors.ts",
};

/** Runs a program whose main function has this body. */
const ending = (main: string) =>
  runSnippet(IMPORTS, `await runProgram(async () => { ${main} }); console.log("not reached");`);

const CASES = [
  { main: "return 0;", code: 0, stderr: /^$/ },
  { main: "return 130;", code: 130, stderr: /^$/ },
  {
    main: 'throw new UserError("the disk is full: free some space");',
    code: 1,
    stderr: /^error: the disk is full: free some space\n$/,
  },
  { main: 'throw usageError("--steps 0: no");', code: 2, stderr: /^error: --steps 0: no\n$/ },
  {
    main: 'throw new UserError("first\\n   second\\n");',
    code: 1,
    stderr: /^error: first second\n$/,
  },
  {
    main: 'throw new UserError("a file called \\u001b[2Jb");',
    code: 1,
    stderr: /^error: a file called \\u001b\[2Jb\n$/,
  },
  {
    main: "new Float32Array(1e15); return 0;",
    code: 1,
    stderr: /^error: out of memory \(.+\): use a smaller --batch-size or preset\.\n$/,
  },
  {
    main: "null.length; return 0;",
    code: 1,
    stderr: /^error: Cannot read.+ \(this is a bug in the program: please report it\)\n$/,
  },
  {
    main: 'throw "text";',
    code: 1,
    stderr: /^error: text \(this is a bug in the program: please report it\)\n$/,
  },
  {
    main: 'throw new Deno.errors.NotCapable("Requires net access to \\"a:80\\"");',
    code: 1,
    stderr: /^error: Requires net access to "a:80"\. Run it as a deno task.+\n$/,
  },
] as const;

for (const { main, code, stderr } of CASES) {
  Deno.test({
    name: `runProgram() exits with ${code} after: ${main}`,
    ignore: !snippetsWork,
    fn: async () => {
      const ended = await ending(main);
      assertMatch(ended.stderr, stderr);
      assertEquals([ended.code, ended.stdout], [code, ""]);
    },
  });
}

for (const signal of ["SIGINT", "SIGTERM"]) {
  Deno.test({
    name: `runProgram() reports the interruption and exits with 130 at a ${signal}`,
    ignore: !snippetsWork,
    fn: async () => {
      const ended = await ending(
        `Deno.kill(Deno.pid, "${signal}"); await new Promise((r) => setTimeout(r, 10_000)); return 0;`,
      );
      assertMatch(ended.stderr, /^interrupted: [^\n]+\n$/);
      assertEquals([ended.code, ended.stdout, ended.signal], [130, "", null]);
    },
  });
}
