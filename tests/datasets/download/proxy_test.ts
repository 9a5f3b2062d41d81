import { assertEquals } from "@std/assert";
import { permitted } from "../../permissions.ts";

const ignore = !permitted(
  { name: "net", host: "127.0.0.1" },
  { name: "run", command: Deno.execPath() },
  { name: "env" },
);

/** A proxy that answers requests itself, refuses tunnels, and records the first lines. */
function startProxy() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const requested: string[] = [];
  const ended = (async () => {
    for await (const connection of listener) {
      const buffer = new Uint8Array(4096);
      const count = await connection.read(buffer);
      const [line = ""] = new TextDecoder().decode(buffer.subarray(0, count ?? 0)).split("\r\n");
      requested.push(line.replace(/ HTTP\/1\.1$/, ""));
      const answer = line.startsWith("CONNECT")
        ? "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"
        : "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nproxy";
      await connection.write(new TextEncoder().encode(answer));
      connection.close();
    }
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    requested,
    [Symbol.asyncDispose]: async () => {
      listener.close();
      await ended;
    },
  };
}

/** Requests addresses, by default with exactly the permissions of `deno task image`. */
async function request(
  addresses: string[],
  variables: Record<string, string>,
  permissions = "-P=image",
): Promise<string[]> {
  const names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];
  const unset = names.flatMap((name) => [[name, ""], [name.toLowerCase(), ""]]);
  const lower = Object.entries(variables).map(([name, value]) => [name.toLowerCase(), value]);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-q",
      "--no-prompt",
      permissions,
      "tests/datasets/download/request_addresses.ts",
      ...addresses,
    ],
    cwd: new URL("../../..", import.meta.url),
    env: { ...Object.fromEntries([...unset, ...lower]), ...variables },
    stderr: "inherit",
  }).output();
  return new TextDecoder().decode(stdout).trim().split("\n");
}

const HOST = "fashion-mnist.s3-website.eu-central-1.amazonaws.com";
const PLAIN = `http://${HOST}/a.gz`;
const SECURE = "https://raw.githubusercontent.com/a.gz";

Deno.test({
  name: "systemNetwork uses the environment's proxies with the permissions of the image task",
  ignore,
  async fn() {
    await using proxy = startProxy();
    const variables = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url };
    const answers = await request([PLAIN, SECURE, "http://example.com/", proxy.url], variables);
    assertEquals(answers, ["200 proxy", "no connection", "no permission", "no permission"]);
    assertEquals(proxy.requested, [`GET ${PLAIN}`, "CONNECT raw.githubusercontent.com:443"]);
  },
});

Deno.test({
  name: "systemNetwork uses no proxy for hosts that NO_PROXY names",
  ignore,
  async fn() {
    await using proxy = startProxy();
    await using server = startProxy(); // it answers as well
    const net = "--allow-net=127.0.0.1,files.invalid";
    const variables = { HTTP_PROXY: proxy.url, NO_PROXY: "127.0.0.1,example.com" };
    await request([`${server.url}/a`, "http://files.invalid/b"], variables, net);
    assertEquals([server.requested, proxy.requested], [["GET /a"], ["GET http://files.invalid/b"]]);
  },
});

Deno.test({
  name: "systemNetwork follows no redirect to a host that may not be reached",
  ignore,
  async fn() {
    await using other = startProxy(); // it answers as well
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => new Response(null, { status: 302, headers: { location: `${other.url}/a` } }),
    );
    const host = `127.0.0.1:${server.addr.port}`;
    assertEquals(await request([`http://${host}/a`], {}, `--allow-net=${host}`), ["not capable"]);
    assertEquals(other.requested, []);
  },
});
