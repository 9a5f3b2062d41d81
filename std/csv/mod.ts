/**
 * Comma-separated values (RFC 4180), with the names, signatures and meaning of `jsr:@std/csv`, over
 * csv-parse and csv-stringify. Stands in for the original where its registry cannot be reached.
 *
 * @module
 */
export * from "./parse.ts";
export * from "./stringify.ts";
