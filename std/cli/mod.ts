/**
 * Command lines, with the names, signatures and meaning of `jsr:@std/cli`, over node:util. Stands in
 * for the original where its registry cannot be reached.
 *
 * @module
 */
export * from "./parse_args.ts";
