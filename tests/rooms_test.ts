/** The arrows between the rooms: what may import what, as docs/rooms.md says. */
import { assertEquals } from "@std/assert";
import { permitted } from "./permissions.ts";

const ROOT = new URL("../", import.meta.url);

/** The rooms that each room may import, besides itself. Nested rooms have an entry of their own. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  "base": [],
  "engine": ["base"],
  "nn": ["base", "engine"],
  "diffusion": ["base", "engine", "nn"],
  "vae": ["base", "engine", "nn"],
  "datasets": ["base", "nn"],
  "metrics": ["base", "nn"],
  "report": ["base"],
  "cli": ["base", "engine", "nn", "training"],
  "training": ["base", "engine", "nn", "diffusion"],
  "image": [
    ...["base", "engine", "nn", "diffusion", "datasets", "metrics", "report", "cli", "training"],
  ],
  "text": [
    ...["base", "engine", "nn", "diffusion", "vae", "datasets", "metrics", "report", "cli"],
    "training",
  ],
  "web": [
    ...["base", "engine", "nn", "diffusion", "vae", "datasets", "report", "training"],
    ...["image", "text", "examples"],
  ],
};

/** An import of one file of the project in another. */
interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly line: number;
}

/** The imports and re-exports of a source text that are relative, or name a package of the workspace. */
function arrowsOf(from: string, source: string): Arrow[] {
  const path = /"((?:\.|@nanodiffusion\/)[^"]+)"/.source;
  const statements = new RegExp(
    `^(?:import|export)\\b[^;"]*?from\\s+${path}|\\bimport\\(\\s*${path}`,
    "gm",
  );
  return [...source.matchAll(statements)].map((match) => {
    const specifier = (match[1] ?? match[2]!).replace("@nanodiffusion/", "/");
    const to = new URL(specifier, `file:///${from}`).pathname.slice(1);
    return { from, to, line: source.slice(0, match.index).split("\n").length };
  });
}

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, ROOT))) {
    if (name === "tests") continue; // of a package: engine, base
    if (isDirectory) yield* sources(`${folder}${name}/`);
    else if (name.endsWith(".ts")) yield `${folder}${name}`;
  }
}

async function readArrows(): Promise<Arrow[]> {
  const arrows: Arrow[] = [];
  for (const room of Object.keys(ALLOWED)) {
    for await (const file of sources(`${room}/`)) {
      arrows.push(...arrowsOf(file, await Deno.readTextFile(new URL(file, ROOT))));
    }
  }
  return arrows;
}

/** Arrows that the table does not allow, as `file:line imports file`. */
function forbidden(arrows: readonly Arrow[]): string[] {
  const roomOf = (file: string) => file.slice(0, file.indexOf("/"));
  return arrows.filter(({ from, to }) => {
    const [room, other] = [roomOf(from), roomOf(to)];
    return room !== other && !ALLOWED[room]!.includes(other) &&
      (other in ALLOWED || to.endsWith(".ts"));
  }).map(({ from, to, line }) => `${from}:${line} imports ${to}`);
}

/** Files that import each other in a circle, each circle once. */
function circles(arrows: readonly Arrow[]): string[] {
  const found: string[] = [];
  const state = new Map<string, "open" | "closed">();
  const next = Map.groupBy(arrows, ({ from }) => from);
  const visit = (file: string, path: readonly string[]) => {
    if (state.get(file) === "closed") return;
    if (state.get(file) === "open") {
      found.push([...path.slice(path.indexOf(file)), file].join(" -> "));
      return;
    }
    state.set(file, "open");
    for (const { to } of next.get(file) ?? []) visit(to, [...path, file]);
    state.set(file, "closed");
  };
  for (const file of next.keys()) visit(file, []);
  return found;
}

Deno.test("forbidden() names file and line when a room imports one that it may not", () => {
  const source = 'import { a } from "../base/a.ts";\nimport type { b } from "../text/b.ts";\n';
  assertEquals(forbidden(arrowsOf("image/x.ts", source)), ["image/x.ts:2 imports text/b.ts"]);
});

Deno.test("circles() finds files that import each other", () => {
  const arrows = [
    ...arrowsOf("nn/a.ts", 'export * from "./b.ts";'),
    ...arrowsOf("nn/b.ts", 'const a = await import("./a.ts");'),
  ];
  assertEquals(circles(arrows), ["nn/a.ts -> nn/b.ts -> nn/a.ts"]);
});

Deno.test({
  name: "rooms import only what they may, and never in a circle",
  ignore: !permitted({ name: "read" }),
  fn: async () => {
    const arrows = await readArrows();
    assertEquals(forbidden(arrows), []);
    assertEquals(circles(arrows), []);
  },
});
