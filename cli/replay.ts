/** `--config` and `--resume`: a run with the settings in the config.json of an earlier one. */
import { fileExists } from "../base/files.ts";
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
  RECORD_NAME,
  type RunSession,
} from "./run_record.ts";
import { dataDifference, sessionNotes } from "./compare_runs.ts";

/** Flags that cannot be given together with `--config`. */
const CONFLICTS = ["preset", "sampleOnly", "study", "checkpoint"] as const;

/**
 * A run that is to be repeated: `recorded` are the settings of its record; device and threads are those of
 * its last start.
 */
export interface Replay<Settings = object> {
  /** The settings of the record, and defaults for stages that the run did not reach. */
  readonly settings: Settings;
  readonly recorded: JsonObject;
  readonly device: DeviceChoice;
  readonly threads: number;
  /** The name of the run's data. */
  readonly dataName: string | undefined;
  /** Where the run's data came from. */
  readonly origin: string | undefined;
  /** Whether the run used a bundled sample of the data. */
  readonly sampleOnly: boolean;
  /**
   * The default folder of the repetition: `runs/NAME-again`, or `runs/NAME-changed`; undefined for a run that
   * is continued in its own.
   */
  readonly directory: string | undefined;
  /** The settings of the repeated run that flags change, each in words. */
  readonly changes: readonly string[];
  /**
   * Compares data and environment with those of the run.
   *
   * @returns Warnings about the environment; none for a run that is continued, since its folder has them.
   * @throws {UserError} If the data differs.
   */
  check(data: readonly DataOrigin[], session: RunSession): string[];
}

/** The flags that choose a run's folder, and what happens to a run in it. */
interface FolderFlags {
  readonly config?: string | undefined;
  readonly out?: string | undefined;
  readonly preset?: string | undefined;
  readonly resume?: boolean | undefined;
  readonly overwrite?: boolean | undefined;
}

/**
 * The config.json whose settings are the defaults of a run: that of `--config`, which may name a run's folder,
 * or that of the run that `--resume` continues, unless a preset is given; undefined for the preset's.
 *
 * @param folder The folder of the run if `--out` names none.
 * @throws {UserError} If flags contradict each other.
 */
export async function recordToRead(
  { config, out, preset, resume, overwrite }: FolderFlags,
  folder: string,
): Promise<string | undefined> {
  if (resume !== undefined && overwrite) {
    const kept = resume ? "--resume" : "--no-resume";
    throw usageError(
      `${kept} keeps the run in the folder, and --overwrite deletes it: leave one of them out.`,
    );
  }
  if (config !== undefined) {
    const isFolder = await Deno.stat(config).then((found) => found.isDirectory, () => false);
    return isFolder ? `${config.replace(/\/+$/, "")}/${RECORD_NAME}` : config;
  }
  if (!resume || preset !== undefined) return undefined;
  const path = `${out ?? folder}/${RECORD_NAME}`;
  return await fileExists(path) ? path : undefined;
}

/**
 * Reads the record of a run that is to be repeated or continued.
 *
 * @param path The run's config.json; undefined if no run is to be repeated.
 * @returns undefined if there is no path.
 * @throws {UserError} If the file is not the record of a run of these programs, has unknown settings or
 * values, or other flags contradict it.
 */
export async function openReplay<Settings extends object>(
  path: string | undefined,
  { programs, flags, given, defaults }: {
    /** The programs whose runs can be repeated. */
    readonly programs: readonly string[];
    readonly flags: FlagGroups;
    /** The flags that were given. */
    readonly given: Readonly<Record<string, unknown>>;
    /** Settings of stages that the run may not have reached. */
    readonly defaults: Settings;
  },
): Promise<Replay<Settings> | undefined> {
  if (path === undefined) return undefined;
  const isRepeated = given["config"] !== undefined;
  const conflict = CONFLICTS.find((key) => given[key] !== undefined && given[key] !== false);
  if (isRepeated && conflict !== undefined) {
    throw usageError(
      `--config ${path} decides what is trained: leave --${kebabCase(conflict)} out.`,
    );
  }
  const record = await readRecord(path);
  if (record === undefined) {
    throw new UserError(`there is no ${path}: name the config.json of a run`);
  }
  if (!programs.includes(record.program)) {
    const program = printable(record.program.split("-")[0]!);
    throw new UserError(
      `${path} is a run of ${quote(record.program)}: repeat it with deno task ${program}`,
    );
  }
  // The settings of later stages are in the sessions: the last one that used them counts.
  const later: JsonObject[] = record.sessions.map(({ settings = {} }) => settings);
  const recorded: JsonObject = Object.assign({}, ...later, record.config);
  const names = new Set(Object.values(flags).flatMap((group) => Object.keys(group)));
  const unknown = Object.keys(recorded).find((key) => !names.has(key));
  if (unknown !== undefined) {
    throw new UserError(`${path}: unknown setting ${quote(unknown)}: was it edited?`);
  }
  checkSettings(recorded, flags, path);
  const last = record.sessions.at(-1);
  const changes = Object.entries(isRepeated ? given : {})
    .filter(([key, value]) => key in recorded && String(value) !== String(recorded[key]))
    .map(([key, value]) => `--${kebabCase(key)} ${value} instead of ${recorded[key]}`);
  const suffix = changes.length === 0 ? "again" : "changed";
  return {
    settings: { ...defaults, ...recorded },
    recorded,
    device: DEVICE_CHOICES.find((name) => name === last?.device) ?? "onnx",
    threads: last?.threads ?? 1,
    dataName: record.data[0]?.name,
    origin: record.data[0]?.origin,
    sampleOnly: record.data.some(({ origin }) => origin === BUNDLED),
    directory: isRepeated ? `runs/${folderNameOf(path)}-${suffix}` : undefined,
    changes,
    check: (data, session) => {
      const shared = data.filter(({ name }) => record.data.some((other) => other.name === name));
      const difference = dataDifference(record.data, shared);
      if (difference === undefined) return isRepeated ? sessionNotes(last, session) : [];
      throw new UserError(
        `${path} cannot be repeated: ${difference}. Provide the same data with --data-dir, or start a ` +
          "new run without --config",
      );
    },
  };
}

/** The name of the folder that a file is in; "run" if the path has none. */
function folderNameOf(path: string): string {
  const folders = path.split(/[/\\]/).slice(0, -1).filter((part) => !/^\.*$/.test(part));
  return folders.at(-1) ?? "run";
}
