import { assert, assertEquals } from "@std/assert";
import deno from "../../deno.json" with { type: "json" };
import engine from "../../engine/deno.json" with { type: "json" };
import {
  installedPackages,
  isAllowed,
  isPermissive,
  LICENCE_TABLE,
  licenceTable,
  readPackage,
} from "../../tools/licences.ts";
import { permitted } from "../permissions.ts";

const ignore = !permitted({ name: "read" });
const isTabled = Deno.build.os === "linux" && Deno.build.arch === "x86_64";

Deno.test("readPackage() reads each form of the licence in package.json", () => {
  const licenceOf = (fields: object) =>
    readPackage(JSON.stringify({ name: "a", version: "1.0.0", ...fields })).licence;
  assertEquals(licenceOf({ license: "MIT" }), "MIT");
  assertEquals(licenceOf({ license: { type: "ISC", url: "x" } }), "ISC");
  assertEquals(licenceOf({ licenses: [{ type: "MIT" }, { type: "GPL-2.0" }] }), "MIT OR GPL-2.0");
  assertEquals(licenceOf({}), "");
  assertEquals(licenceOf({ license: null }), "");
});

Deno.test("readPackage() finds install scripts, and no other scripts", () => {
  const hasScript = (scripts: object) =>
    readPackage(JSON.stringify({ name: "a", version: "1.0.0", scripts })).hasScript;
  assertEquals(hasScript({ test: "x", prepare: "y" }), false);
  for (const name of ["preinstall", "install", "postinstall"]) assert(hasScript({ [name]: "x" }));
});

Deno.test("isPermissive() needs all parts of AND, one part of OR, and known licences", () => {
  for (const licence of ["MIT", "(MIT OR GPL-3.0-only)", "(BSD-3-Clause AND Apache-2.0)"]) {
    assert(isPermissive(licence), licence);
  }
  for (const licence of ["", "GPL-3.0-only", "MIT AND GPL-3.0-only", "SEE LICENSE IN LICENSE"]) {
    assert(!isPermissive(licence), licence);
  }
});

Deno.test({
  name: "every installed package has a licence that this project may use",
  ignore,
  fn: async () => {
    const packages = await installedPackages();
    assert(packages.length > 100);
    for (const one of packages) assert(isAllowed(one), `${one.name}: ${one.licence || "none"}`);
  },
});

Deno.test({
  name: "docs/licences.md lists the installed packages: if not, run `deno task docs:licences`",
  ignore: ignore || !isTabled,
  fn: async () =>
    assertEquals(await Deno.readTextFile(LICENCE_TABLE), licenceTable(await installedPackages())),
});

Deno.test("deno.json allows no install scripts, and pins every version", () => {
  assertEquals(deno.allowScripts.allow, []);
  for (const [name, source] of Object.entries({ ...deno.imports, ...engine.imports })) {
    const exact = /^npm:(@[\w-]+\/)?[\w.-]+@\d+\.\d+\.\d+$/.test(source);
    // Packages of jsr are linked to std/. Their ranges let the originals take their place.
    assert(exact || /^jsr:@std\/\w+@\^1\.0\.0$/.test(source), name);
  }
});

Deno.test({
  name: "the lockfile has a hash of every package, and only packages of the registry",
  ignore,
  fn: async () => {
    const lock = JSON.parse(await Deno.readTextFile(new URL("../../deno.lock", import.meta.url)));
    const packages = Object.entries<Record<string, unknown>>(lock.npm);
    assert(packages.length > 100);
    for (const [name, { integrity, tarball }] of packages) {
      assert(/^sha512-[\w+/]{86}==$/.test(String(integrity)), name);
      assertEquals(tarball, undefined, name);
    }
    assertEquals([lock.remote, lock.redirects], [undefined, undefined]);
  },
});
