import { assertEquals } from "@std/assert";
import {
  f32x4,
  f64x2,
  get,
  i32,
  load,
  repeatWhile,
  set,
  small,
  store,
  upperHalf,
  wasmModule,
} from "../fused_wasm_code.ts";

/** A module with one function, and a page of memory. */
function instantiate(module: Uint8Array<ArrayBuffer>) {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module), {
    host: { memory },
  });
  return { floats: new Float32Array(memory.buffer), exports };
}

Deno.test("wasmModule() assembles a loop over memory", () => {
  const [length, factor, offset] = [0, 1, 2];
  const { floats, exports } = instantiate(wasmModule([{
    name: "scale",
    parameters: ["i32", "f32"],
    locals: ["i32"],
    body: [
      repeatWhile(i32.less(get(offset), get(length)), [
        store(get(offset), f32x4.mul(load(get(offset)), f32x4.splat(get(factor)))),
        set(offset, i32.add(get(offset), small(16))),
      ]),
    ],
  }]));
  floats.set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  (exports["scale"] as (length: number, factor: number) => void)(32, 3);
  assertEquals([...floats.subarray(0, 12)], [3, 6, 9, 12, 15, 18, 21, 24, 9, 10, 11, 12]);
});

Deno.test("wasmModule() assembles arithmetic on four floats and on two doubles", () => {
  const value = load(small(0));
  const { add, sub, div, sqrt } = f32x4;
  const { floats, exports } = instantiate(wasmModule([{
    name: "compute",
    parameters: [],
    locals: [],
    result: "f64",
    body: [
      store(small(16), div(sub(value, sqrt(value)), add(value, value))),
      f64x2.sum(f64x2.mul(f64x2.promoteLow(value), f64x2.promoteLow(upperHalf(value)))),
    ],
  }]));
  floats.set([1, 4, 16, 64]);
  const result = (exports["compute"] as () => number)();
  assertEquals([...floats.subarray(4, 8)], [0, 0.25, 0.375, 0.4375]); // (x - sqrt(x)) / 2x
  assertEquals(result, 1 * 16 + 4 * 64);
});
