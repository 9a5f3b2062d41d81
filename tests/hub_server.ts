/** A hub of models on the loopback interface. */

/** @param files The content of the models ours/NAME, by NAME/FILE. */
export function serveHub(files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>) {
  const sha = "0123456789abcdef0123456789abcdef01234567";
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    const [, model] = /^\/api\/models\/ours\/(\w+)\/revision\/main$/.exec(pathname) ?? [];
    const names = Object.keys(files).filter((name) => name.startsWith(`${model}/`));
    if (model !== undefined && names.length > 0) {
      const siblings = names.map((name) => ({ rfilename: name.slice(model.length + 1) }));
      return Response.json({ sha, siblings });
    }
    const [, folder, name] = /^\/ours\/(\w+)\/resolve\/\w+\/(.+)$/.exec(pathname) ?? [];
    const bytes = files[`${folder}/${name}`];
    return bytes === undefined
      ? new Response("Entry not found", { status: 404 })
      : new Response(bytes);
  });
  return {
    address: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
