/** Which commit the code is of. */

/**
 * The commit that a working tree stands at, read from git's files without running git.
 *
 * @param root The folder that holds `.git`: a folder, or, in a linked working tree, a file.
 * @returns 40 (or 64) hexadecimal digits; undefined where there is no repository, or it may not be
 * read, or is laid out in a way that is not known here.
 */
export async function gitCommit(root: string): Promise<string | undefined> {
  try {
    const directory = await gitDirectory(root);
    const head = (await read(`${directory}/HEAD`)).trim();
    if (isCommit(head)) return head; // detached
    const name = /^ref: (refs\/\S+)$/.exec(head)?.[1];
    if (name === undefined || name.includes("..")) return undefined;
    // A linked working tree keeps its own HEAD, and its branches with the others.
    const common = await read(`${directory}/commondir`)
      .then((path) => resolve(directory, path.trim()), () => directory);
    const commit = await read(`${common}/${name}`).then((text) => text.trim(), () => undefined) ??
      (await read(`${common}/packed-refs`)).split("\n")
        .find((line) => line.endsWith(` ${name}`))?.split(" ")[0];
    return commit !== undefined && isCommit(commit) ? commit : undefined;
  } catch {
    return undefined;
  }
}

async function gitDirectory(root: string): Promise<string> {
  const path = `${root}/.git`;
  const link = await read(path).catch(() => undefined);
  const target = link === undefined ? undefined : /^gitdir: (.+)$/m.exec(link)?.[1];
  return target === undefined ? path : resolve(root, target);
}

/** Reads a file where that is allowed. The record of a run is no reason to ask for permission. */
async function read(path: string): Promise<string> {
  const { state } = Deno.permissions.querySync({ name: "read", path });
  if (state !== "granted") throw new Deno.errors.NotCapable(path);
  return await Deno.readTextFile(path);
}

function resolve(base: string, path: string): string {
  return /^([A-Za-z]:)?[/\\]/.test(path) ? path : `${base}/${path}`;
}

function isCommit(text: string): boolean {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}
