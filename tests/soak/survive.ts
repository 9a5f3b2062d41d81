/** What every reader has to do with every input: give something sound, or say what is wrong. */
import { assert, AssertionError } from "@std/assert";
import { cpuUsage } from "node:process";
import { UserError } from "../../base/errors.ts";
import { Dice } from "./mutate.ts";
import { INPUTS, soaking } from "./soak.ts";

/** A reader under test. */
export interface Reader<Input> {
  /** What it is called in the test's name and the counts. */
  readonly name: string;
  /** An input for some choices. */
  readonly input: (dice: Dice) => Input;
  /** Reads it; what it gives is looked through. */
  readonly read: (input: Input) => unknown;
  /** What a refusal must name: the file, and the place where it can. */
  readonly names: RegExp;
  /** Whether numbers that are read may be NaN or infinite, as in files of data. @default false */
  readonly anyNumber?: boolean;
  /** Skips without a permission. @default false */
  readonly ignore?: boolean;
}

/** Bytes that reading an input of some kilobytes may allocate, at most. */
const MOST_MEMORY = 64 * 2 ** 20;

/** The longest message: it has to fit on a screen. */
const LONGEST = 1000;

/** Fails unless a value is made of plain parts, and its numbers are numbers. */
function checkSound(value: unknown, anyNumber: boolean, path = "the result", depth = 0): void {
  if (depth > 12) return;
  if (typeof value === "number") {
    assert(anyNumber || Number.isFinite(value), `${path} is ${value}`);
  } else if (value instanceof Float32Array || value instanceof Float64Array) {
    const at = anyNumber ? -1 : value.findIndex((item) => !Number.isFinite(item));
    assert(at < 0, `${path}[${at}] is ${value[at]}`);
  } else if (value instanceof Map) {
    for (const [key, item] of value) checkSound(item, anyNumber, `${path}.get(${key})`, depth + 1);
  } else if (Array.isArray(value)) {
    value.slice(0, 100).forEach((item, i) =>
      checkSound(item, anyNumber, `${path}[${i}]`, depth + 1)
    );
  } else if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
    const prototype = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      // An own class is fine, an object that came out of the file is not.
      assert(prototype.constructor?.prototype === prototype, `${path} has a strange prototype`);
      return;
    }
    for (const [key, item] of Object.entries(value)) {
      checkSound(item, anyNumber, `${path}.${key}`, depth + 1);
    }
  }
}

function checkRefusal(error: unknown, names: RegExp): void {
  if (!(error instanceof UserError)) throw error;
  const { message } = error;
  assert(names.test(message), `the message does not match ${names}: ${message.slice(0, 300)}`);
  assert(message.length <= LONGEST, `a message of ${message.length} characters`);
  assert(
    !/\p{Cc}/u.test(message),
    `control characters: ${JSON.stringify(message)}`,
  );
  const own = message.replaceAll(/"(?:\\.|[^"\\])*"?/g, ""); // without what is quoted from the file
  assert(
    !/undefined|\[object|(?<!holds )NaN|\bat .*\.ts:\d/.test(own),
    `not for people: ${message}`,
  );
}

function checkPrototypes(): void {
  assert(Object.keys(Object.prototype).length === 0, "Object.prototype was changed");
  assert(!("polluted" in {}), "Object.prototype was polluted");
}

/** Feeds a reader with {@linkcode INPUTS} inputs; in the soak, prints the counts. */
export function survives<Input>(
  { name, input, read, names, anyNumber = false, ignore = false }: Reader<Input>,
): void {
  Deno.test({
    name: `${name} survives files from strangers`,
    ignore,
    async fn() {
      const counts = { accepted: 0, refused: 0 };
      const messages = new Set<string>();
      let [slowest, total, most] = [0, 0, 0];
      for (let i = 0; i < INPUTS; i++) {
        const given = input(new Dice(i));
        const before = Deno.memoryUsage().external;
        const start = cpuUsage(); // other programs make no input slow
        try {
          checkSound(await read(given), anyNumber);
          counts.accepted++;
        } catch (error) {
          try {
            checkRefusal(error, names);
          } catch (problem) {
            throw new AssertionError(`input ${i}: ${show(given)}`, { cause: problem });
          }
          counts.refused++;
          messages.add((error as UserError).message.replace(/\d+|".*?"/g, "_"));
        }
        const { user, system } = cpuUsage(start);
        slowest = Math.max(slowest, (user + system) / 1000);
        total += (user + system) / 1000;
        const grown = Deno.memoryUsage().external - before;
        most = Math.max(most, grown);
        assert(grown < MOST_MEMORY, `input ${i} took ${grown} bytes: ${show(given)}`);
        checkPrototypes();
      }
      // Both must happen, or the inputs are too tame or too wild to say anything.
      assert(counts.accepted > 0 && counts.refused > 0, JSON.stringify(counts));
      if (soaking) {
        console.log(
          `${name}: ${INPUTS} inputs, ${counts.accepted} accepted, ${counts.refused} refused in ` +
            `${messages.size} ways, at most ${slowest.toFixed(0)} ms of CPU time and ` +
            `${(most / 2 ** 20).toFixed(1)} MiB each, ${(total / INPUTS).toFixed(1)} ms on average`,
        );
      }
    },
  });
}

function show(given: unknown): string {
  const text = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);
  const whole = given instanceof Uint8Array
    ? text(given)
    : JSON.stringify(given, (_, item) => item instanceof Uint8Array ? text(item) : item);
  return JSON.stringify(whole.slice(0, 3000));
}
