/** How much a soak does: counts, time and seed, by environment variables. */
import { type RandomStream, randomStream } from "../../nn/random.ts";
import { permitted } from "../permissions.ts";

/** Whether soaks can run: they start programs in folders of their own, and send them signals. */
export const soaks: boolean = Deno.build.os !== "windows" &&
  permitted({ name: "read" }, { name: "write" }, { name: "run" }, { name: "env" });

/** The number that an environment variable gives. */
export function limit(name: string, otherwise: number): number {
  const text = soaks ? Deno.env.get(name) : undefined;
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new Error(`${name}=${text}: must be a number of at least 0`);
}

/** Random numbers that one seed, `SOAK_SEED`, decides. */
export function soakRandom(purpose: string): RandomStream {
  return randomStream(limit("SOAK_SEED", 0)).stream(purpose);
}

/** A function that tells whether `SOAK_SECONDS` from now are over. */
export function soakClock(): () => boolean {
  const end = performance.now() + 1000 * limit("SOAK_SECONDS", 600);
  return () => performance.now() > end;
}
