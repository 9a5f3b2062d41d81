/** The folder that keeps downloaded data between runs. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { granted } from "../../base/permissions.ts";

/** The environment of {@linkcode cacheDirectory}; by default that of the process. */
export interface CacheOptions {
  readonly env?: ((name: string) => string | undefined) | undefined;
  readonly os?: typeof Deno.build.os | undefined;
  /** Whether a folder may be both read and written. */
  readonly usable?: ((folder: string) => boolean) | undefined;
}

function permittedEnv(variable: string): string | undefined {
  if (!granted({ name: "env", variable })) return undefined;
  const value = Deno.env.get(variable);
  return value === "" ? undefined : value;
}

function permittedFolder(path: string): boolean {
  return granted({ name: "read", path }) && granted({ name: "write", path });
}

function platformCache(
  env: (name: string) => string | undefined,
  os: typeof Deno.build.os,
): string | undefined {
  const xdg = env("XDG_CACHE_HOME");
  if (xdg !== undefined) return xdg;
  if (os === "windows") return env("LOCALAPPDATA");
  const home = env("HOME");
  if (home === undefined) return undefined;
  return os === "darwin" ? join(home, "Library", "Caches") : join(home, ".cache");
}

/**
 * The folder of downloads: `NANODIFFUSION_CACHE` if it is set; otherwise `nanodiffusion` in the platform's
 * cache folder; and `.cache` in this project's folder, which permission sets can name, if this process may
 * not use the platform's. Undefined if none may be used.
 */
export function cacheDirectory(
  { env = permittedEnv, os = Deno.build.os, usable = permittedFolder }: CacheOptions = {},
): string | undefined {
  const chosen = env("NANODIFFUSION_CACHE");
  if (chosen !== undefined) return chosen;
  const platform = platformCache(env, os);
  if (platform !== undefined) {
    const folder = join(platform, "nanodiffusion");
    if (usable(folder)) return folder;
  }
  if (!import.meta.url.startsWith("file:")) return undefined;
  const own = fileURLToPath(new URL("../../.cache", import.meta.url));
  return usable(own) ? own : undefined;
}
