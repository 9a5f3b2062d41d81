/** Python packages that contain native libraries, for the tools that set up devices. */
import { UserError } from "../base/errors.ts";

export interface WheelOptions {
  readonly target: string;
  /** A version of Python with such wheels. The libraries do not depend on it. */
  readonly python: string;
  /** The versions of glibc that they may be built for, such as "2_28". */
  readonly glibc: readonly string[];
}

/**
 * Downloads the wheels of a list, a requirements file in this folder, verifies them with its hashes, and
 * unpacks them.
 */
export async function installWheels(
  list: string,
  { target, python, glibc }: WheelOptions,
): Promise<void> {
  const path = decodeURIComponent(new URL(list, import.meta.url).pathname);
  const { success } = await new Deno.Command("python3", {
    args: [
      "-m",
      "pip",
      "install",
      "-q",
      "--no-deps",
      "--no-compile",
      "--require-hashes",
      "--root-user-action=ignore",
      `--python-version=${python}`,
      "--only-binary=:all:",
      ...glibc.map((version) => `--platform=manylinux_${version}_x86_64`),
      `--target=${target}`,
      "-r",
      path,
    ],
  }).spawn().status;
  if (success) return;
  throw new UserError(
    `The packages of ${path} could not be installed: see above. Python with pip is needed ` +
      "(on Debian: apt-get install python3-pip). Nothing was changed.",
  );
}
