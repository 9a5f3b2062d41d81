import { assert, assertEquals } from "@std/assert";
import { gitCommit, system, versions } from "../../cli/session.ts";
import { permitted } from "../permissions.ts";

const ignore = !permitted({ name: "read" }, { name: "write" });
const commit = "0123456789abcdef0123456789abcdef01234567";

async function inFolder(files: Record<string, string>, test: (root: string) => Promise<void>) {
  const root = await Deno.makeTempDir();
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${root}/${path}`, text);
    }
    await test(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const LAYOUTS: [string, Record<string, string>][] = [
  ["a branch", { ".git/HEAD": "ref: refs/heads/a/b\n", ".git/refs/heads/a/b": `${commit}\n` }],
  ["no branch", { ".git/HEAD": `${commit}\n` }],
  ["a packed branch", {
    ".git/HEAD": "ref: refs/heads/main\n",
    ".git/packed-refs": `# pack-refs with: peeled\n${"f".repeat(40)} refs/heads/main-2\n` +
      `${commit} refs/heads/main\n^${"e".repeat(40)}\n`,
  }],
  ["a linked working tree", {
    ".git": "gitdir: main/.git/worktrees/w\n",
    "main/.git/worktrees/w/HEAD": "ref: refs/heads/w\n",
    "main/.git/worktrees/w/commondir": "../..\n",
    "main/.git/refs/heads/w": `${commit}\n`,
  }],
];

for (const [what, files] of LAYOUTS) {
  Deno.test({
    name: `gitCommit() reads the commit when the working tree is at ${what}`,
    ignore,
    fn: () => inFolder(files, async (root) => assertEquals(await gitCommit(root), commit)),
  });
}

Deno.test({
  name: "gitCommit() returns undefined when there is no repository, or HEAD names no commit",
  ignore,
  async fn() {
    for (
      const files of [
        {},
        { ".git/HEAD": "ref: refs/heads/main\n" },
        { ".git/HEAD": "ref: refs/../../secret\n", "secret": commit },
        { ".git/HEAD": "nonsense" },
      ] as Record<string, string>[]
    ) {
      await inFolder(files, async (root) => assertEquals(await gitCommit(root), undefined));
    }
  },
});

Deno.test("gitCommit() returns undefined without a prompt when reading is not allowed", async () => {
  if (permitted({ name: "read" })) return assertEquals(await gitCommit("/nowhere"), undefined);
  assertEquals(await gitCommit("."), undefined);
});

Deno.test("versions() contains this package, Deno and the pinned packages", () => {
  const found = versions();
  assertEquals(found.deno, Deno.version.deno);
  for (const name of ["nanodiffusion", "@tensorflow/tfjs", "onnxruntime-node"]) {
    assert(/^\d+\.\d+\.\d+/.test(found[name] ?? ""), name);
  }
  assert(system().cores >= 1);
});
