/**
 * Reference values from PyTorch, diffusers and transformers. FIXTURES=DIR in the environment points
 * at another folder of the same shape; without it (or without the permission to look) the folder
 * beside this file is used, whose JSON files need no permission to read because they are imported.
 * A file that DIR lacks is named, and taken from beside this file.
 */
import { permitted } from "./permissions.ts";

const directory: string | undefined = permitted({ name: "env", variable: "FIXTURES" })
  ? Deno.env.get("FIXTURES")
  : undefined;

const here = new URL("./fixtures/", import.meta.url);

/** Whether {@linkcode fixtureBytes} may read. */
export const hasFixtureBytes: boolean = permitted({ name: "read", path: directory ?? here });

const imported: Record<string, () => Promise<{ default: unknown }>> = {
  "schedules.json": () => import("./fixtures/schedules.json", { with: { type: "json" } }),
  "schedulers.json": () => import("./fixtures/schedulers.json", { with: { type: "json" } }),
  "samplers.json": () => import("./fixtures/samplers.json", { with: { type: "json" } }),
  "optimizers.json": () => import("./fixtures/optimizers.json", { with: { type: "json" } }),
  "distances.json": () => import("./fixtures/distances.json", { with: { type: "json" } }),
  "dtypes.json": () => import("./fixtures/dtypes.json", { with: { type: "json" } }),
  "text_metrics.json": () => import("./fixtures/text_metrics.json", { with: { type: "json" } }),
};

const missing = new Set<string>();

/** The path of a fixture below FIXTURES; undefined if that is not set, or lacks it, which is printed. */
function ownPath(name: string): string | undefined {
  if (directory === undefined) return undefined;
  const path = `${directory}/${name}`;
  try {
    Deno.statSync(path);
    return path;
  } catch {
    if (!missing.has(name)) console.error(`${path} is missing: the project's own ${name} is used`);
    missing.add(name);
    return undefined;
  }
}

/** A JSON fixture, parsed. */
// deno-lint-ignore no-explicit-any
export async function fixtureJson(name: string): Promise<any> {
  if (ownPath(name) === undefined && imported[name] !== undefined) {
    return (await imported[name]()).default;
  }
  return JSON.parse(new TextDecoder().decode(await fixtureBytes(name)));
}

/** A fixture's bytes. Needs the permission to read the folder. */
export async function fixtureBytes(name: string): Promise<Uint8Array<ArrayBuffer>> {
  return await Deno.readFile(ownPath(name) ?? new URL(name, here));
}
