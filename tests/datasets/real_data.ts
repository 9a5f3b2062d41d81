/**
 * The real data sets, which the project may not contain. DATA_DIR in the environment names a folder with
 * a folder for each set; without it, tests of the real data are skipped.
 */
import { assert } from "@std/assert";
import { join } from "node:path";
import { gunzip } from "../../datasets/download/gzip.ts";
import { ANSWER_MARK, type ThoughtProblem } from "../../datasets/thoughts.ts";
import { permitted } from "../permissions.ts";

/** The folder, or undefined. */
export const dataDir: string | undefined = permitted({ name: "env", variable: "DATA_DIR" })
  ? Deno.env.get("DATA_DIR")
  : undefined;

/** Whether tests may read the real data. */
export const hasRealData = dataDir !== undefined && permitted({ name: "read", path: dataDir });

/** Problems as Implicit Chain of Thought publishes them: `question||thought thought #### answer`. */
export async function publishedProblems(
  name: string,
  separator: string,
): Promise<ThoughtProblem[]> {
  const path = join(dataDir!, "dot", `${name}.txt.gz`);
  const unpacked = gunzip(await Deno.readFile(path), 1e8);
  assert("bytes" in unpacked);
  const lines = new TextDecoder().decode(unpacked.bytes).split(/\r?\n/);
  return lines.filter((line) => line.trim() !== "").map((line) => {
    const [question, solution] = line.split("||") as [string, string];
    const [steps, answer] = solution.split(ANSWER_MARK).map((part) => part.trim());
    return { question, thoughts: steps === "" ? [] : steps!.split(separator), answer: answer! };
  });
}
