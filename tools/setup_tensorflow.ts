/**
 * Makes libtensorflow available to the tensorflow devices, from package registries alone: the library
 * and its headers come from the wheels pinned in tools/tensorflow/, and the native half of tfjs-node is
 * compiled against them. It is newer than the one that tfjs-node's own install script downloads, and
 * that script needs a network beyond the registries.
 *
 *     deno task setup:tensorflow          # for --device tensorflow: 275 MB to download, 1.2 GB on disk
 *     deno task setup:tensorflow --gpu    # for --device tensorflow-gpu: several GB
 */
import { createRequire } from "node:module";
import { EXIT, usageError, UserError } from "../base/errors.ts";
import { isTruncated } from "../engine/native_code.ts";
import { BINDING_FILE, type TensorFlowName, tensorflowPackage } from "../engine/device_names.ts";
import { installWheels } from "./pip_wheels.ts";
import { runProgram } from "../cli/program.ts";

/** Files that are there when the libraries are. */
const LIBRARIES = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"];

/** Runs a program; its output goes to ours. */
async function run(program: string, args: readonly string[], failure: string): Promise<void> {
  const { success } = await new Deno.Command(program, { args: [...args] }).spawn().status;
  if (!success) throw new UserError(failure);
}

/** Whether a program is there and does what it is asked. */
async function runs(program: string, ...args: string[]): Promise<boolean> {
  try {
    const options = { args, stdout: "null", stderr: "null" } as const;
    return (await new Deno.Command(program, options).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The folder of an npm package of deno.json. */
function packageFolder(name: string): string {
  try {
    const file = createRequire(import.meta.url).resolve(`${name}/package.json`) as string;
    return file.replace(/\/package\.json$/, "");
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause; // it may be there
    throw new UserError(`npm:${name} is not installed: run deno install first.`, { cause });
  }
}

/** Says what is missing before anything is downloaded. */
async function checkTools(device: TensorFlowName): Promise<void> {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
    throw new UserError(
      "This sets up Linux x64. Elsewhere the package's own script may: " +
        `deno install --allow-scripts=npm:${tensorflowPackage(device)}@4.22.0`,
    );
  }
  const missing = [
    ...(await runs("g++", "--version") ? [] : ["g++"]),
    ...(await runs("python3", "-m", "pip", "--version") ? [] : ["python3 with pip"]),
  ];
  if (missing.length > 0) {
    throw new UserError(
      `Needed and not found: ${missing.join(", ")}. On Debian: apt-get install g++ python3-pip`,
    );
  }
}

/** Downloads the wheels, checked by hash, and lays them out as libtensorflow expects. */
async function installLibraries(site: string, list: string): Promise<void> {
  const partial = `${site}.partial`;
  for (const path of [site, partial]) {
    if (await exists(path)) await Deno.remove(path, { recursive: true });
  }
  const glibc = ["2_27", "2_17", "2_12"];
  if (!await installWheels(list, { target: partial, python: "3.11", glibc })) {
    throw new UserError(
      `The packages of ${list} could not be had: see above. Nothing was changed.`,
    );
  }
  await Deno.rename(partial, site);
}

/** Compiles the package's native half. */
async function compileBinding(folder: string): Promise<void> {
  const library = `${folder}/deps/site/tensorflow`;
  const binding = `${folder}/${BINDING_FILE}`;
  await Deno.mkdir(binding.slice(0, binding.lastIndexOf("/")), { recursive: true });
  await run(
    "g++",
    [
      ...["-O2", "-shared", "-fPIC", "-std=c++17", "-DNAPI_VERSION=8"],
      ...["-I", `${library}/include`, "-I", `${packageFolder("node-api-headers")}/include`],
      ...[`${folder}/binding/tfjs_backend.cc`, `${folder}/binding/tfjs_binding.cc`],
      ...LIBRARIES.map((name) => `${library}/${name}`),
      "-Wl,-rpath,$ORIGIN/../../deps/site/tensorflow",
      ...["-o", `${binding}.partial`],
    ],
    "The native half of tfjs-node could not be compiled: see above.",
  );
  await Deno.rename(`${binding}.partial`, binding);
}

async function main(): Promise<void> {
  const unknown = Deno.args.find((arg) => arg !== "--gpu");
  if (unknown !== undefined) {
    throw usageError(`${unknown}: unknown; usage: deno task setup:tensorflow [--gpu]`);
  }
  const gpu = Deno.args.includes("--gpu");
  const device = gpu ? "tensorflow-gpu" : "tensorflow";
  const folder = packageFolder(tensorflowPackage(device));
  await checkTools(device);
  const libraries = LIBRARIES.map((name) => `${folder}/deps/site/tensorflow/${name}`);
  const whole = await Promise.all(
    libraries.map(async (path) => await exists(path) && !isTruncated(path)),
  );
  if (whole.every(Boolean)) {
    console.log("libtensorflow is there");
  } else {
    console.log("downloading libtensorflow");
    const list = new URL(`tensorflow/${gpu ? "gpu" : "cpu"}.txt`, import.meta.url).pathname;
    await installLibraries(`${folder}/deps/site`, decodeURIComponent(list));
  }
  console.log("compiling the binding");
  await compileBinding(folder);
  console.log(`ready: --device ${device}; deno task devices tries it`);
}

if (import.meta.main) {
  await runProgram(async () => {
    await main();
    return EXIT.done;
  });
}
