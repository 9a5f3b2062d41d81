/** The permission sets of deno.json: what tasks hold, and what is said where one permission is missing. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import deno from "../deno.json" with { type: "json" };
import type { Dataset } from "../datasets/dataset.ts";
import { FASHION_MNIST } from "../datasets/fashion_mnist.ts";
import { GSM8K } from "../datasets/gsm8k.ts";
import { HOTEL_REVIEWS } from "../datasets/hotel_reviews.ts";
import { winogrande } from "../datasets/winogrande.ts";
import { WSC273 } from "../datasets/wsc273.ts";
import { TINY, tiny } from "./image/program/program.ts";
import { permitted } from "./permissions.ts";
import { TINY_TEXT } from "./text/program/program.ts";

type PermissionSet = Readonly<Record<string, readonly string[]>>;

/** The sets of what is no test. */
const SETS = Object.fromEntries(
  Object.entries(deno.permissions).filter(([name]) => name !== "test"),
) as Readonly<Record<string, PermissionSet>>;

const TASKS = Object.entries(deno.tasks).map(([name, { command }]) => ({ name, command }));

const launcher = (program: string) =>
  "deno run -q --no-prompt --allow-read --allow-run " +
  `--allow-env=NANODIFFUSION_CACHE,HF_ENDPOINT,INIT_CWD tools/task.ts ${program}`;

Deno.test("no task holds every permission, or may be asked for one", () => {
  for (const { name, command } of TASKS) {
    assert(!/\s(-A|--allow-all)\b/.test(command), name);
    // A test is never asked; a program would wait for an answer that nobody gives.
    if (/deno run/.test(command)) assertMatch(command, /^deno run -q --no-prompt /, name);
    if (name === "image" || name === "text" || name === "web") { // it starts a program and looks for the paths it is given
      assertEquals(command, launcher(name));
      continue;
    }
    for (const [flag, value] of command.matchAll(/--allow-(?:read|write|net|ffi)(=\S+)?/g)) {
      assert(value !== undefined, `${name}: ${flag} without a list`);
    }
  }
  for (const [name, set] of Object.entries(SETS)) {
    for (const [kind, list] of Object.entries(set)) assert(Array.isArray(list), `${name}.${kind}`);
  }
});

Deno.test("tasks write in the folders of runs, of the cache and of their own results alone", () => {
  const written = Object.entries(SETS).map(([name, { write = [] }]) => [name, write.join(" ")]);
  assertEquals(Object.fromEntries(written), {
    image: "./runs ./.cache",
    text: "./runs ./.cache",
    classifier: "./checkpoints ./runs ./.cache",
    setup: "./node_modules",
    bench: "",
    web: "./.cache",
  });
  for (const [name, { ffi = ["./node_modules"] }] of Object.entries(SETS)) {
    assertEquals(ffi, ["./node_modules"], name);
  }
});

/** Where a data set's files are, as deno.json names hosts. */
function hostsOf(...sets: readonly Dataset[]): string[] {
  const addresses = sets.flatMap(({ files }) => files.flatMap(({ addresses }) => addresses));
  const hosts = addresses.map((address) => {
    const { hostname, protocol } = new URL(address);
    return `${hostname}:${protocol === "https:" ? 443 : 80}`;
  });
  return [...new Set(hosts)].sort();
}

Deno.test("tasks reach the hosts that their data come from, and no others", () => {
  const texts = hostsOf(HOTEL_REVIEWS, GSM8K, WSC273, winogrande("xl"));
  // Published weights are on the hub, which sends on to its storage.
  const hub = ["huggingface.co:443", "*.huggingface.co:443", "*.hf.co:443"];
  const reached = Object.entries(SETS).map(([name, { net = [] }]) => [name, net.toSorted()]);
  assertEquals(Object.fromEntries(reached), {
    image: [...hostsOf(FASHION_MNIST), ...hub].sort(),
    text: [...texts, ...hub].sort(),
    classifier: hostsOf(FASHION_MNIST),
    setup: [],
    bench: [],
    web: ["127.0.0.1"],
  });
});

Deno.test("the test task reaches the loopback interface alone", () => {
  assertEquals(deno.permissions.test.net, ["127.0.0.1", "localhost"]);
});

const ignore = !permitted({ name: "read" }, { name: "write" }, { name: "run" });

/** Deno's flags for a set, `changes` in place of some of its lists; an empty list is no permission. */
function flagsOf(set: PermissionSet, changes: PermissionSet): string[] {
  return Object.entries({ ...set, ...changes })
    .flatMap(([kind, list]) => list.length === 0 ? [] : [`--allow-${kind}=${list.join()}`]);
}

interface Case {
  readonly program: string;
  readonly set: string;
  readonly args: readonly string[];
  /** The permission that is missing. */
  readonly without: string;
  /** What is said, on one line; undefined where the program does well without. */
  readonly says: RegExp | undefined;
}

const programs = [
  { program: "image.ts", set: "image", args: [...TINY, "--steps=2"] },
  { program: "text.ts", set: "text", args: [...TINY_TEXT, "--steps=2"] },
  { program: "tools/classifier.ts", set: "classifier", args: ["--sample-data", "--epochs=1"] },
] as const;

const CASES: readonly Case[] = [
  ...programs.flatMap((one) =>
    [
      {
        without: "read",
        says:
          /^error: cannot read .+: Deno has no permission for it \(Requires read access to .+\): use a deno task, or add the folder to the permissions$/,
      },
      {
        without: "write",
        says:
          /^error: cannot create the folder .+: Deno has no permission for it \(Requires write access to .+\): use a deno task, or add the folder to the permissions$/,
      },
      {
        without: "ffi",
        says:
          /^error: The onnx device does not work here: Deno has no permission to load native code \(Requires ffi access to .+\): use a deno task, .+ the wasm device/,
      },
    ].map((missing) => ({ ...one, ...missing }))
  ),
  ...programs.slice(0, 2).map((one) => ({ ...one, without: "env", says: undefined })),
  {
    ...{ program: "bench/bench.ts", set: "bench", args: ["--only=nano"], without: "ffi" },
    says: /^error: The onnx device does not work here: Deno has no permission to load native code/,
  },
  ...["tools/setup_tensorflow.ts"].flatMap((program) => [
    { program, set: "setup", args: [], without: "run", says: /^error: Requires run access to / },
    {
      ...{ program, set: "setup", args: [], without: "read" },
      says:
        /^error: (Requires read access to |.+ may not be read: run deno install, then this as a )/,
    },
  ]),
];

async function run(
  { program, args }: Pick<Case, "program" | "args">,
  flags: readonly string[],
  env: Record<string, string> = {},
) {
  const { code, stderr, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--no-prompt", ...flags, program, ...args],
    cwd: new URL("..", import.meta.url),
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stderr: decode(stderr), stdout: decode(stdout) };
}

for (const one of CASES) {
  const { program, set, without, says } = one;
  Deno.test({
    name: `${program} ${
      says ? "says what is missing" : "does well"
    } without the permission ${without}`,
    ignore,
    fn: async () => {
      const folder = await Deno.makeTempDir();
      try {
        const { write = [], read = [], ...others } = SETS[set]!;
        const own = { ...others, read: [...read, folder], write: [...write, folder] };
        const args = write.includes("./runs") ? [...one.args, `--out=${folder}/run`] : one.args;
        const { code, stderr } = await run({ program, args }, flagsOf(own, { [without]: [] }));
        assert(!/^\s+at /m.test(stderr), stderr);
        if (says === undefined) return assertEquals(code, 0, stderr);
        assertEquals(code, 1, stderr);
        assertMatch(stderr.trim().split("\n").at(-1)!, says);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

/** The preset small, which looks for the data set, with a model that takes a second. */
const small = [
  ...TINY_TEXT.map((flag) => flag.startsWith("--preset=") ? "--preset=small" : flag),
  ...["encoder", "decoder"].flatMap((half) => [`--${half}-layers=1`, `--${half}-heads=2`]),
  "--copy-steps=1",
];

for (
  const { program, host, args } of [
    {
      ...{ program: "image", host: "fashion-mnist.s3-website" },
      args: tiny("--preset=nano", "--channels=8,8,8"),
    },
    { program: "text", host: "raw.githubusercontent.com", args: small },
  ]
) {
  Deno.test({
    name: `${program}.ts says whom it may not reach, and takes the sample, without permission net`,
    ignore,
    fn: async () => {
      const folder = await Deno.makeTempDir();
      try {
        // Neither the cache nor the system's package may have the data.
        const folders = { read: ["./", folder], write: [folder], net: [] };
        const { code, stderr, stdout } = await run(
          { program: `${program}.ts`, args: [...args, "--steps=2", `--out=${folder}/run`] },
          flagsOf(SETS[program]!, folders),
          { NANODIFFUSION_CACHE: `${folder}/cache` },
        );
        assertEquals(code, 0, stderr);
        const said = stdout + stderr;
        assertMatch(said, /ONLY THE BUNDLED SAMPLE, .+network: no permission to reach /);
        assert(said.includes(`no permission to reach ${host}`), said);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
