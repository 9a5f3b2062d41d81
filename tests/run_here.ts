/** Runs a program's main function in this process, which is faster than to start one for it. */
import { assertEquals } from "@std/assert";
import { exitCode } from "../cli/program.ts";
import * as tf from "../engine/tf.ts";

/** What a run did. */
export interface Ended {
  /** Its exit code. */
  readonly code: number;
  /** What it wrote. */
  readonly stdout: string;
  /** What it wrote as messages. */
  readonly stderr: string;
}

let last: Promise<unknown> = Promise.resolve();

/**
 * Runs a main function to its end, after those that were started before, since what they print is told
 * apart by nothing else. Signals end the tests, as without it.
 *
 * @throws {AssertionError} If it leaves a signal's listener, or tensors after a success.
 */
export function runHere(main: () => Promise<number>): Promise<Ended> {
  const ended = last.then(() => capture(main));
  last = ended.catch(() => {});
  return ended;
}

async function capture(main: () => Promise<number>): Promise<Ended> {
  const [stdout, stderr] = [[] as string[], [] as string[]];
  const decoder = new TextDecoder();
  let listeners = 0;
  const { addSignalListener, removeSignalListener } = Deno;
  using _stubs = new DisposableStack();
  const stub = <T extends object, K extends keyof T>(object: T, key: K, value: T[K]) => {
    const original = object[key];
    object[key] = value;
    _stubs.defer(() => void (object[key] = original));
  };
  stub(console, "log", (...parts) => void stdout.push(`${parts.join(" ")}\n`));
  stub(console, "error", (...parts) => void stderr.push(`${parts.join(" ")}\n`));
  stub(Deno.stderr, "isTerminal", () => false);
  stub(Deno.stderr, "writeSync", (bytes) => {
    stderr.push(decoder.decode(bytes));
    return bytes.length;
  });
  stub(Deno, "addSignalListener", (...given) => {
    listeners++;
    addSignalListener(...given);
  });
  stub(Deno, "removeSignalListener", (...given) => {
    listeners--;
    removeSignalListener(...given);
  });
  const tensors = tf.memory().numTensors;
  const code = await exitCode(main);
  assertEquals(listeners, 0, "listeners for signals are left");
  if (code === 0) assertEquals(tf.memory().numTensors, tensors, "tensors are left");
  return { code, stdout: stdout.join(""), stderr: stderr.join("") };
}
