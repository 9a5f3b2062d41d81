/** Downloads from a server that does everything wrong that servers do, two of them into one cache. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { openDataset } from "../../datasets/sources.ts";
import {
  answerFile,
  brokenOff,
  hasServer,
  patientNetwork,
  type Seen,
  serve,
  STORED,
} from "../datasets/tiny_dataset.ts";
import { assertWhole, places } from "../datasets/tiny_places.ts";
import { Dice } from "./mutate.ts";
import { INPUTS, soaking } from "./soak.ts";

/** What can be wrong with an answer, each as a server would have it. */
const FAULTS: readonly ((seen: Seen, dice: Dice) => Response | Promise<Response>)[] = [
  ...[403, 404, 408, 429, 500, 502, 503].map((status) => () => new Response("x", { status })),
  () => new Response(null, { status: 429, headers: { "retry-after": "20" } }),
  () => new Response(null, { status: 503, headers: { "retry-after": "86400" } }),
  () => new Response(null, { status: 302, headers: { location: "/a.gz" } }),
  ({ name }) => new Response(null, { status: 307, headers: { location: `/${name}` } }),
  () => new Response(null, { status: 301 }), // to nowhere
  () => new Response("<!DOCTYPE html><html>Sign in</html>"),
  () => new Response('<?xml version="1.0"?><Error/>'),
  () => new Response("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n"),
  () => new Response(new Uint8Array()),
  ({ name }) => new Response(STORED[name === "a.gz" ? "b.gz" : "a.gz"]), // another file
  (_, dice) => brokenOff(dice.below(100_000), '"v1"'),
  ({ name }, dice) => new Response(STORED[name]!.slice(0, dice.below(30_000))), // cut, and not said so
  ({ name }) => { // twice
    const bytes = STORED[name]!;
    return new Response(new Blob([bytes, bytes]).stream());
  },
  ({ name }, dice) => { // one bit
    const bytes = STORED[name]!.slice();
    bytes[dice.below(bytes.length)]! ^= 1 << dice.below(8);
    return new Response(bytes, { headers: { etag: '"v1"' } });
  },
  ({ name }) => { // a range that nobody asked for
    const headers = { "content-range": `bytes 5-9/${STORED[name]!.length}` };
    return new Response(STORED[name]!.slice(5, 10), { status: 206, headers });
  },
  () => new Response(null, { status: 416, headers: { "content-range": "bytes */7" } }),
  (seen, dice) => answerFile(seen, 0, `"v${dice.next()}"`), // never the same version
  async (seen) => { // slow
    await new Promise((resolve) => setTimeout(resolve, 5));
    return answerFile(seen);
  },
];

Deno.test({
  name: "openDataset() gives the right bytes or says why not when servers do what they like",
  ignore: !hasServer,
  async fn() {
    const rounds = soaking ? INPUTS / 10 : 40;
    const [counts, answers] = [{ network: 0, cache: 0, sample: 0 } as Record<string, number>, [0]];
    for (let round = 0; round < rounds; round++) {
      const dice = new Dice(round);
      const faulty = dice.below(100); // percent
      const answer = (seen: Seen) => {
        answers[0]!++;
        return dice.below(100) < faulty ? dice.pick(FAULTS)(seen, dice) : answerFile(seen);
      };
      await using first = serve(answer);
      await using second = serve(answer);
      await using at = await places({ mirrors: [first.url, second.url] });
      const open = () =>
        openDataset(at.dataset, { ...at.options, network: patientNetwork(), tries: 3 });
      for (const { origin, contents, passedOver } of await Promise.all([open(), open()])) {
        counts[origin]!++;
        if (origin !== "sample") assertWhole(contents);
        else assert(/^network: [ab]\.gz from 127\.0\.0\.1:\d+: .+; from /.test(passedOver[2]!));
      }
      // What is in the cache under a file's own name is that file.
      for await (const { name } of Deno.readDir(at.cache)) {
        if (STORED[name] === undefined) {
          assert(/^(\.lock|[ab]\.gz\.part(\.json)?)$/.test(name), name);
        } else assertEquals(await Deno.readFile(join(at.cache, name)), STORED[name]);
      }
    }
    assert(Object.values(counts).every((count) => count > 0), JSON.stringify(counts));
    if (soaking) {
      console.log(
        `${rounds} times two downloads at once, ${answers[0]} answers: ${JSON.stringify(counts)}`,
      );
    }
  },
});
