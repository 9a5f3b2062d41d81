import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { type HubOptions, openHubModel } from "../../../datasets/download/hub.ts";
import { UserError } from "../../../base/errors.ts";
import { folderWith, hasServer, patientNetwork } from "../tiny_dataset.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const WEIGHTS = Uint8Array.from({ length: 50_000 }, (_, i) => i * 7);
const CONFIG = new TextEncoder().encode('{"a": 1}\n');
const FILES: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  "config.json": CONFIG,
  "model.safetensors": WEIGHTS,
};
const LISTING = {
  sha: COMMIT,
  siblings: [
    { rfilename: "config.json", size: CONFIG.length },
    {
      rfilename: "model.safetensors",
      size: WEIGHTS.length,
      lfs: { sha256: createHash("sha256").update(WEIGHTS).digest("hex") },
    },
  ],
};

type Answer = (path: string, count: number) => Response | undefined;

/** A hub on the loopback interface, and a cache. */
async function withHub(
  answer: Answer,
  fn: (hub: {
    options: HubOptions;
    requests: { path: string; authorization: string | null }[];
    slept: number[];
    cached: () => Promise<string[]>;
  }) => Promise<void>,
) {
  await using cache = await folderWith();
  const requests: { path: string; authorization: string | null }[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    requests.push({ path: pathname, authorization: request.headers.get("authorization") });
    const own = answer(pathname, requests.length - 1);
    if (own !== undefined) return own;
    if (pathname.startsWith("/api/models/ours/tiny/revision/")) return Response.json(LISTING);
    const file = pathname.replace(`/ours/tiny/resolve/${COMMIT}/`, "");
    const bytes = FILES[file];
    return bytes === undefined
      ? new Response("Entry not found", { status: 404 })
      : new Response(bytes, { headers: { etag: '"v1"' } });
  });
  const network = patientNetwork();
  try {
    await fn({
      requests,
      slept: network.slept,
      options: { endpoint: `http://127.0.0.1:${server.addr.port}/`, cacheDir: cache.path, network },
      cached: async () => {
        const names: string[] = [];
        const list = async (folder: string, prefix: string): Promise<void> => {
          for await (const { name, isDirectory } of Deno.readDir(folder)) {
            if (isDirectory) await list(`${folder}/${name}`, `${prefix}${name}/`);
            else if (name !== ".lock") names.push(prefix + name);
          }
        };
        await list(cache.path, "");
        return names.sort();
      },
    });
  } finally {
    await server.shutdown();
  }
}

function test(name: string, fn: () => Promise<void>) {
  Deno.test({ name: `openHubModel() ${name}`, ignore: !hasServer, fn });
}

const none: Answer = () => undefined;

test("pins a branch to its commit, downloads files once, and reads them offline", () =>
  withHub(none, async ({ options, requests, cached }) => {
    const model = await openHubModel("ours/tiny", options);
    assertEquals([model.commit, model.name], [COMMIT, "ours/tiny@0123456789ab"]);
    assertEquals(await model.read("model.safetensors"), WEIGHTS);
    assertEquals(await model.read("config.json"), CONFIG);
    assertEquals(await model.read("vocab.txt"), undefined);
    assertEquals(requests.map(({ path }) => path), [
      "/api/models/ours/tiny/revision/main",
      `/ours/tiny/resolve/${COMMIT}/model.safetensors`,
      `/ours/tiny/resolve/${COMMIT}/config.json`,
    ]);
    assertEquals(await cached(), [
      `hub/ours--tiny/${COMMIT}/config.json`,
      `hub/ours--tiny/${COMMIT}/model.safetensors`,
      "hub/ours--tiny/main.json",
    ]);
    const again = await openHubModel("ours/tiny", { ...options, offline: true });
    assertEquals(await again.read("model.safetensors"), WEIGHTS);
    assertEquals(requests.length, 3);
  }));

test("sends the token", () =>
  withHub(none, async ({ options, requests }) => {
    await (await openHubModel("ours/tiny", { ...options, token: "secret" })).read("config.json");
    assertEquals(requests.map(({ authorization }) => authorization), [
      "Bearer secret",
      "Bearer secret",
    ]);
  }));

for (
  const [status, message] of [
    [401, "status 401: there is no such public model; check the name, or set HF_TOKEN"],
    [404, "status 404: there is no such model, revision or file; check the name"],
  ] as const
) {
  test(`fails at once with advice and keeps nothing when the status is ${status}`, () =>
    withHub(() => new Response("no", { status }), async ({ options, slept, cached }) => {
      const error = await assertRejects(() => openHubModel("ours/tiny", options), UserError);
      assertStringIncludes(error.message, message);
      assertStringIncludes(error.message, "ours/tiny@main: 127.0.0.1");
      assertEquals([slept, await cached()], [[], []]);
    }));
}

test("tries again when the status is 503, and gives up after five attempts", () =>
  withHub((path, count) => {
    const passes = path.includes("/api/") && count === 1;
    return passes ? undefined : new Response("busy", { status: 503 });
  }, async ({ options, slept, cached }) => {
    const model = await openHubModel("ours/tiny", options); // the second time
    assertEquals(slept.length, 1);
    const error = await assertRejects(() => model.read("config.json"), UserError);
    assertStringIncludes(error.message, "status 503 (tried 5 times): try again later");
    assertEquals(await cached(), ["hub/ours--tiny/main.json"]);
  }));

test("refuses half a file whose length was not announced, and keeps nothing of it", () =>
  withHub((path) => {
    if (!path.endsWith("model.safetensors")) return undefined;
    return new Response(new Blob([WEIGHTS.slice(0, 25_000)]).stream());
  }, async ({ options, cached }) => {
    const model = await openHubModel("ours/tiny", options);
    const error = await assertRejects(() => model.read("model.safetensors"), UserError);
    assertStringIncludes(error.message, "sent 25000 of 50000 bytes (tried 5 times)");
    assertEquals(await cached(), ["hub/ours--tiny/main.json"]);
  }));

test("keeps no invalid listing, such as a log-in page", () =>
  withHub((path) => {
    if (!path.startsWith("/api/")) return undefined;
    return new Response("<!DOCTYPE html><html>Sign in</html>");
  }, async ({ options, cached }) => {
    const open = () => openHubModel(`ours/tiny@${COMMIT}`, { ...options, tries: 2 });
    const error = await assertRejects(open, UserError);
    assertStringIncludes(error.message, "127.0.0.1");
    assertStringIncludes(error.message, "sent no listing of a model (the answer is not JSON: ");
    assertEquals(await cached(), []);
  }));

test("refuses bytes with another hash when the hub lists only Git's", () =>
  withHub((path) => {
    // git hash-object of the right file
    const blobId = "cb5b2f69babc53f9145b45ad20b9a075d48717ef";
    const siblings = [{ rfilename: "config.json", size: CONFIG.length, blobId }];
    if (path.startsWith("/api/")) return Response.json({ sha: COMMIT, siblings });
    const altered = CONFIG.slice().fill(0x32, 6, 7);
    return path.endsWith("config.json") && wrong ? new Response(altered) : undefined;
  }, async ({ options, cached }) => {
    const model = await openHubModel("ours/tiny", options);
    wrong = true;
    const error = await assertRejects(() => model.read("config.json"), UserError);
    assertStringIncludes(error.message, "another hash");
    assertEquals(await cached(), ["hub/ours--tiny/main.json"]);
    wrong = false;
    assertEquals(await model.read("config.json"), CONFIG);
  }));
let wrong = false;

test("waits for the time of Retry-After, but not for an hour", () =>
  withHub((path, count) => {
    if (path.startsWith("/api/")) return undefined;
    const headers = { "retry-after": count === 1 ? "17" : "3600" };
    return new Response("busy", { status: 429, headers });
  }, async ({ options, slept, requests }) => {
    const model = await openHubModel("ours/tiny", options);
    const error = await assertRejects(() => model.read("config.json"), UserError);
    assertStringIncludes(error.message, "status 429; asks to come back in 3600 s");
    assertEquals([slept, requests.length], [[17_000], 3]);
  }));

test("does not send the token when the hub redirects to another host", async () => {
  const tokens: (string | null)[] = [];
  await using storage = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ headers }) => {
      tokens.push(headers.get("authorization"));
      return new Response(CONFIG);
    },
  );
  const location = `http://127.0.0.1:${storage.addr.port}/x`;
  await withHub((path) => {
    if (path.startsWith("/api/")) return undefined;
    return new Response(null, { status: 302, headers: { location } });
  }, async ({ options, requests }) => {
    const model = await openHubModel("ours/tiny", { ...options, token: "secret" });
    assertEquals(await model.read("config.json"), CONFIG);
    assertEquals(requests[1]!.authorization, "Bearer secret");
    assertEquals(tokens, [null]);
  });
});

test("downloads once when several callers read the same file at the same time", () =>
  withHub(none, async ({ options, requests, cached }) => {
    const network = {
      ...options.network!,
      sleep: () => new Promise<void>((resolve) => setTimeout(resolve, 5)),
    };
    const log: string[] = [];
    const read = async () => {
      const model = await openHubModel(`ours/tiny@${COMMIT}`, {
        ...options,
        network,
        log: (line) => log.push(line),
      });
      return await model.read("model.safetensors");
    };
    assertEquals(await Promise.all([read(), read(), read()]), [WEIGHTS, WEIGHTS, WEIGHTS]);
    assertEquals(requests.map(({ path }) => path), [
      `/api/models/ours/tiny/revision/${COMMIT}`,
      `/ours/tiny/resolve/${COMMIT}/model.safetensors`,
    ]);
    assertEquals(log.some((line) => line.startsWith("waiting for ")), true);
    assertEquals(await cached(), [
      `hub/ours--tiny/${COMMIT}.json`,
      `hub/ours--tiny/${COMMIT}/model.safetensors`,
    ]);
  }));

test("refuses bytes with another hash", () =>
  withHub((path) => {
    if (!path.endsWith("model.safetensors")) return undefined;
    return new Response(WEIGHTS.toReversed());
  }, async ({ options }) => {
    const model = await openHubModel("ours/tiny", options);
    const error = await assertRejects(() => model.read("model.safetensors"), UserError);
    assertStringIncludes(error.message, "another hash");
  }));

test("names the missing file when it is offline", () =>
  withHub(none, async ({ options, requests }) => {
    const offline = { ...options, offline: true };
    const error = await assertRejects(() => openHubModel("ours/tiny", offline), UserError);
    assertStringIncludes(error.message, "HF_HUB_OFFLINE forbids to fetch it");
    await openHubModel("ours/tiny", options);
    const model = await openHubModel("ours/tiny", offline);
    const missing = await assertRejects(() => model.read("config.json"), UserError);
    assertStringIncludes(missing.message, "config.json is not in the cache");
    assertEquals(requests.length, 1);
  }));

test("refuses invalid names, which could leave the cache's folder", async () => {
  for (const name of ["", "../x", "a/../b", "a/b/c", "a b", "a@b@c", "a/b@../../c", "/etc"]) {
    const error = await assertRejects(() => openHubModel(name, { cacheDir: "unused" }), UserError);
    assertStringIncludes(error.message, "names no model");
  }
});

test("throws when HF_ENDPOINT is no address", async () => {
  for (const endpoint of ["hub.example", "ftp://hub.example", "//hub.example"]) {
    const options = { endpoint, cacheDir: "unused" };
    const error = await assertRejects(() => openHubModel("ours/tiny", options), UserError);
    assertStringIncludes(error.message, `"${endpoint}", from HF_ENDPOINT, is no address of a hub`);
  }
});

test("names the host that may not be reached, the hub's or one that it redirects to", () =>
  withHub(none, async ({ options, cached }) => {
    const { host } = new URL(options.endpoint!);
    const network = { ...options.network!, mayReach: () => false };
    const denied = await assertRejects(
      () => openHubModel("ours/tiny", { ...options, network }),
      UserError,
    );
    const message = `ours/tiny@main: no permission to reach ${host} (--allow-net=${host})`;
    assertEquals([denied.message, await cached()], [message, []]);

    const model = await openHubModel("ours/tiny", {
      ...options,
      network: {
        ...options.network!,
        // As fetch does when it follows a redirect to a host that may not be reached.
        fetch: (url, init) =>
          url.includes("/resolve/")
            ? Promise.reject(
              new Deno.errors.NotCapable(
                'Requires net access to "files.example:443", run again with the --allow-net flag',
              ),
            )
            : options.network!.fetch(url, init),
      },
    });
    const elsewhere = await assertRejects(() => model.read("config.json"), UserError);
    assertStringIncludes(
      elsewhere.message,
      "the hub keeps this file elsewhere; allow that as well (--allow-net=files.example:443)",
    );
    assertEquals(await cached(), ["hub/ours--tiny/main.json"]);
  }));
