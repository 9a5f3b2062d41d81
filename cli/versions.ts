/** What a run was made with. */
import manifest from "../deno.json" with { type: "json" };

/** Names and versions. */
export type Versions = Readonly<Record<string, string>>;

/**
 * The versions of this package, of Deno, and of the npm packages that deno.json pins. None of it needs
 * a permission.
 */
export function versions(): Versions {
  const packages = Object.values(manifest.imports)
    .map((specifier) => /^npm:(.+)@(\d[^@]*)$/.exec(specifier))
    .flatMap((match) => match === null ? [] : [[match[1]!, match[2]!]]);
  return {
    [manifest.name.replace(/^@.*\//, "")]: manifest.version,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    ...Object.fromEntries(packages),
  };
}

/** The operating system and the number of logical cores. */
export function system(): { readonly os: string; readonly arch: string; readonly cores: number } {
  return { os: Deno.build.os, arch: Deno.build.arch, cores: navigator.hardwareConcurrency };
}
