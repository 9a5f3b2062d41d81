import { assert, assertEquals } from "@std/assert";
import { EXIT, usageError, UserError } from "../errors.ts";

Deno.test("EXIT contains the documented exit codes", () => {
  assertEquals(EXIT, { done: 0, failed: 1, usage: 2, interrupted: 130 });
});

Deno.test("UserError has a message, an exit code and a cause", () => {
  const plain = new UserError("no");
  assert(plain instanceof Error);
  assertEquals([plain.name, plain.message, plain.exitCode], ["UserError", "no", EXIT.failed]);
  assert(!("cause" in plain));
  const cause = new TypeError("deeper");
  const full = new UserError("no", { exitCode: EXIT.interrupted, cause });
  assertEquals(full.exitCode, EXIT.interrupted);
  assert(full.cause === cause);
});

Deno.test("usageError() has the exit code for wrong usage", () => {
  const error = usageError("bad flag");
  assert(error instanceof UserError);
  assertEquals([error.message, error.exitCode], ["bad flag", EXIT.usage]);
});
