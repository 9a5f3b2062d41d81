/**
 * Reference values from PyTorch, diffusers and transformers. FIXTURES=DIR in the environment points
 * at another folder of the same shape; without it (or without the permission to look) the folder
 * beside this file is used, whose JSON files need no permission to read because they are imported.
 * What DIR lacks is named, and its tests are skipped: see {@linkcode hasFixture}.
 */
import { permitted } from "./permissions.ts";

const directory: string | undefined = permitted({ name: "env", variable: "FIXTURES" })
  ? Deno.env.get("FIXTURES")
  : undefined;

const here = new URL("./fixtures/", import.meta.url);

const imported: Record<string, () => Promise<{ default: unknown }>> = {
  "schedules.json": () => import("./fixtures/schedules.json", { with: { type: "json" } }),
  "schedulers.json": () => import("./fixtures/schedulers.json", { with: { type: "json" } }),
  "samplers.json": () => import("./fixtures/samplers.json", { with: { type: "json" } }),
  "optimizers.json": () => import("./fixtures/optimizers.json", { with: { type: "json" } }),
  "distances.json": () => import("./fixtures/distances.json", { with: { type: "json" } }),
  "dtypes.json": () => import("./fixtures/dtypes.json", { with: { type: "json" } }),
  "text_metrics.json": () => import("./fixtures/text_metrics.json", { with: { type: "json" } }),
};

/** What FIXTURES lacks. */
const missing = new Set<string>();

/**
 * Whether tests with a fixture can run: a file or a folder of tests/fixtures. One that FIXTURES lacks is
 * named by an ignored test, since what a module prints while tests are loaded is not shown.
 */
export function hasFixture(name: string): boolean {
  if (directory === undefined && imported[name] !== undefined) return true;
  if (!permitted({ name: "read", path: directory ?? here })) return false;
  if (directory === undefined || exists(`${directory}/${name}`)) return true;
  if (!missing.has(name)) {
    const fn = () => {};
    Deno.test({ name: `FIXTURES=${directory} lacks ${name}: skips its tests`, ignore: true, fn });
  }
  missing.add(name);
  return false;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** A JSON fixture, parsed; the project's own where FIXTURES lacks it, so that skipped tests have names. */
// deno-lint-ignore no-explicit-any
export async function fixtureJson(name: string): Promise<any> {
  if (
    imported[name] !== undefined && (directory === undefined || !exists(`${directory}/${name}`))
  ) {
    return (await imported[name]()).default;
  }
  return JSON.parse(new TextDecoder().decode(await fixtureBytes(name)));
}

/** A fixture's bytes. Needs the permission to read the folder. */
export async function fixtureBytes(name: string): Promise<Uint8Array<ArrayBuffer>> {
  return await Deno.readFile(
    directory === undefined ? new URL(name, here) : `${directory}/${name}`,
  );
}
