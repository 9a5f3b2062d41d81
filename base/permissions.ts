/** Questions about permissions that never prompt: data sets have other places to turn to. */

/** Whether a permission is already granted. */
export function granted(descriptor: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(descriptor).state === "granted";
}

/** Whether a URL's host may be reached. */
export function mayReach(url: string): boolean {
  const { hostname, port, protocol } = new URL(url);
  const defaultPort = protocol === "https:" ? "443" : "80";
  return granted({ name: "net", host: `${hostname}:${port === "" ? defaultPort : port}` });
}
