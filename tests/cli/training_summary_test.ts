import { assertEquals } from "@std/assert";
import { trainingSummary } from "../../cli/training.ts";

Deno.test("trainingSummary() contains duration, speed, device and memory", () => {
  const done = {
    config: { batchSize: 16 },
    unit: "images",
    device: { threads: 2 },
    milliseconds: 80_000,
    onDevice: 60_000,
  };
  assertEquals(
    trainingSummary({ ...done, steps: 100, peakMemory: 5.4e8 }).replace(Deno.build.arch, "ARCH"),
    "100 steps of 16 images in 01:20 on 2 threads of ARCH, 20 images/s, 25.0 % of the time outside " +
      "the device, 540 MB of memory at the peak.",
  );
  assertEquals(
    trainingSummary({ ...done, steps: 0, peakMemory: 0 }),
    "Trained before; sampled again.",
  );
});
