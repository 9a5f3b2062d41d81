/**
 * The settings of text.ts. On the command line and in config.json they are flat; in code they are nested
 * by stage. The mapping between both is here and nowhere else.
 */
import type { FlagValues } from "../cli/flag_kinds.ts";
import type { JsonObject } from "../base/json.ts";
import {
  DENOISER_SETTINGS,
  EVALUATION,
  MASKED_SETTINGS,
  SAMPLING_SETTINGS,
  type TEXT_FLAGS,
} from "./denoiser_flags.ts";
import { AUTOENCODER_SETTINGS } from "./flags.ts";

/** Flags that were given on the command line. */
export type TextFlags = Partial<FlagValues<typeof TEXT_FLAGS>>;

/** Settings of which some may be unset. */
type WithUnset<Settings, Unset extends keyof Settings> =
  & Omit<Settings, Unset>
  & Partial<Pick<Settings, Unset>>;

/** The settings of the data and of the autoencoder. */
export type TextConfig = WithUnset<
  FlagValues<typeof AUTOENCODER_SETTINGS>,
  | "startFrom"
  | "encoderFrom"
  | "decoderFrom"
  | "encoderLearningRate"
  | "texts"
  | "column"
  | "labelColumn"
  | "field"
  | "labelField"
  | "problems"
  | "numbers"
>;

type DenoiserFlags = FlagValues<typeof DENOISER_SETTINGS>;

/** A denoiser's setting by its flag: `steps` for `diffusionSteps`, `layers` for `denoiserLayers`. */
type DenoiserSetting<Flag extends string> = Flag extends
  `diffusion${infer Name}` | `denoiser${infer Name}` ? Uncapitalize<Name> : Flag;

/** The settings of the denoiser and of its training. */
export type DenoiserConfig = {
  readonly [Flag in keyof DenoiserFlags as DenoiserSetting<Flag>]: DenoiserFlags[Flag];
};

export type SamplingConfig = WithUnset<FlagValues<typeof SAMPLING_SETTINGS>, "rating" | "label">;

export type EvaluationConfig = WithUnset<FlagValues<{ evaluation: typeof EVALUATION }>, "judge">;

/** The settings of masked diffusion besides those of the denoiser. */
export type MaskedConfig = FlagValues<typeof MASKED_SETTINGS>;

export interface TextSettings {
  readonly autoencoder: TextConfig;
  readonly denoiser: DenoiserConfig;
  readonly sampling: SamplingConfig;
  readonly evaluation: EvaluationConfig;
  readonly masked: MaskedConfig;
}

export type SettingsGroup = keyof TextSettings;

export type SomeSettings = { readonly [Group in SettingsGroup]?: Partial<TextSettings[Group]> };

interface Place {
  readonly group: SettingsGroup;
  readonly setting: string;
}

/** The place of each flag that is a setting, by the flag's camelCase name. */
const PLACES: ReadonlyMap<string, Place> = new Map(
  ([
    ["autoencoder", AUTOENCODER_SETTINGS],
    ["denoiser", DENOISER_SETTINGS],
    ["sampling", SAMPLING_SETTINGS],
    ["evaluation", { evaluation: EVALUATION }],
    ["masked", MASKED_SETTINGS],
  ] as const).flatMap(([group, flags]) =>
    Object.values(flags).flatMap((flagsOfHeading) => Object.keys(flagsOfHeading))
      .map((flag) => [flag, { group, setting: settingOf(group, flag) }] as const)
  ),
);

const FLAGS: ReadonlyMap<string, string> = new Map(
  [...PLACES].map(([flag, { group, setting }]) => [`${group}.${setting}`, flag]),
);

function settingOf(group: SettingsGroup, flag: string): string {
  const [, first, rest] = /^(?:diffusion|denoiser)([A-Z])(.*)$/.exec(flag) ?? [];
  return group !== "denoiser" || first === undefined ? flag : first.toLowerCase() + rest;
}

/** The group of a flag's setting, by its camelCase name; undefined for a flag that is no setting. */
export function groupOfFlag(flag: string): SettingsGroup | undefined {
  return PLACES.get(flag)?.group;
}

/** Settings by stage, from flat ones: flags that were given, or a record. Other flags are left out. */
export function nestSettings(flat: object): SomeSettings {
  const nested: Record<SettingsGroup, Record<string, unknown>> = {
    autoencoder: {},
    denoiser: {},
    sampling: {},
    evaluation: {},
    masked: {},
  };
  for (const [flag, value] of Object.entries(flat)) {
    const place = PLACES.get(flag);
    if (place !== undefined && value !== undefined) nested[place.group][place.setting] = value;
  }
  return nested;
}

/** Flat settings, by the camelCase names of the flags, as records hold them. */
export function flatSettings(settings: SomeSettings): JsonObject {
  const entries = Object.entries(settings).flatMap(([group, values]) =>
    Object.entries(values).map(([setting, value]) => [FLAGS.get(`${group}.${setting}`)!, value])
  );
  return Object.fromEntries(entries);
}

/** Settings with changes, stage by stage; later changes win. */
export function withChanges(
  settings: TextSettings,
  ...changes: readonly SomeSettings[]
): TextSettings {
  const merged = { ...settings } as Record<SettingsGroup, object>;
  for (const change of changes) {
    for (const [group, values] of Object.entries(change) as [SettingsGroup, object][]) {
      merged[group] = { ...merged[group], ...values };
    }
  }
  return merged as unknown as TextSettings;
}

/**
 * Settings that may differ when the autoencoder's training is resumed. A file may have moved: its hash tells
 * whether it is the same.
 */
export const AUTOENCODER_EXTENDABLE: readonly string[] = ["steps", "texts", "problems"];

/** Settings that may differ when the denoiser's training is resumed. */
export const DENOISER_EXTENDABLE: readonly string[] = ["diffusionSteps", "texts", "problems"];
