import { assertEquals, assertMatch } from "@std/assert";
import { type FlagGroups, kebabCase } from "../../cli/flags.ts";
import { IMAGE_FLAGS } from "../../image/flags.ts";
import { TEXT_FLAGS } from "../../text/denoiser_flags.ts";
import { imageRuns, startImage, TINY } from "../image/program/program.ts";
import {
  denoArguments,
  ending,
  fromFolder,
  namedPaths,
  PATH_FLAGS,
  pathWithComma,
} from "../../tools/task.ts";
import { WEB_FLAGS } from "../../web.ts";
import { permitted } from "../permissions.ts";

const SET = { read: ["./", "/data"], write: ["./runs"] };

Deno.test("PATH_FLAGS lists the flags of all programs that take a path", () => {
  const tables: readonly FlagGroups[] = [IMAGE_FLAGS, TEXT_FLAGS, WEB_FLAGS];
  const groups = tables.flatMap((table) => Object.values(table));
  const takingPaths = groups.flatMap((group) => Object.entries(group))
    .filter(([, { placeholder }]) => ["DIR", "FILE", "MASK"].includes(placeholder))
    .map(([name]) => `--${kebabCase(name)}`);
  assertEquals(new Set(Object.keys(PATH_FLAGS)), new Set(takingPaths));
});

Deno.test("namedPaths() returns paths after a space and after =", () => {
  assertEquals(namedPaths(["--out", "a", "--data-dir=b c", "--checkpoint", "d"]), {
    read: ["a", "b c", "d"],
    write: ["a"],
  });
  assertEquals(namedPaths(["--judge", "e", "--vae=f"]), { read: ["e", "f"], write: [] });
});

Deno.test("namedPaths() does not return values of other flags", () => {
  const args = ["--steps", "3", "--class=--out", "--output", "x", "out", "y", "--resume"];
  assertEquals(namedPaths(args), { read: [], write: [] });
});

Deno.test("namedPaths() leaves out values that cannot be paths of a permission", () => {
  assertEquals(namedPaths(["--out"]), { read: [], write: [] });
  assertEquals(namedPaths(["--out="]), { read: [], write: [] });
  // A comma separates paths, so that this would allow / as well.
  assertEquals(namedPaths(["--out", "a,/"]), { read: [], write: [] });
});

Deno.test("fromFolder() resolves the relative paths of flags, and nothing else", () => {
  for (
    const [args, resolved] of [
      [["--out", "mine"], ["--out", "/home/me/mine"]],
      [["--out=mine", "--steps", "3"], ["--out=/home/me/mine", "--steps", "3"]],
      [["--data-dir", "../data"], ["--data-dir", "/home/me/../data"]],
      [["--out", "/abs"], ["--out", "/abs"]],
      [["--out", "~/x"], ["--out", "~/x"]], // the program refuses it
      [["--encoder-from", "google/bert"], ["--encoder-from", "google/bert"]], // a name on the hub
      [["--encoder-from", "./bert"], ["--encoder-from", "/home/me/./bert"]],
      [["--checkpoint=google/ddpm"], ["--checkpoint=google/ddpm"]],
      [["--checkpoint", "../run"], ["--checkpoint", "/home/me/../run"]],
      [["--inpaint", "left"], ["--inpaint", "left"]],
      [["--class", "Bag"], ["--class", "Bag"]],
      [["--out", "--resume"], ["--out", "--resume"]],
    ]
  ) assertEquals(fromFolder(args!, "/home/me"), resolved);
  const [place, name] = [import.meta.dirname!, "task_test.ts"];
  if (permitted({ name: "read", path: place })) {
    assertEquals(fromFolder(["--checkpoint", name], place), ["--checkpoint", `${place}/${name}`]);
  }
});

Deno.test("pathWithComma() finds a path that Deno cannot grant", () => {
  assertEquals(pathWithComma(["--channels", "8,8", "--out=a,b"]), "a,b");
  assertEquals(pathWithComma(["--channels", "8,8", "--out", "a"]), undefined);
});

Deno.test("ending() returns the exit code, and explains a signal", () => {
  assertEquals(ending({ code: 2, signal: null }), { code: 2 });
  assertEquals(ending({ code: 143, signal: "SIGTERM" }).code, 130);
  const killed = ending({ code: 137, signal: "SIGKILL" });
  assertEquals(killed.code, 1);
  assertMatch(killed.message!, /^error: .* SIGKILL, .* memory .*--batch-size/);
  assertMatch(ending({ code: 139, signal: "SIGSEGV" }).message!, /SIGSEGV.*--device/);
});

Deno.test({
  name: "task.ts reports an interrupt that ends the program before it can report it itself",
  ignore: Deno.build.os !== "linux" || !imageRuns,
  fn: async () => {
    const out = await Deno.makeTempDir();
    const { pid, ended } = startImage(["--preset=smoke", `--out=${out}/run`], { task: true });
    const children = `/proc/${pid}/task/${pid}/children`;
    let program = "";
    for (const end = Date.now() + 20_000; program === "" && Date.now() < end;) {
      const { stdout } = await new Deno.Command("cat", { args: [children] }).output();
      program = new TextDecoder().decode(stdout).trim();
    }
    Deno.kill(Number(program), "SIGINT");
    const { code, stderr } = await ended;
    await Deno.remove(out, { recursive: true });
    assertMatch(stderr, /^interrupted: [^\n]+\n$/);
    assertEquals(code, 130);
  },
});

Deno.test("denoArguments() returns the permission set alone when no path is named", () => {
  assertEquals(
    denoArguments("image", ["--steps", "3"], SET).join(" "),
    "run -q --no-prompt -P=image image.ts --steps 3",
  );
});

Deno.test("denoArguments() adds named paths to those of the set", () => {
  assertEquals(denoArguments("image", ["--out", "a", "--checkpoint=b"], SET), [
    "run",
    "-q",
    "--no-prompt",
    "-P=image",
    "--allow-read=./,/data,a,b",
    "--allow-write=./runs,a",
    "image.ts",
    "--out",
    "a",
    "--checkpoint=b",
  ]);
});

Deno.test("denoArguments() adds libtensorflow's variables for its devices only", () => {
  const set = { ...SET, env: ["CACHE"] };
  const variables = (...args: string[]) =>
    denoArguments("image", args, set).filter((arg) => arg.startsWith("--allow-env"));
  const allowed =
    "--allow-env=CACHE,TF_ENABLE_ONEDNN_OPTS,TF_CPP_MIN_LOG_LEVEL,TF_NUM_INTRAOP_THREADS";
  assertEquals(variables("--device", "tensorflow"), [allowed]);
  assertEquals(variables("--device=tensorflow-gpu"), [allowed]);
  assertEquals(variables("--device=auto"), [allowed]);
  assertEquals(variables("--device=onnx", "--out=tensorflow"), []);
});

Deno.test("denoArguments() adds the places that the environment names", () => {
  const set = { ...SET, net: ["data.org:443"] };
  const places = (cache?: string, hub?: string) =>
    denoArguments("text", [], set, { cache, hub }).filter((arg) => arg.startsWith("--allow"));
  assertEquals(places(), []);
  assertEquals(places("/c"), ["--allow-read=./,/data,/c", "--allow-write=./runs,/c"]);
  assertEquals(places(undefined, "https://hub.org/x"), ["--allow-net=data.org:443,hub.org:443"]);
  assertEquals(places(undefined, "http://[::1]:80"), ["--allow-net=data.org:443,[::1]:80"]);
  assertEquals(places(undefined, "http://127.0.0.1:81/"), [
    "--allow-net=data.org:443,127.0.0.1:81",
  ]);
  assertEquals(places("a,b", "hub.org"), []);
});

Deno.test("denoArguments() passes flags that look like Deno's own to the program", () => {
  const args = denoArguments("image", ["--allow-all", "-A", "--allow-net"], SET);
  assertEquals(args.slice(args.indexOf("image.ts") + 1), ["--allow-all", "-A", "--allow-net"]);
});

Deno.test({
  name: "task.ts passes on the exit code, and lists the programs when the name is unknown",
  ignore: !permitted({ name: "read" }, { name: "run" }),
  fn: async () => {
    const run = async (...args: string[]) => {
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "-q", "--no-prompt", "--allow-run", "tools/task.ts", ...args],
        cwd: new URL("../..", import.meta.url),
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      });
      const { code, stderr } = await child.output();
      return [code, new TextDecoder().decode(stderr)];
    };
    assertEquals(await run(), [2, "usage: task.ts image | text | web [flags]\n"]);
    assertEquals(await run("toString"), [2, "usage: task.ts image | text | web [flags]\n"]);
    assertEquals(await run("image", "--steps", "0"), [
      2,
      "error: --steps 0: must be an integer of at least 1\n",
    ]);
    assertEquals((await run("image", "--help"))[0], 0);
  },
});

Deno.test({
  name: "task.ts lets the program save after SIGTERM, and passes on exit code 130",
  ignore: Deno.build.os === "windows" || !imageRuns,
  fn: async () => {
    const place = await Deno.makeTempDir();
    try {
      const task = startImage([...TINY, "--steps=100000", `--out=${place}/run`], { task: true });
      await task.training;
      task.kill("SIGTERM");
      const { code, stderr } = await task.ended;
      assertMatch(
        stderr,
        /\ninterrupted: saved .+\/step-\d{6}; the same command goes on from there\n$/,
      );
      assertEquals(code, 130);
    } finally {
      await Deno.remove(place, { recursive: true });
    }
  },
});
