import { assertEquals } from "@std/assert";
import { readTrainingTime, trainingSummary, writeTrainingTime } from "../../cli/training_time.ts";
import { permitted } from "../permissions.ts";

const TIME = { steps: 100, milliseconds: 80_000, onDevice: 60_000, peakMemory: 5.4e8 };
const RUN = { config: { batchSize: 16 }, unit: "images", device: { threads: 2 } };

Deno.test("trainingSummary() contains duration, speed, device and memory", () => {
  assertEquals(
    trainingSummary(TIME, RUN).replace(Deno.build.arch, "ARCH"),
    "100 steps of 16 images in 01:20 on 2 threads of ARCH, 20 images/s, 25.0 % of the time outside " +
      "the device, 540 MB of memory at the peak.",
  );
  assertEquals(trainingSummary({ ...TIME, steps: 0 }, RUN), "The training was not timed.");
});

Deno.test({
  name:
    "readTrainingTime() reads the sum of what writeTrainingTime() wrote, and zeros without a file",
  ignore: !permitted({ name: "read" }, { name: "write" }),
  fn: async () => {
    const directory = await Deno.makeTempDir();
    try {
      const none = await readTrainingTime(directory);
      assertEquals(none, { steps: 0, milliseconds: 0, onDevice: 0, peakMemory: 0 });
      await writeTrainingTime(directory, TIME, {
        steps: 20,
        milliseconds: 5,
        onDevice: 4,
        peakMemory: 7,
      });
      assertEquals(await readTrainingTime(directory), {
        steps: 120,
        milliseconds: 80_005,
        onDevice: 60_004,
        peakMemory: 5.4e8,
      });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
