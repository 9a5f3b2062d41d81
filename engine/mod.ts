/** Trains and runs functions of TensorFlow.js tensors on ONNX Runtime, and on tfjs's own backends. */
export * from "./device.ts";
export { type OnnxBackendOptions, registerOnnxBackend } from "./onnx/register.ts";
export * as tf from "./tf.ts";
export * from "./tree.ts";
