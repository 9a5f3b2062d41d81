/**
 * Writes docs/licences.md: the licence of every npm package that is installed.
 *
 *     deno task docs:licences
 *
 * Licences come from the package.json files in node_modules/.
 */
import { markdownTable } from "../base/markdown.ts";
import { UserError } from "../base/errors.ts";

export const LICENCE_TABLE: URL = new URL("../docs/licences.md", import.meta.url);

/** Licences that permit use and distribution, if the licence text is distributed, too. */
const PERMISSIVE: ReadonlySet<string> = new Set(
  "0BSD Apache-2.0 BSD-2-Clause BSD-3-Clause CC0-1.0 ISC MIT Unlicense".split(" "),
);

/**
 * Packages that may be used under other licences. libvips, a shared library under the LGPL, is a
 * dependency of npm:@huggingface/transformers. axe-core checks the web page. Only tests load them, and they
 * are not distributed.
 */
const EXCEPTIONS: Readonly<Record<string, RegExp>> = {
  "LGPL-3.0-or-later": /^@img\/sharp-libvips-/,
  "MPL-2.0": /^axe-core$/,
};

export interface PackageLicence {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression; "" if the package names no licence. */
  readonly licence: string;
  /** Whether it has an install script, which runs only if the user allows it. */
  readonly hasScript: boolean;
}

export function readPackage(text: string): PackageLicence {
  const { name, version, license, licenses, scripts } = JSON.parse(text);
  const named: unknown[] = [license ?? licenses ?? []].flat();
  const types = named.map((one) => (one as { type?: string } | null)?.type ?? one);
  return {
    name,
    version,
    licence: types.filter((type) => typeof type === "string").join(" OR "),
    hasScript: ["preinstall", "install", "postinstall"].some((key) => scripts?.[key] !== undefined),
  };
}

/** Whether an SPDX expression of AND, OR and brackets allows the use in this project. */
export function isPermissive(licence: string): boolean {
  const parts = licence.replaceAll(/[()]/g, " ").trim().split(/\s+AND\s+/);
  return parts.every((part) => part.split(/\s+OR\s+/).some((one) => PERMISSIVE.has(one.trim())));
}

export function isAllowed({ name, licence }: PackageLicence): boolean {
  return isPermissive(licence) || (EXCEPTIONS[licence]?.test(name) ?? false);
}

export async function installedPackages(): Promise<PackageLicence[]> {
  const lock = JSON.parse(await Deno.readTextFile(new URL("../deno.lock", import.meta.url)));
  const found = new Map<string, PackageLicence>();
  for (const key of Object.keys(lock.npm)) {
    // What follows "_" are the peers that the package was resolved with.
    const [id = "", name = ""] = /^(@?[^@]+)@[^_]+/.exec(key) ?? [];
    const path = `${id.replaceAll("/", "+")}/node_modules/${name}/package.json`;
    try {
      const text = await Deno.readTextFile(
        new URL(`../node_modules/.deno/${path}`, import.meta.url),
      );
      found.set(id, readPackage(text));
    } catch (error) {
      // A package for another platform is not installed.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return [...found.keys()].sort().map((id) => found.get(id)!);
}

const INTRODUCTION = `# Licences of dependencies

The npm packages that \`deno install\` installs on Linux x64, with the licences that they name.
\`deno task docs:licences\` writes this file. A test compares it with the installed packages, and
fails for a package without a permissive licence. The exceptions are libvips under the LGPL, a
shared library for images that npm:@huggingface/transformers depends on, and axe-core under the MPL,
which checks the web page: only tests load them, and this project does not distribute them.

"script": the package has an install script. Deno runs it only if the user allows it, which this
project never needs.
`;

export function licenceTable(packages: readonly PackageLicence[]): string {
  const counts = new Map<string, number>();
  for (const { licence } of packages) counts.set(licence, (counts.get(licence) ?? 0) + 1);
  const sums = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  return [
    INTRODUCTION,
    markdownTable([["licence", "packages"], ...sums.map(([name, count]) => [name, `${count}`])]),
    markdownTable([
      ["package", "version", "licence", "script"],
      ...packages.map(({ name, version, licence, hasScript }) => [
        name,
        version,
        licence,
        hasScript ? "script" : "",
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
