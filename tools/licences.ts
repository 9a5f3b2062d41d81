/**
 * Writes docs/licences.md: the licence of every npm package that is installed, down to the last one.
 *
 *     deno task docs:licences
 *
 * The names come from the packages' own package.json files in node_modules/.
 */
import { UserError } from "../base/errors.ts";

/** Where the table is. */
export const LICENCE_TABLE: URL = new URL("../docs/licences.md", import.meta.url);

/** Where Deno keeps packages, each with those that it needs beside it as links. */
const STORE = new URL("../node_modules/.deno/", import.meta.url);

/** Licences under which anything may be done that this project does, if they are passed on with it. */
const PERMISSIVE: ReadonlySet<string> = new Set([
  ...["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "Unlicense"],
]);

/**
 * Packages under other licences that are no harm: libvips, a shared library under the LGPL, comes with
 * npm:@huggingface/transformers for images, which only a test loads, and is not passed on.
 */
const EXCEPTIONS: Readonly<Record<string, RegExp>> = {
  "LGPL-3.0-or-later": /^@img\/sharp-libvips-/,
};

/** What is known of a package. */
export interface PackageLicence {
  /** Its name. */
  readonly name: string;
  /** Its version. */
  readonly version: string;
  /** Its licence as an SPDX expression; "" if it names none. */
  readonly licence: string;
  /** Whether it has a script that an installation would run, if it were allowed to. */
  readonly hasScript: boolean;
}

/** Reads a package.json. */
export function readPackage(text: string): PackageLicence {
  const { name, version, license, licenses, scripts } = JSON.parse(text);
  const named: unknown[] = [license ?? licenses ?? []].flat();
  const types = named.map((one) => (one as { type?: string } | null)?.type ?? one);
  return {
    ...{ name, version, licence: types.filter((type) => typeof type === "string").join(" OR ") },
    hasScript: ["preinstall", "install", "postinstall"].some((key) => scripts?.[key] !== undefined),
  };
}

/** Whether an SPDX expression of AND, OR and brackets allows what this project does. */
export function isPermissive(licence: string): boolean {
  const parts = licence.replaceAll(/[()]/g, " ").trim().split(/\s+AND\s+/);
  return parts.every((part) => part.split(/\s+OR\s+/).some((one) => PERMISSIVE.has(one.trim())));
}

/** Whether a package may be used. */
export function isAllowed({ name, licence }: PackageLicence): boolean {
  return isPermissive(licence) || (EXCEPTIONS[licence]?.test(name) ?? false);
}

/**
 * The packages that are installed and belong to the lockfile, by name and version; others are left from
 * earlier. Needs the permission to read them.
 */
export async function installedPackages(): Promise<PackageLicence[]> {
  const lock = JSON.parse(await Deno.readTextFile(new URL("../deno.lock", import.meta.url)));
  // What follows "_" are the peers that a package was resolved with.
  const locked = new Set(Object.keys(lock.npm).map((key) => /^@?[^@]+@[^_]+/.exec(key)?.[0]));
  const found = new Map<string, PackageLicence>();
  const look = async (folder: URL) => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (!isDirectory) continue; // a link to what another folder holds
      const own = new URL(`${name}/`, folder);
      if (name.startsWith("@")) {
        await look(own);
        continue;
      }
      const one = readPackage(await Deno.readTextFile(new URL("package.json", own)));
      const key = `${one.name}@${one.version}`;
      if (locked.has(key)) found.set(key, one);
    }
  };
  for await (const { name, isDirectory } of Deno.readDir(STORE)) {
    if (isDirectory && name !== "node_modules") await look(new URL(`${name}/node_modules/`, STORE));
  }
  return [...found.keys()].sort().map((key) => found.get(key)!);
}

const INTRODUCTION = `# Licences of dependencies

Every npm package that \`deno install\` brings on Linux x64, with the licence that it names itself.
Written by \`deno task docs:licences\`; a test compares it with what is installed, and refuses a
package without a licence or under one that asks for more than to be named. The exception is libvips
under the LGPL, a shared library for images that comes with npm:@huggingface/transformers: only a
test loads it, and this project passes it on to nobody.

"script": has a script that an installation would run if the user allowed it, which this project
never asks for.
`;

/** A Markdown table, laid out as deno fmt does. */
function markdown(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)));
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)));
  return lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

/** The text of docs/licences.md. */
export function licenceTable(packages: readonly PackageLicence[]): string {
  const counts = new Map<string, number>();
  for (const { licence } of packages) counts.set(licence, (counts.get(licence) ?? 0) + 1);
  const sums = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  return [
    INTRODUCTION,
    markdown([["licence", "packages"], ...sums.map(([name, count]) => [name, `${count}`])]),
    markdown([
      ["package", "version", "licence", "script"],
      ...packages.map(({ name, version, licence, hasScript }) => [
        ...[name, version, licence, hasScript ? "script" : ""],
      ]),
    ]),
  ].join("\n");
}

if (import.meta.main) {
  const packages = await installedPackages();
  const refused = packages.filter((one) => !isAllowed(one));
  if (refused.length > 0) {
    throw new UserError(refused.map(({ name, licence }) => `${name}: ${licence}`).join(", "));
  }
  await Deno.writeTextFile(LICENCE_TABLE, licenceTable(packages));
}
