// Run by `npm publish`: fails while package.json has addresses of the reserved domain `example` (RFC 2606, section 2), which stand
// for the project's public addresses until there are some.

import { readFile } from "node:fs/promises";

const { homepage, repository, bugs } = JSON.parse(await readFile(new URL("package.json", import.meta.url), "utf8"));
const reserved = [homepage, repository.url, bugs].filter((address) => new URL(address).hostname.endsWith(".example"));
if (reserved.length) {
  console.error(`package.json: set homepage, repository and bugs to the project's own addresses; found ${reserved.join(", ")}`);
  process.exitCode = 1;
}
