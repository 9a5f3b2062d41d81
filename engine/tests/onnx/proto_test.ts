import { assertEquals } from "@std/assert";
import { ELEMENT_TYPE, encodeModel } from "../../onnx/proto.ts";
import { decodeModel } from "./decode_model.ts";

/** The model below, as written by the onnx package for Python, version 1.23.2. */
const REFERENCE = Uint8Array.fromHex(
  "0808120d6e616e6f646966667573696f6e3abe010a780a01780a000a016312017912017a1a0a73636f70652f4f705f30" +
    "22024f702a110a016918feffffffffffffffff01a001022a0b0a0166150000003fa001012a0e0a017322064e4f5453" +
    "4554a001032a190a04696e7473400140ffffffffffffffffff0140ac02a001073a0d636f6d2e6d6963726f736f6674" +
    "120567726170682a19080210074201634a100500000000000000ffffffffffffffff5a130a0178120e0a0c08011208" +
    "0a0208020a020803620b0a017912060a040809120042040a00101142110a0d636f6d2e6d6963726f736f6674100142" +
    "170a13636f6d2e6d6963726f736f66742e6e636877631001",
);

Deno.test("encodeModel() returns the bytes of the reference implementation", () => {
  const bytes = encodeModel({
    nodes: [{
      op: "Op",
      domain: "com.microsoft",
      inputs: ["x", "", "c"],
      outputs: ["y", "z"],
      name: "scope/Op_0",
      attributes: { i: -2, f: { float: 0.5 }, s: "NOTSET", ints: [1, -1, 300] },
    }],
    initializers: [{
      name: "c",
      elementType: ELEMENT_TYPE.int64,
      shape: [2],
      bytes: new Uint8Array(BigInt64Array.of(5n, -1n).buffer),
    }],
    inputs: [{ name: "x", elementType: ELEMENT_TYPE.float32, shape: [2, 3] }],
    outputs: [{ name: "y", elementType: ELEMENT_TYPE.bool, shape: [] }],
  });
  assertEquals(decodeModel(bytes), decodeModel(REFERENCE));
});
