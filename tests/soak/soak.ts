/** How long the soak runs: `deno task test:soak` sets SOAK, and the ordinary suite takes a small part. */
import { permitted } from "../permissions.ts";

function variable(name: string): string | undefined {
  return permitted({ name: "env", variable: name }) ? Deno.env.get(name) : undefined;
}

/** Whether this is the soak rather than the ordinary suite. */
export const soaking: boolean = variable("SOAK") !== undefined;

/** Mutated inputs for each reader: SOAK_INPUTS, or 10,000 in the soak and 200 in the ordinary suite. */
export const INPUTS: number = Number(variable("SOAK_INPUTS") ?? (soaking ? 10_000 : 200));
