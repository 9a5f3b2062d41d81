/** Decodes ONNX models with a description of the messages that is independent of proto.ts. */
import protobuf from "protobufjs";

/** The messages of onnx.proto that models contain. */
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

/** A model as an object. Absent fields have their defaults. */
export function decodeModel(bytes: Uint8Array): Record<string, unknown> {
  const options = { longs: String, bytes: Array, defaults: true };
  return ModelProto.toObject(ModelProto.decode(bytes), options);
}

/** A node's operator and its integer attributes. */
export interface DecodedNode {
  /** The operator. */
  readonly op: string;
  /** Integers by the name of the attribute. */
  readonly integers: Readonly<Record<string, number>>;
}

/** The nodes of a model in order. */
export function nodes(bytes: Uint8Array): DecodedNode[] {
  const { graph } = decodeModel(bytes) as {
    graph: { node: { opType: string; attribute: { name: string; i: string }[] }[] };
  };
  return graph.node.map(({ opType, attribute }) => ({
    op: opType,
    integers: Object.fromEntries(attribute.map(({ name, i }) => [name, Number(i)])),
  }));
}

/** The operators of a model's nodes in order, with repetitions. */
export function operators(bytes: Uint8Array): string[] {
  return nodes(bytes).map(({ op }) => op);
}
