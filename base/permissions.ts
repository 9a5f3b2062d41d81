/** Queries of permissions that never prompt the user. */

/** Whether a permission is granted. */
export function granted(descriptor: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(descriptor).state === "granted";
}

/** Whether the program may connect to a URL's host. */
export function mayReach(url: string): boolean {
  const { hostname, port, protocol } = new URL(url);
  const defaultPort = protocol === "https:" ? "443" : "80";
  return granted({ name: "net", host: `${hostname}:${port === "" ? defaultPort : port}` });
}
