/** Whether this test run holds every permission asked for, so that others can be skipped without it. */
export function permitted(...descriptors: Deno.PermissionDescriptor[]): boolean {
  return descriptors.every((descriptor) =>
    Deno.permissions.querySync(descriptor).state === "granted"
  );
}
