import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type Ended,
  hashFolder,
  imageRuns,
  resultOf,
  startImage,
  TINY,
  workplace,
} from "./program.ts";
import { runText, startText, tinyDenoiser } from "../../text/program/program.ts";

const ignore = !imageRuns;
const { folder, straightRun } = workplace(24);

/** Asserts that at least one of several runs in a folder succeeded, and that the others were refused. */
function checkRefusals(ended: readonly Ended[], out: string): void {
  const refused = ended.filter(({ code }) => code !== 0);
  assert(refused.length < ended.length, refused.map(({ stderr }) => stderr).join("\n"));
  for (const { code, stderr } of refused) {
    assertEquals(code, 1);
    const last = stderr.trimEnd().split("\n").at(-1)!;
    assertMatch(
      last,
      /^error: another run( \(process \d+\))? is writing .+: wait until it ends, or/,
    );
    assert(last.includes(out), last);
  }
}

Deno.test({
  name: "image runs that start in one folder at once leave one complete run",
  ignore,
  fn: async () => {
    const out = `${await folder()}/run`;
    const start = () => startImage([...TINY, "--steps=24", "--out", out]).ended;
    checkRefusals(await Promise.all([start(), start(), start()]), out);
    assertEquals(await resultOf(out), await resultOf(await straightRun()));
    const names = Object.keys(await hashFolder(out)).sort();
    assertEquals(names, Object.keys(await hashFolder(await straightRun())).sort());
  },
});

Deno.test({
  name: "text runs that start in one folder at once leave one complete run",
  ignore,
  fn: async () => {
    const place = await folder();
    const [out, straight] = [`${place}/run`, `${place}/straight`];
    const start = () => startText([...tinyDenoiser(), "--out", out]).ended;
    checkRefusals(await Promise.all([start(), start(), start()]), out);
    const whole = await runText(...tinyDenoiser(), "--out", straight);
    assertEquals(whole.code, 0, whole.stderr);
    for (const part of ["", "/diffusion"]) {
      assertEquals(await resultOf(out + part), await resultOf(straight + part));
    }
    const [names, expected] = await Promise.all([out, straight].map(hashFolder));
    assertEquals(Object.keys(names!).sort(), Object.keys(expected!).sort());
  },
});
