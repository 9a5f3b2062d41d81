/**
 * Sets up libtensorflow for the tensorflow devices: takes the library and its headers from the
 * wheels pinned in tools/tensorflow/, and compiles tfjs-node's binding against them. tfjs-node's own
 * install script downloads an older library, from beyond the package registries.
 *
 *     deno task setup:tensorflow          # --device tensorflow: downloads 275 MB, needs 1.2 GB
 *     deno task setup:tensorflow --gpu    # --device tensorflow-gpu: several GB
 */
import { createRequire } from "node:module";
import { EXIT, usageError, UserError } from "../base/errors.ts";
import { fileExists } from "../base/files.ts";
import { runProgram } from "../cli/program.ts";
import { BINDING_FILE, type TensorFlowName, tensorflowPackage } from "../engine/device_names.ts";
import { isTruncated } from "../engine/native_code.ts";
import { installWheels } from "./pip_wheels.ts";

const LIBRARIES = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"];

async function succeeds(program: string, ...args: string[]): Promise<boolean> {
  try {
    const options = { args, stdout: "null", stderr: "null" } as const;
    return (await new Deno.Command(program, options).output()).success;
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
    if (cause instanceof Deno.errors.NotCapable) throw cause; // it may be installed
    throw new UserError(`npm:${name} is not installed: run deno install first.`, { cause });
  }
}

/** Throws if a tool is missing, before anything is downloaded. */
async function checkTools(device: TensorFlowName): Promise<void> {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
    throw new UserError(
      "This sets up Linux x64. Elsewhere the package's own script may: " +
        `deno install --allow-scripts=npm:${tensorflowPackage(device)}@4.22.0`,
    );
  }
  const missing = [
    ...(await succeeds("g++", "--version") ? [] : ["g++"]),
    ...(await succeeds("python3", "-m", "pip", "--version") ? [] : ["python3 with pip"]),
  ];
  if (missing.length > 0) {
    throw new UserError(
      `Needed and not found: ${missing.join(", ")}. On Debian: apt-get install g++ python3-pip`,
    );
  }
}

async function installLibraries(site: string, list: string): Promise<void> {
  const partial = `${site}.partial`;
  for (const path of [site, partial]) {
    if (await fileExists(path)) await Deno.remove(path, { recursive: true });
  }
  const glibc = ["2_27", "2_17", "2_12"];
  await installWheels(list, { target: partial, python: "3.11", glibc });
  await Deno.rename(partial, site);
}

async function compileBinding(folder: string): Promise<void> {
  const library = `${folder}/deps/site/tensorflow`;
  const binding = `${folder}/${BINDING_FILE}`;
  await Deno.mkdir(binding.slice(0, binding.lastIndexOf("/")), { recursive: true });
  const { success } = await new Deno.Command("g++", {
    args: [
      "-O2",
      "-shared",
      "-fPIC",
      "-std=c++17",
      "-DNAPI_VERSION=8",
      `-I${library}/include`,
      `-I${packageFolder("node-api-headers")}/include`,
      `${folder}/binding/tfjs_backend.cc`,
      `${folder}/binding/tfjs_binding.cc`,
      ...LIBRARIES.map((name) => `${library}/${name}`),
      "-Wl,-rpath,$ORIGIN/../../deps/site/tensorflow",
      "-o",
      `${binding}.partial`,
    ],
  }).spawn().status;
  if (!success) throw new UserError("The binding of tfjs-node could not be compiled: see above.");
  await Deno.rename(`${binding}.partial`, binding);
}

async function main(): Promise<number> {
  const unknown = Deno.args.find((arg) => arg !== "--gpu");
  if (unknown !== undefined) {
    throw usageError(`${unknown}: unknown; usage: deno task setup:tensorflow [--gpu]`);
  }
  const gpu = Deno.args.includes("--gpu");
  const device = gpu ? "tensorflow-gpu" : "tensorflow";
  const folder = packageFolder(tensorflowPackage(device));
  await checkTools(device);
  const libraries = LIBRARIES.map((name) => `${folder}/deps/site/tensorflow/${name}`);
  const complete = await Promise.all(
    libraries.map(async (path) => await fileExists(path) && !isTruncated(path)),
  );
  if (complete.every(Boolean)) {
    console.log("libtensorflow is already downloaded");
  } else {
    console.log("downloading libtensorflow");
    await installLibraries(`${folder}/deps/site`, `tensorflow/${gpu ? "gpu" : "cpu"}.txt`);
  }
  console.log("compiling the binding");
  await compileBinding(folder);
  console.log(`ready: --device ${device}; deno task devices tries it`);
  return EXIT.done;
}

if (import.meta.main) await runProgram(main);
