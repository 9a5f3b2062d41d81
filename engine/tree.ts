/** Trees of tensors: nested records and arrays, on the host and on a device. */
import { UserError } from "@nanodiffusion/base/errors";
import * as tf from "./tf.ts";

/** Element types of tensors that are copied between host and device. */
export type DType = "float32" | "int32" | "bool";

/** The class of the typed array that holds each element type. */
export const ARRAY_OF = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

/** A tensor on the host: its elements in row-major order. */
export interface HostArray {
  /** The element type. */
  readonly dtype: DType;
  /** The shape; [] for a scalar. */
  readonly shape: readonly number[];
  /** The elements, in an array of the class in {@linkcode ARRAY_OF}. */
  readonly data: Float32Array | Int32Array | Uint8Array;
}

/** A tree with leaves of type `Leaf`. */
export type Tree<Leaf> = Leaf | readonly Tree<Leaf>[] | { readonly [key: string]: Tree<Leaf> };

/** A tree of tensors on a device. */
export type TensorTree = Tree<tf.Tensor>;

/** A tree of tensors on the host. */
export type ArrayTree = Tree<HostArray>;

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}

/** Whether two shapes are equal. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dimension, i) => dimension === b[i]);
}

/**
 * A float32 tensor on the host.
 *
 * @param data The elements.
 * @param shape A vector as long as the data by default.
 */
export function float32(
  data: Float32Array | readonly number[],
  shape: readonly number[] = [data.length],
): HostArray {
  return {
    dtype: "float32",
    shape,
    data: data instanceof Float32Array ? data : Float32Array.from(data),
  };
}

/** An int32 tensor on the host: see {@linkcode float32}. */
export function int32(
  data: Int32Array | readonly number[],
  shape: readonly number[] = [data.length],
): HostArray {
  return { dtype: "int32", shape, data: data instanceof Int32Array ? data : Int32Array.from(data) };
}

/** A float32 scalar on the host. */
export function scalar(value: number): HostArray {
  return float32([value], []);
}

/** Whether a node of a tree is a tensor on the host. */
export function isHostArray(node: ArrayTree): node is HostArray {
  return ArrayBuffer.isView((node as HostArray).data) && Array.isArray((node as HostArray).shape);
}

/** Whether a node of a tree is a tensor on a device. */
export function isTensor(node: TensorTree): node is tf.Tensor {
  return tf.isTensor(node);
}

/**
 * Replaces the leaves of a tree, in the order of its keys.
 *
 * @param isLeaf Distinguishes leaves from records and arrays.
 * @param fn Returns the new leaf. `path` is the leaf's place in the tree, such as "params.weight".
 * @param path The place of the tree itself.
 * @throws {UserError} If the tree contains anything but leaves, records and arrays.
 */
export function mapTree<From, To>(
  tree: Tree<From>,
  isLeaf: (node: Tree<From>) => node is From & Tree<From>,
  fn: (leaf: From, path: string) => To,
  path = "",
): Tree<To> {
  const at = (key: string | number) => path === "" ? String(key) : `${path}.${key}`;
  if (tree === null || typeof tree !== "object") {
    throw new UserError(
      `Expected a tensor at "${path}", found ${tree === null ? null : typeof tree}.`,
    );
  }
  if (isLeaf(tree)) return fn(tree, path);
  // An object of another class, such as a Map or a Promise, would look like a record without keys.
  const { name } = (Object.getPrototypeOf(tree) as object | null)?.constructor ?? Object;
  if (name !== "Object" && name !== "Array") {
    throw new UserError(`Expected a tensor at "${path}", found a ${name}.`);
  }
  if (Array.isArray(tree)) return tree.map((node, i) => mapTree(node, isLeaf, fn, at(i)));
  return Object.fromEntries(
    Object.entries(tree as { readonly [key: string]: Tree<From> })
      .map(([key, node]) => [key, mapTree(node, isLeaf, fn, at(key))]),
  );
}

/** The leaves of a tree with their paths, in the order of its keys. */
export function leavesOf<Leaf>(
  tree: Tree<Leaf>,
  isLeaf: (node: Tree<Leaf>) => node is Leaf & Tree<Leaf>,
): { path: string; leaf: Leaf }[] {
  const leaves: { path: string; leaf: Leaf }[] = [];
  mapTree(tree, isLeaf, (leaf, path) => {
    leaves.push({ path, leaf });
  });
  return leaves;
}

/**
 * Checks that the shape and the data of a host tensor fit.
 *
 * @throws {UserError} If they do not. The message names `path`.
 */
export function checkHostArray({ shape, data, dtype }: HostArray, path: string): void {
  if (sizeOf(shape) !== data.length) {
    throw new UserError(
      `The input "${path}" has ${data.length} numbers, but its shape [${shape}] needs ` +
        `${sizeOf(shape)}.`,
    );
  }
  if (!Object.hasOwn(ARRAY_OF, dtype)) {
    throw new UserError(
      `The input "${path}" has the type ${dtype}, which devices do not support: use ` +
        `${Object.keys(ARRAY_OF).join(", ")}.`,
    );
  }
  if (!(data instanceof ARRAY_OF[dtype])) {
    throw new UserError(
      `The input "${path}" has the type ${dtype}, but its data is a ${data.constructor.name}.`,
    );
  }
}

/**
 * The element type of a result that is copied to the host.
 *
 * @throws {UserError} If it is not a {@linkcode DType}. The message names `path`.
 */
export function resultType({ dtype }: tf.Tensor, path: string): DType {
  if (Object.hasOwn(ARRAY_OF, dtype)) return dtype as DType;
  throw new UserError(
    `The result "${path}" has the type ${dtype}, which cannot be copied to the host.`,
  );
}
