/** The conversion of configurations to and from diffusers' config.json. */
import { UserError } from "../../base/errors.ts";
import { quote } from "../../base/quote.ts";

/** The version of diffusers whose format is written. */
export const DIFFUSERS_VERSION = "0.42.0";

/** The content of a config.json: diffusers' settings with one supported value, and ours in snake case. */
export function toDiffusersConfig(
  className: string,
  fixed: Readonly<Record<string, unknown>>,
  settings: readonly (readonly [key: string, value: unknown])[],
): Record<string, unknown> {
  return {
    _class_name: className,
    _diffusers_version: DIFFUSERS_VERSION,
    ...fixed,
    ...Object.fromEntries(settings.map(([key, value]) => [toSnakeCase(key), value])),
  };
}

/** The inverse of {@linkcode toDiffusersConfig} for the settings in `defaults`, whose values are unchecked. */
export function fromDiffusersConfig<Config extends object>(
  json: Readonly<Record<string, unknown>>,
  { fixed, defaults, where }: {
    fixed: Readonly<Record<string, unknown>>;
    defaults: Config;
    where: string;
  },
): Config {
  for (const [key, value] of Object.entries(fixed)) {
    if (json[key] !== undefined && json[key] !== value) {
      throw new UserError(
        `${where}: ${key} is ${quote(json[key])}; only ${quote(value)} is supported.`,
      );
    }
  }
  const entries = Object.entries(defaults).map(([key, value]) => {
    const given = json[toSnakeCase(key)];
    return [key, given === undefined ? value : given];
  });
  return Object.fromEntries(entries) as Config;
}

function toSnakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
