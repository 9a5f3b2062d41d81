/** Small programs in a process of their own, for what ends one. */
import { permitted } from "./permissions.ts";

/** Whether such programs may be started. */
export const snippetsWork: boolean = Deno.build.os !== "windows" &&
  permitted({ name: "read" }, { name: "run" });

/** What a program did. */
export interface Ended {
  /** Its exit code. */
  readonly code: number;
  /** The signal that ended it, if one did. */
  readonly signal: Deno.Signal | null;
  /** What it wrote. */
  readonly stdout: string;
  /** What it wrote as messages. */
  readonly stderr: string;
}

/**
 * Runs a program.
 *
 * @param imports Modules, by the names that it imports from them; paths from the root.
 * @param body What follows the imports.
 */
export async function runSnippet(
  imports: Readonly<Record<string, string>>,
  body: string,
): Promise<Ended> {
  const lines = Object.entries(imports).map(([names, module]) =>
    `import { ${names} } from "${new URL(`../${module}`, import.meta.url)}";`
  );
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "-q", "--ext=ts", `${lines.join("\n")}\n${body}`],
    ...{ stdin: "null", stdout: "piped", stderr: "piped" },
  });
  const { code, signal, stdout, stderr } = await child.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, signal, stdout: decode(stdout), stderr: decode(stderr) };
}
