/**
 * Builds the web page and serves it.
 *
 *     deno task web                      # http://127.0.0.1:8000/
 *     deno task web --build DIR          # a folder for any web server
 *
 * The page computes everything itself: the folder has no server code, and asks no other host.
 */
import { EXIT, UserError } from "./base/errors.ts";
import { fileExists, makeFolder, writeFileAtomic } from "./base/files.ts";
import { integer, parseFlags, text } from "./cli/flags.ts";
import { helpText, helpTopic, printVersion, wantsHelp, wantsVersion } from "./cli/help.ts";
import { OUTPUT_FLAGS, print, printResult, setOutput } from "./cli/output.ts";
import { runProgram } from "./cli/program.ts";
import { MANIFEST_NAME, parseManifest, readVerified } from "./training/checkpoint/manifest.ts";

const ROOT = decodeURIComponent(new URL("./", import.meta.url).pathname);
const WASM_FOLDER = "@tensorflow/tfjs-backend-wasm/dist";

export const WEB_FLAGS = {
  "Page": {
    build: text({
      placeholder: "DIR",
      help: "write the page to this folder, for any web server, and do not serve it",
    }),
    port: integer({ min: 0, max: 65535, help: "where the page is served; 8000 by default" }),
    ...OUTPUT_FLAGS,
  },
};

/** The checkpoints that the page uses, by their names in it. One that is missing is left out. */
export const WEB_MODELS: Readonly<Record<string, string>> = {
  "fashion-mnist": `${ROOT}checkpoints/fashion-mnist`,
  "sudoku": `${ROOT}checkpoints/sudoku`,
  "hotel-reviews": `${ROOT}checkpoints/hotel-reviews`,
  "hotel-reviews/diffusion": `${ROOT}checkpoints/hotel-reviews/diffusion`,
};

const FILES = ["index.html", "style.css"];
const BUNDLES = ["page", "worker", "offline"];
const BINARIES = ["tfjs-backend-wasm-simd.wasm", "tfjs-backend-wasm-threaded-simd.wasm"];

/** Bundles the programs of web/, each into one file. */
async function bundle(folder: string): Promise<void> {
  for (const name of BUNDLES) {
    const { success, errors, outputFiles = [] } = await Deno.bundle({
      entrypoints: [`${ROOT}web/${name}.ts`],
      outputPath: `${folder}/${name}.js`,
      platform: "browser",
      minify: true,
      write: false,
    });
    const contents = outputFiles[0]?.contents;
    if (!success || contents === undefined) {
      throw new UserError(`web/${name}.ts cannot be bundled: ${errors[0]?.text}`);
    }
    await Deno.writeFile(`${folder}/${name}.js`, contents);
  }
}

/** Copies a checkpoint, without its training state, and checks it against its manifest. */
async function copyModel(from: string, to: string): Promise<void> {
  const manifest = parseManifest(await Deno.readTextFile(`${from}/${MANIFEST_NAME}`), from);
  const files = Object.fromEntries(
    [...manifest].filter(([path]) => !/^(README|training_state)/.test(path)),
  );
  for (const [path, entry] of Object.entries(files)) {
    const bytes = await readVerified(from, path, entry);
    await makeFolder(`${to}/${path}`.replace(/\/[^/]*$/, ""));
    await Deno.writeFile(`${to}/${path}`, bytes);
  }
  const text = JSON.stringify({ format: "nanodiffusion-checkpoint", version: 1, files });
  await writeFileAtomic(`${to}/${MANIFEST_NAME}`, text);
}

/** Writes the page to a folder. @returns The names of its models. */
export async function buildPage(folder: string, models = WEB_MODELS): Promise<string[]> {
  await makeFolder(folder);
  await bundle(folder);
  for (const name of FILES) await Deno.copyFile(`${ROOT}web/${name}`, `${folder}/${name}`);
  for (const name of BINARIES) {
    await Deno.copyFile(`${ROOT}node_modules/${WASM_FOLDER}/${name}`, `${folder}/${name}`);
  }
  const present: string[] = [];
  for (const [name, from] of Object.entries(models)) {
    if (!await fileExists(`${from}/${MANIFEST_NAME}`)) continue;
    await copyModel(from, `${folder}/models/${name}`);
    present.push(name);
  }
  return present;
}

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  wasm: "application/wasm",
};

/** Serves a folder on this machine. The headers isolate the page, so that WebAssembly has threads. */
export function servePage(folder: string, port: number): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, async ({ url }) => {
    const { pathname } = new URL(url);
    const path = pathname.endsWith("/") ? `${pathname}index.html` : pathname;
    const bytes = path.includes("%") // no name of a file has one
      ? undefined
      : await Deno.readFile(`${folder}${path}`).catch(() => undefined);
    if (bytes === undefined) return new Response("not found", { status: 404 });
    return new Response(bytes, {
      headers: {
        "Content-Type": TYPES[path.split(".").at(-1)!] ?? "application/octet-stream",
        "Cache-Control": "no-cache",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Content-Security-Policy": "default-src 'self' data: blob:; " +
          "script-src 'self' blob: 'wasm-unsafe-eval' 'unsafe-eval'; style-src 'self' 'unsafe-inline'",
      },
    });
  });
}

/** Runs the program. @returns Its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  if (wantsHelp(args)) {
    console.log(helpText({
      usage: "deno task web [flags]",
      about: "Builds the web page, whose models compute in the browser, and serves it.",
      examples: [
        ["deno task web", "Serve the page on this machine."],
        ["deno task web --build site", "Write a folder that any web server can serve."],
      ],
      flags: WEB_FLAGS,
      presets: {},
      topic: helpTopic(args),
    }));
    return EXIT.done;
  }
  if (wantsVersion(args)) return printVersion();
  const given = parseFlags(args, WEB_FLAGS);
  setOutput(given);
  const folder = given.build ?? `${ROOT}.cache/web`;
  const models = await buildPage(folder);
  print(`models: ${models.join(", ")}`);
  if (given.build !== undefined) {
    printResult({ folder, files: { page: `${folder}/index.html` } });
    return EXIT.done;
  }
  const server = servePage(folder, given.port ?? 8000);
  print(`page: http://127.0.0.1:${server.addr.port}/`);
  await server.finished;
  return EXIT.done;
}

if (import.meta.main) await runProgram(() => main(Deno.args));
