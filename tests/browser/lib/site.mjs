// Static files for the suites' pages.
import http from "node:http";
import fs from "node:fs/promises";
import path from "node:path";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/**
 * Serves folders by path prefix, the longest prefix first: `{ "/": folder, "/sdk/": another }`.
 * `change(path, body)` may give another body; `gate(path)` a promise to wait for before answering; `headers(path)` more headers.
 */
export async function serve(folders, { change = (_, body) => body, gate = () => undefined, headers = () => ({}) } = {}) {
  const prefixes = Object.keys(folders).sort((a, b) => b.length - a.length);
  const read = async (name) => {
    const prefix = prefixes.find((candidate) => name.startsWith(candidate));
    const root = path.resolve(folders[prefix]);
    const file = path.join(root, path.normalize(`/${name.slice(prefix.length)}`));
    return fs.readFile(file.endsWith(path.sep) ? `${file}index.html` : file);
  };
  const server = http.createServer(async (request, response) => {
    const name = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    try {
      const body = change(name, await read(name));
      await gate(name);
      const type = TYPES[path.extname(name) || ".html"] ?? "application/octet-stream";
      response.writeHead(200, { "content-type": type, "cache-control": "no-store", ...headers(name) }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((ok, no) => server.once("error", no).listen(0, "127.0.0.1", ok));
  return {
    url: `http://localhost:${server.address().port}/`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
