/** The types of {@linkcode parseArgs}: what it takes and, from that, what it gives. */

/**
 * The value of one flag: text, true or false, or not known; a list of them where it is collected.
 * @internal
 */
type Value<
  TName,
  TBooleans,
  TStrings,
  TCollectable,
  TNegatable,
  TBase = TName extends TStrings ? string : TName extends TBooleans ? boolean : unknown,
> =
  | (TName extends TCollectable ? TBase[] : TBase)
  | (TName extends TNegatable ? false : never);

/**
 * Adds every alias of a flag beside it.
 * @internal
 */
type WithAliases<TFlags, TAliases> = {
  [
    TName in keyof TFlags as
      | TName
      | (TName extends keyof TAliases
        ? TAliases[TName] extends readonly (infer TAlias extends string)[] ? TAlias
        : Extract<TAliases[TName], string>
        : never)
  ]: TFlags[TName];
};

/**
 * The flags of {@linkcode parseArgs}'s result, by name; those that nothing is known of are unknown.
 * @internal
 */
export type Values<
  TBooleans extends string | boolean,
  TStrings extends string,
  TCollectable extends string,
  TNegatable extends string,
  TDefaults,
  TAliases,
> =
  & Record<string, unknown>
  & WithAliases<
    & {
      [
        TName in Exclude<Extract<TBooleans, string> | TCollectable, keyof TDefaults>
      ]: Value<TName, TBooleans, TStrings, TCollectable, TNegatable>;
    }
    & {
      [
        TName in Exclude<TStrings, TBooleans | TCollectable | keyof TDefaults>
      ]?: Value<TName, TBooleans, TStrings, TCollectable, TNegatable>;
    }
    & {
      [TName in keyof TDefaults]: TName extends TBooleans | TStrings | TCollectable ?
          | Value<TName, TBooleans, TStrings, TCollectable, TNegatable>
          | TDefaults[TName]
        : unknown;
    },
    TAliases
  >;

/**
 * What comes after `--`.
 * @internal
 */
export interface DoubleDash {
  /** All arguments after the first `--`, as they are. */
  "--": string[];
}

/** The value that {@linkcode parseArgs} returns. */
export type Args<
  TArgs extends Record<string, unknown> = Record<string, unknown>,
  TDoubleDash extends boolean | undefined = undefined,
> =
  & TArgs
  & {
    /** The arguments that belong to no flag. */
    _: Array<string | number>;
  }
  & (boolean extends TDoubleDash ? Partial<DoubleDash>
    : true extends TDoubleDash ? DoubleDash
    : unknown);

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions<
  TBooleans extends string | boolean = string | boolean,
  TStrings extends string = string,
  TCollectable extends string = string,
  TNegatable extends string = string,
  TDefaults extends Record<string, unknown> = Record<string, unknown>,
  TAliases extends Record<string, string | readonly string[]> = Record<
    string,
    string | readonly string[]
  >,
  TDoubleDash extends boolean | undefined = boolean | undefined,
> {
  /**
   * Whether what comes after `--` is kept apart, in the result's `--`, instead of in `_`.
   *
   * @default {false}
   */
  "--"?: TDoubleDash;
  /**
   * Other names of flags.
   *
   * @default {{}}
   */
  alias?: TAliases;
  /**
   * Flags that are true or false, and take no value but these. They are false by default. `true`
   * makes all flags with two dashes and no `=` such.
   *
   * @default {[]}
   */
  boolean?: TBooleans | readonly Extract<TBooleans, string>[];
  /**
   * Values of flags that are not given.
   *
   * @default {{}}
   */
  default?: TDefaults;
  /**
   * Whether everything after the first argument that belongs to no flag goes to `_` as it is.
   *
   * @default {false}
   */
  stopEarly?: boolean;
  /**
   * Flags whose values are texts, even if they look like numbers.
   *
   * @default {[]}
   */
  string?: TStrings | readonly TStrings[];
  /**
   * Flags that may be given more than once and whose values are lists. Of others the last one counts.
   *
   * @default {[]}
   */
  collect?: TCollectable | readonly TCollectable[];
  /**
   * Flags that `--no-` in front makes false.
   *
   * @default {[]}
   */
  negatable?: TNegatable | readonly TNegatable[];
  /**
   * Called with every argument that the options do not name; where it returns `false`, the argument
   * is left out.
   */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}
