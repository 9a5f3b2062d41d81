import { assertEquals } from "@std/assert";
import protobuf from "protobufjs";
import { ELEMENT_TYPE, encodeModel } from "../../../engine/onnx/proto.ts";

/** The messages of onnx.proto that models here are made of. */
const ModelProto = protobuf.parse(`
  syntax = "proto2";
  message AttributeProto {
    optional string name = 1; optional float f = 2; optional int64 i = 3; optional bytes s = 4;
    repeated float floats = 7; repeated int64 ints = 8; optional int32 type = 20;
  }
  message Dimension { optional int64 dim_value = 1; optional string dim_param = 2; }
  message GraphProto {
    repeated NodeProto node = 1; optional string name = 2; repeated TensorProto initializer = 5;
    optional string doc_string = 10; repeated ValueInfoProto input = 11;
    repeated ValueInfoProto output = 12; repeated ValueInfoProto value_info = 13;
  }
  message ModelProto {
    optional int64 ir_version = 1; optional string producer_name = 2;
    optional string producer_version = 3; optional string domain = 4;
    optional int64 model_version = 5; optional string doc_string = 6; optional GraphProto graph = 7;
    repeated OperatorSetIdProto opset_import = 8;
  }
  message NodeProto {
    repeated string input = 1; repeated string output = 2; optional string name = 3;
    optional string op_type = 4; repeated AttributeProto attribute = 5;
    optional string doc_string = 6; optional string domain = 7;
  }
  message OperatorSetIdProto { optional string domain = 1; optional int64 version = 2; }
  message TensorProto {
    repeated int64 dims = 1; optional int32 data_type = 2; repeated float float_data = 4;
    optional string name = 8; optional bytes raw_data = 9;
  }
  message TensorShapeProto { repeated Dimension dim = 1; }
  message TensorTypeProto { optional int32 elem_type = 1; optional TensorShapeProto shape = 2; }
  message TypeProto { optional TensorTypeProto tensor_type = 1; }
  message ValueInfoProto { optional string name = 1; optional TypeProto type = 2; }
`).root.lookupType("ModelProto");

/** Decodes a model; fields that are absent and fields that hold their default count as the same. */
function decode(bytes: Uint8Array): unknown {
  const options = { longs: String, bytes: Array, defaults: true };
  return ModelProto.toObject(ModelProto.decode(bytes), options);
}

/** The model below, written by the onnx package for Python, version 1.23.2. */
const REFERENCE = Uint8Array.fromHex(
  "0808120d6e616e6f646966667573696f6e3abe010a780a01780a000a016312017912017a1a0a73636f70652f4f705f30" +
    "22024f702a110a016918feffffffffffffffff01a001022a0b0a0166150000003fa001012a0e0a017322064e4f5453" +
    "4554a001032a190a04696e7473400140ffffffffffffffffff0140ac02a001073a0d636f6d2e6d6963726f736f6674" +
    "120567726170682a19080210074201634a100500000000000000ffffffffffffffff5a130a0178120e0a0c08011208" +
    "0a0208020a020803620b0a017912060a040809120042040a00101142110a0d636f6d2e6d6963726f736f6674100142" +
    "170a13636f6d2e6d6963726f736f66742e6e636877631001",
);

Deno.test("encodeModel() writes what the reference implementation writes", () => {
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
  assertEquals(decode(bytes), decode(REFERENCE));
});
