import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { UserError } from "../../base/errors.ts";
import { formatManifest, isSafePath, parseManifest } from "../../training/checkpoint/manifest.ts";
import { openRunFolder, type RunFolderOptions } from "../../cli/run_folder.ts";
import { configHash, formatRecord, parseRecord, readRecord } from "../../cli/run_record.ts";
import { inFolder } from "../in_folder.ts";
import { permitted } from "../permissions.ts";

const ignore = !permitted({ name: "read" }, { name: "write" });

const config = { steps: 100, batchSize: 32, optimizer: { learningRate: 1e-3 } };

/** Options of a run, with changes. */
function options(directory: string, changes: Partial<RunFolderOptions> = {}): RunFolderOptions {
  return {
    directory,
    program: "image",
    seed: 0,
    config,
    data: [{ name: "clothes, train", origin: "the bundled sample", sha256: { images: "aa" } }],
    session: {
      started: "2026-01-01T00:00:00.000Z",
      command: ["image", "--seed", "0"],
      device: "onnx",
      threads: 2,
      versions: { deno: "2.9.6" },
      system: { os: "linux", arch: "x86_64", cores: 2 },
    },
    ...changes,
  };
}

/** Opens and closes a folder. @returns Its name, and whether there was a run. */
async function open(given: RunFolderOptions): Promise<[string, boolean]> {
  using folder = await openRunFolder(given);
  return [folder.directory, folder.continued];
}

const other = { steps: 100, batchSize: 64, optimizer: { learningRate: 2e-3 } };

Deno.test({
  name: "openRunFolder() creates the folder and its parents, and records the run",
  ignore,
  fn: () =>
    inFolder(async (runs) => {
      const given = options(`${runs}/a/b`);
      using folder = await openRunFolder(given);
      assertEquals([folder.continued, folder.notes], [false, []]);
      const record = JSON.parse(await Deno.readTextFile(`${runs}/a/b/config.json`));
      assertEquals(record.format, "nanodiffusion-run");
      assertEquals(record.config, config);
      assertEquals(record.data, given.data);
      assertEquals(record.sessions, [given.session]);
      assertEquals(record.configHash, await configHash(config));
      assertEquals(await readRecord(`${runs}/a/b/config.json`), folder.record);
    }),
});

Deno.test({
  name: "openRunFolder() continues the run when the same command is given again",
  ignore,
  fn: () =>
    inFolder(async (runs) => {
      const directory = `${runs}/r`;
      assertEquals(await open(options(directory)), [directory, false]);
      await Deno.writeTextFile(`${directory}/metrics.csv`, "step\n1\n");
      // The order of settings does not matter, nor do settings that are undefined.
      const same = { optimizer: config.optimizer, batchSize: 32, loss: undefined, steps: 100 };
      for (const automatic of [false, true]) {
        assertEquals(await open(options(directory, { automatic, config: same })), [
          directory,
          true,
        ]);
      }
      assertEquals(await Deno.readTextFile(`${directory}/metrics.csv`), "step\n1\n");
      assertEquals((await readRecord(`${directory}/config.json`))?.sessions.length, 3);
    }),
});

Deno.test({
  name: "openRunFolder() refuses another run's folder and names the first difference",
  ignore,
  fn: () =>
    inFolder(async (runs) => {
      const directory = `${runs}/r`;
      await open(options(directory));
      const before = await Deno.readTextFile(`${directory}/config.json`);
      const refused = async (changes: Partial<RunFolderOptions>, message: string) => {
        await assertRejects(() => openRunFolder(options(directory, changes)), UserError, message);
      };
      await refused(
        { config: other },
        `${directory} holds another run: --batch-size is 32 there and 64 here (and 1 more)`,
      );
      await refused({ config: {} }, "--steps is 100 there and not set here");
      await refused({ program: "text" }, 'it is a run of "image", not of "text"');
      const changed = [{ name: "clothes, train", origin: "x", sha256: { images: "bb" } }];
      await refused({ data: changed }, 'the data "clothes, train" differs, in the file "images"');
      await refused(
        { data: [{ name: "\u001b[31m", origin: "", sha256: {} }] },
        'it was not trained on "\\u001b[31m"',
      );
      assertEquals(await Deno.readTextFile(`${directory}/config.json`), before);
    }),
});

Deno.test({
  name: "openRunFolder() takes the next free name when the program chose the name",
  ignore,
  fn: () =>
    inFolder(async (runs) => {
      const directory = `${runs}/image-nano-0`;
      const third = { steps: 1 };
      assertEquals(await open(options(directory, { automatic: true })), [directory, false]);
      for (
        const [wanted, name, continued] of [
          [other, `${directory}-2`, false],
          [third, `${directory}-3`, false],
          [other, `${directory}-2`, true],
          [config, directory, true],
          [third, `${directory}-3`, true],
        ] as const
      ) {
        assertEquals(await open(options(directory, { automatic: true, config: wanted })), [
          name,
          continued,
        ]);
      }
      // With resume, only existing runs are candidates.
      const resume = { automatic: true, resume: true };
      assertEquals(await open(options(directory, { ...resume, config: third })), [
        `${directory}-3`,
        true,
      ]);
      await assertRejects(
        () => openRunFolder(options(directory, { ...resume, config: { steps: 2 } })),
        UserError,
        `${directory} holds another run: --steps is 100 there and 2 here`,
      );
    }),
});

Deno.test({
  name: "openRunFolder() starts a new run, or refuses, when fresh is set and there is a run",
  ignore,
  fn: () =>
    inFolder(async (runs) => {
      const directory = `${runs}/r`;
      assertEquals(await open(options(directory, { fresh: true })), [directory, false]);
      await assertRejects(
        () => openRunFolder(options(directory, { fresh: true })),
        UserError,
        "--no-resume starts a new one",
      );
      const [name, continued] = await open(options(directory, { fresh: true, automatic: true }));
      assertEquals([name, continued], [`${directory}-2`, false]);
    }),
});

Deno.test({
  name: "openRunFolder() lets only extendable settings differ when a run is resumed",
  ignore,
  fn: () =>
    inFolder(async (runs) => {
      const directory = `${runs}/r`;
      await assertRejects(
        () => openRunFolder(options(directory, { resume: true })),
        UserError,
        `there is no run to resume in ${directory}`,
      );
      await open(options(directory));
      const longer = { ...config, steps: 200 };
      const resume = { resume: true, extendable: ["steps"] };
      await assertRejects(() => openRunFolder(options(directory, { config: longer })), UserError);
      assertEquals(await open(options(directory, { ...resume, config: longer })), [
        directory,
        true,
      ]);
      const record = (await readRecord(`${directory}/config.json`))!;
      assertEquals([record.config, record.configHash], [longer, await configHash(longer)]);
      await assertRejects(
        () => openRunFolder(options(directory, { ...resume, config: { ...other, steps: 300 } })),
        UserError,
        "--batch-size",
      );
    }),
});

Deno.test({
  name: "openRunFolder() removes the run's files and nothing else when it overwrites",
  ignore,
  fn: () =>
    inFolder(async (runs) => {
      const directory = `${runs}/r`;
      await open(options(directory));
      await Deno.mkdir(`${directory}/checkpoints/step-000001`, { recursive: true });
      for (const name of ["metrics.csv", "report.html", "notes.txt", "checkpoints/step-000001/x"]) {
        await Deno.writeTextFile(`${directory}/${name}`, "x");
      }
      const overwrite = { overwrite: true, config: other, results: ["report.html", "samples"] };
      assertEquals(await open(options(directory, overwrite)), [directory, false]);
      const names = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();
      assertEquals(names, ["config.json", "notes.txt", "run.lock"]);
      assertEquals((await readRecord(`${directory}/config.json`))?.config, other);
      assertEquals(await open(options(`${runs}/new`, overwrite)), [`${runs}/new`, false]);
    }),
});

Deno.test({
  name: "openRunFolder() refuses a folder of something else and leaves it unchanged",
  ignore,
  fn: () =>
    inFolder(async (runs) => {
      await Deno.writeTextFile(`${runs}/thesis.tex`, "x");
      await assertRejects(() => openRunFolder(options(runs)), UserError, '(it has "thesis.tex")');
      // A model's folder also has a config.json.
      await Deno.mkdir(`${runs}/unet`);
      await Deno.writeTextFile(`${runs}/unet/config.json`, '{"sample_size":28}');
      const message = "is not the config.json of a run";
      await assertRejects(() => openRunFolder(options(`${runs}/unet`)), UserError, message);
      await assertRejects(
        () => openRunFolder(options(`${runs}/unet`, { overwrite: true })),
        UserError,
        "nothing was removed",
      );
      await assertRejects(
        () => openRunFolder(options(`${runs}/thesis.tex`)),
        UserError,
        `cannot open ${runs}/thesis.tex: a part of the path is a file`,
      );
      await assertRejects(() => openRunFolder(options(`${runs}/thesis.tex/r`)), UserError, "file");
      const names = (await Array.fromAsync(Deno.readDir(`${runs}/unet`))).map(({ name }) => name);
      assertEquals(names, ["config.json"]);
    }),
});

Deno.test({
  name: "openRunFolder() starts in a folder where a run was killed before it began",
  ignore,
  fn: () =>
    inFolder(async (runs) => {
      await Deno.writeTextFile(`${runs}/run.lock`, "12\n");
      await Deno.writeTextFile(`${runs}/config.json.tmp-12-0`, '{"format"');
      using folder = await openRunFolder(options(runs));
      assertEquals([folder.continued, folder.notes.length], [false, 1]);
      assert(folder.notes[0]!.includes("config.json.tmp-12-0"));
    }),
});

Deno.test({
  name: "openRunFolder() refuses a folder that another run is writing, and names the process",
  ignore,
  fn: () =>
    inFolder(async (runs) => {
      for (const automatic of [false, true]) {
        using first = await openRunFolder(options(`${runs}/r`, { automatic }));
        for (const overwrite of [false, true]) {
          await assertRejects(
            () => openRunFolder(options(`${runs}/r`, { automatic, overwrite })),
            UserError,
            `another run (process ${Deno.pid}) is writing ${first.directory}`,
          );
        }
      }
      assertEquals(await open(options(`${runs}/r`)), [`${runs}/r`, true]);
    }),
});

Deno.test({
  name: "openRunFolder() warns when the device or a version differs from the last start",
  ignore,
  fn: () =>
    inFolder(async (runs) => {
      const directory = `${runs}/r`;
      const { session } = options(directory);
      await open(options(directory));
      const now = { ...session, device: "cpu", versions: { deno: "3.0.0" } };
      using folder = await openRunFolder(options(directory, { session: now }));
      assertEquals(folder.notes.length, 2);
      assert(folder.notes[0]!.startsWith('device was "onnx" when this run was last started'));
      assert(folder.notes[1]!.startsWith('versions.deno was "2.9.6"'));
    }),
});

Deno.test({
  name: "readRecord() refuses a config.json that was edited, truncated or has another version",
  ignore,
  fn: () =>
    inFolder(async (runs) => {
      const path = `${runs}/config.json`;
      assertEquals(await readRecord(path), undefined);
      await open(options(runs));
      const text = await Deno.readTextFile(path);
      for (
        const [content, message] of [
          [text.replace('"batchSize": 32', '"batchSize": 33'), "was edited"],
          [text.slice(0, 100), "is not JSON"],
          [text.replace('"version": 1', '"version": 9'), "version 9"],
          [text.replace('"config": {', '"config": 3, "other": {'), "lacks a part"],
          [text.replace('"config": {', '"config": {"__proto__": 1,'), "__proto__"],
          ["[]", "does not hold a JSON object"],
          ['{"format":"nanodiffusion-run","format":"nanodiffusion-run"}', "twice"],
        ] as const
      ) {
        await Deno.writeTextFile(path, content);
        const error = await assertRejects(() => readRecord(path), UserError, message);
        assert(error.message.startsWith(path));
      }
    }),
});

/** A text with some characters replaced or removed. */
function changed(text: string): fc.Arbitrary<string> {
  const change = fc.tuple(
    fc.nat(text.length - 1),
    fc.constantFrom(...'{}[]",:0-9e.\\\u0000ax', ""),
  );
  return fc.array(change, { minLength: 1, maxLength: 5 }).map((changes) =>
    changes.reduce((now, [at, by]) => now.slice(0, at) + by + now.slice(at + 1), text)
  );
}

Deno.test("parseRecord() returns the record or throws a UserError when its text is changed", async () => {
  const { program, seed, data, session } = options("x");
  const record = { program, seed, config, data, configHash: await configHash(config) };
  const text = formatRecord({ ...record, sessions: [session] });
  await fc.assert(
    fc.asyncProperty(changed(text), async (other) => {
      try {
        // If it can be read, the hash ensures that the configuration is the same.
        assertEquals((await parseRecord(other, "x")).config, config);
      } catch (error) {
        assert(error instanceof UserError && error.message.startsWith("x "), String(error));
      }
    }),
    { numRuns: 300, seed: 7 },
  );
});

Deno.test("parseManifest() returns paths or throws a UserError when its text is changed", () => {
  const entry = { bytes: 12, sha256: "0123456789abcdef".repeat(4) };
  const text = formatManifest(new Map([["unet/config.json", entry], ["model_index.json", entry]]));
  fc.assert(
    fc.property(changed(text), (other) => {
      try {
        for (const path of parseManifest(other, "x").keys()) assert(isSafePath(path));
      } catch (error) {
        assert(error instanceof UserError && /^x[: ]/.test(error.message), String(error));
      }
    }),
    { numRuns: 300, seed: 8 },
  );
});
