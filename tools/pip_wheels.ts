/** Packages of Python that hold native libraries, for the tools that set devices up. */

/**
 * Downloads the wheels of a list, checked by its hashes, and unpacks them.
 *
 * @param list The path of the list.
 * @param options Where they are unpacked; for which Python, of which the libraries know nothing, so that
 * any will do to fetch them; and the versions of glibc, such as "2_28", that they may be built for.
 * @returns Whether that worked; what pip says of it goes to our output.
 */
export async function installWheels(
  list: string,
  { target, python, glibc }: {
    readonly target: string;
    readonly python: string;
    readonly glibc: readonly string[];
  },
): Promise<boolean> {
  const { success } = await new Deno.Command("python3", {
    args: [
      ...["-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--require-hashes"],
      ...["--root-user-action=ignore", `--python-version=${python}`, "--only-binary=:all:"],
      ...glibc.map((version) => `--platform=manylinux_${version}_x86_64`),
      ...[`--target=${target}`, "-r", list],
    ],
  }).spawn().status;
  return success;
}
