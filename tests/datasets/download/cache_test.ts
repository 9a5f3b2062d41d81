import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheDirectory } from "../../../datasets/download/cache.ts";

const usable = () => true;
const env = (variables: Record<string, string>) => (name: string) => variables[name];

Deno.test("cacheDirectory() is NANODIFFUSION_CACHE when it is set", () => {
  const variables = { NANODIFFUSION_CACHE: "/data/nd", XDG_CACHE_HOME: "/x", HOME: "/home/a" };
  assertEquals(cacheDirectory({ env: env(variables), os: "linux", usable }), "/data/nd");
  // Even if it may not be used: then the download fails instead of using another folder.
  assertEquals(
    cacheDirectory({ env: env(variables), os: "linux", usable: () => false }),
    "/data/nd",
  );
});

Deno.test("cacheDirectory() is in the platform's cache when nothing is set", () => {
  const home = { HOME: "/home/a", LOCALAPPDATA: "/l" };
  const of = (variables: Record<string, string>, os: typeof Deno.build.os) =>
    cacheDirectory({ env: env(variables), os, usable });
  assertEquals(of(home, "linux"), join("/home/a", ".cache", "nanodiffusion"));
  assertEquals(of(home, "darwin"), join("/home/a", "Library", "Caches", "nanodiffusion"));
  assertEquals(of(home, "windows"), join("/l", "nanodiffusion"));
  assertEquals(of({ ...home, XDG_CACHE_HOME: "/x" }, "linux"), join("/x", "nanodiffusion"));
});

Deno.test("cacheDirectory() is in the project when the platform's cache may not be used", () => {
  const own = fileURLToPath(new URL("../../../.cache", import.meta.url));
  const variables = env({ HOME: "/home/a" });
  assertEquals(
    cacheDirectory({ env: variables, os: "linux", usable: (path) => path === own }),
    own,
  );
  assertEquals(cacheDirectory({ env: env({}), os: "linux", usable }), own);
  assertEquals(cacheDirectory({ env: variables, os: "linux", usable: () => false }), undefined);
});
