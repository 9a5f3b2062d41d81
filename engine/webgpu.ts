/** The webgpu device: npm:@tensorflow/tfjs-backend-webgpu on Deno's WebGPU. */
import { UserError } from "@nanodiffusion/base/errors";
import { claimProcess } from "./exclusive.ts";

/**
 * Makes the webgpu device ready.
 *
 * @returns The name of tfjs's backend.
 * @throws {UserError} If there is no adapter, or if this process has opened a device that it does not get
 * along with.
 */
export async function openWebGpu(): Promise<string> {
  claimProcess("webgpu");
  const gpu = navigator.gpu as GPU | undefined;
  const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null || adapter === undefined) {
    throw new UserError(
      "The webgpu device finds no adapter here: it needs a GPU and its Vulkan driver; on Debian, " +
        "`apt-get install mesa-vulkan-drivers` has a slow one that needs no GPU.",
    );
  }
  await import("@tensorflow/tfjs-backend-webgpu");
  return "webgpu";
}
