import { assertEquals, assertMatch } from "@std/assert";
import { imageRuns, startImage, TINY } from "../image/program/program.ts";
import { denoArguments, ending, namedFolders } from "../../tools/task.ts";
import { permitted } from "../permissions.ts";

const SET = { read: ["./", "/data"], write: ["./runs"] };

Deno.test("namedFolders() finds folders after a space and after =", () => {
  assertEquals(namedFolders(["--out", "a", "--data-dir=b c", "--checkpoint", "d"]), {
    read: ["a", "b c", "d"],
    write: ["a"],
  });
  assertEquals(namedFolders(["--judge", "e", "--vae=f"]), { read: ["e", "f"], write: [] });
});

Deno.test("namedFolders() takes no other flag's value for a folder", () => {
  const args = ["--steps", "3", "--class=--out", "--output", "x", "out", "y", "--resume"];
  assertEquals(namedFolders(args), { read: [], write: [] });
});

Deno.test("namedFolders() passes over what can be no folder of a permission", () => {
  assertEquals(namedFolders(["--out"]), { read: [], write: [] });
  assertEquals(namedFolders(["--out="]), { read: [], write: [] });
  // A comma separates paths: this would allow / as well.
  assertEquals(namedFolders(["--out", "a,/"]), { read: [], write: [] });
});

Deno.test("ending() passes exit codes on, and says what a signal did", () => {
  assertEquals(ending({ code: 2, signal: null }), { code: 2 });
  assertEquals(ending({ code: 143, signal: "SIGTERM" }).code, 130);
  const killed = ending({ code: 137, signal: "SIGKILL" });
  assertEquals(killed.code, 1);
  assertMatch(killed.message!, /^error: .* SIGKILL, .* memory .*--batch-size/);
  assertMatch(ending({ code: 139, signal: "SIGSEGV" }).message!, /SIGSEGV.*--device/);
});

Deno.test({
  name: "task.ts says that a program was interrupted even before it could say so itself",
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

Deno.test("denoArguments() asks for the set alone where no folder is named", () => {
  assertEquals(denoArguments("image", ["--steps", "3"], SET), [
    ...["run", "-q", "--no-prompt", "-P=image", "image.ts", "--steps", "3"],
  ]);
});

Deno.test("denoArguments() adds named folders to the set's, and the program's flags last", () => {
  assertEquals(denoArguments("image", ["--out", "a", "--checkpoint=b"], SET), [
    ...["run", "-q", "--no-prompt", "-P=image"],
    ...["--allow-read=./,/data,a,b", "--allow-write=./runs,a"],
    ...["image.ts", "--out", "a", "--checkpoint=b"],
  ]);
});

Deno.test("denoArguments() adds libtensorflow's variables for its devices and no others", () => {
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

Deno.test("denoArguments() adds the places that the environment names, and nothing for none", () => {
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

Deno.test("denoArguments() passes on what looks like Deno's own flags behind the program", () => {
  const args = denoArguments("image", ["--allow-all", "-A", "--allow-net"], SET);
  assertEquals(args.slice(args.indexOf("image.ts")), [
    ...["image.ts", "--allow-all", "-A", "--allow-net"],
  ]);
});

Deno.test({
  name: "task.ts passes the exit code on, and names the programs there are",
  ignore: !permitted({ name: "read" }, { name: "run" }),
  fn: async () => {
    const run = async (...args: string[]) => {
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "-q", "--no-prompt", "--allow-run", "tools/task.ts", ...args],
        cwd: new URL("../..", import.meta.url),
        ...{ stdin: "null", stdout: "piped", stderr: "piped" },
      });
      const { code, stderr } = await child.output();
      return [code, new TextDecoder().decode(stderr)];
    };
    assertEquals(await run(), [2, "usage: task.ts image | text [flags]\n"]);
    assertEquals(await run("toString"), [2, "usage: task.ts image | text [flags]\n"]);
    assertEquals(await run("image", "--steps", "0"), [
      2,
      "error: --steps 0: must be an integer of at least 1\n",
    ]);
    assertEquals((await run("image", "--help"))[0], 0);
  },
});

Deno.test({
  name: "task.ts lets a program save when it is told to end, and passes 130 on",
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
