import { assertThrows } from "@std/assert";
import { elementwiseLoss, type ElementwiseLossOptions } from "../../diffusion/loss.ts";
import { openDevice } from "../../engine/device.ts";
import { UserError } from "../../base/errors.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import { assertAllClose } from "../assert_close.ts";

const output = float32([0, .5, 2, -3]);
const target = float32([.25, .5, .5, 1]);

async function losses(options?: ElementwiseLossOptions): Promise<Float32Array> {
  const run = (await openDevice("cpu")).compile<
    Record<"output" | "target", HostArray>,
    { loss: HostArray }
  >(({ output, target }) => ({ loss: elementwiseLoss(output, target, options) }));
  const { loss } = await run({ output, target });
  await run.dispose();
  return loss.data as Float32Array;
}

Deno.test("elementwiseLoss() has torch's values", async () => {
  assertAllClose(await losses(), [.0625, 0, 2.25, 16]);
  assertAllClose(await losses({ lossType: "l1" }), [.25, 0, 1.5, 4]);
  // torch.nn.functional.huber_loss of torch 2.15 with delta 0.5 and 1; smooth_l1_loss with beta 0.5.
  const huber = await losses({ lossType: "huber", huberDelta: .5 });
  assertAllClose(huber, [.03125, 0, .625, 1.875]);
  assertAllClose(huber.map((loss) => loss / .5), [.0625, 0, 1.25, 3.75]);
  assertAllClose(await losses({ lossType: "huber" }), [.03125, 0, 1, 3.5]);
});

Deno.test("elementwiseLoss() refuses names it does not know and a delta that is not positive", () => {
  const loss = (options: object) => () =>
    tf.tidy(() => elementwiseLoss(tf.zeros([1]), tf.zeros([1]), options));
  assertThrows(loss({ lossType: "l2" }), UserError, 'lossType is "l2"; it must be one of mse');
  assertThrows(loss({ lossType: "huber", huberDelta: 0 }), UserError, "huberDelta is 0");
});
