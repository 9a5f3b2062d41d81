/** `--config`: the settings of a run that is there, to run them again. */
import { DEVICE_CHOICES, type DeviceChoice } from "../engine/device_names.ts";
import { usageError, UserError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { printable, quote } from "../base/quote.ts";
import type { FlagGroups } from "./flag_kinds.ts";
import { checkSettings, kebabCase } from "./flags.ts";
import {
  BUNDLED,
  type DataOrigin,
  readRecord,
  type RunRecord,
  type RunSession,
} from "./run_record.ts";
import { dataDifference, sessionNotes } from "./compare_runs.ts";

/** Flags of any program that `--config` answers, or that are of no training. */
const CONFLICTS = ["preset", "sampleOnly", "study", "checkpoint"] as const;

/** A run that is to be repeated. */
export interface Replay {
  /** Every setting that its record holds, over those of a preset for settings that are younger. */
  readonly settings: JsonObject;
  /** The settings that the record holds. */
  readonly recorded: JsonObject;
  /** Where it was computed when it was last started. */
  readonly device: DeviceChoice;
  /** With how many threads. */
  readonly threads: number;
  /** Whether it was content with a bundled sample. */
  readonly sampleOnly: boolean;
  /** Where the repetition goes, if nobody says: `runs/NAME-again`. */
  readonly directory: string;
  /** Refuses other data than the run's, and says in what this start differs from it. */
  check(data: readonly DataOrigin[], session: RunSession): string[];
}

/** Options of {@linkcode openReplay}. */
export interface RepeatedOptions {
  /** The programs whose records will do. */
  readonly programs: readonly string[];
  /** What flags allow. */
  readonly flags: FlagGroups;
  /** The flags that were given. */
  readonly given: Readonly<Record<string, unknown>>;
  /** What settings are where the record is older than they are. */
  readonly defaults: object;
}

/**
 * Reads the record of a run that is to be repeated.
 *
 * @param path Its config.json; undefined where nothing is to be repeated.
 * @returns undefined where there is no path.
 * @throws {UserError} If it is no such record, or flags were given that say otherwise.
 */
export async function openReplay(
  path: string | undefined,
  { programs, flags, given, defaults }: RepeatedOptions,
): Promise<Replay | undefined> {
  if (path === undefined) return undefined;
  const contrary = CONFLICTS.find((key) => given[key] !== undefined && given[key] !== false);
  if (contrary !== undefined) {
    throw usageError(
      `--config ${path} says what is trained: leave --${kebabCase(contrary)} out.`,
    );
  }
  const record = await readRecord(path);
  if (record === undefined) {
    throw new UserError(`there is no ${path}: name the config.json of a run`);
  }
  if (!programs.includes(record.program)) {
    throw new UserError(
      `${path} is of the program ${quote(record.program)}: give it to deno task ${
        printable(record.program.split("-")[0]!)
      }`,
    );
  }
  const recorded = { ...laterSettings(record), ...record.config };
  checkSettings(recorded, flags, path);
  const names = new Set(Object.values(flags).flatMap((group) => Object.keys(group)));
  const unknown = Object.keys(recorded).find((key) => !names.has(key));
  if (unknown !== undefined) {
    throw new UserError(`${path} has the setting ${quote(unknown)}, which there is none of here`);
  }
  const last = record.sessions.at(-1);
  return {
    settings: { ...defaults, ...recorded } as JsonObject,
    recorded,
    device: DEVICE_CHOICES.find((name) => name === last?.device) ?? "onnx",
    threads: last?.threads ?? 1,
    sampleOnly: record.data.some(({ origin }) => origin === BUNDLED),
    directory: `runs/${nameOf(path)}-again`,
    check: (data, session) => {
      const known = data.filter(({ name }) => record.data.some((other) => other.name === name));
      const difference = dataDifference(record.data, known);
      if (difference === undefined) return sessionNotes(last, session);
      throw new UserError(
        `this is no repetition of ${path}: ${difference}. Put that file back (--data-dir), or start ` +
          "a run of its own without --config",
      );
    },
  };
}

/** Settings of later stages, each as the last start had it that used it. */
function laterSettings({ sessions }: RunRecord): JsonObject {
  return Object.assign({}, ...sessions.map(({ settings = {} }) => settings));
}

/** The name of the folder that a file is in; "run" where that has none. */
function nameOf(path: string): string {
  const folders = path.split(/[/\\]/).slice(0, -1).filter((part) => !/^\.*$/.test(part));
  return folders.at(-1) ?? "run";
}
