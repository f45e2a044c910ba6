// Writes api.d.ts from the built declarations. To be run after an intended change of the API; review the difference.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";

const types = new URL("../../dist/types/", import.meta.url);
const names = readdirSync(types).filter((name) => name.endsWith(".d.ts")).sort();
const text = names.map((name) => `// dist/types/${name}\n${readFileSync(new URL(name, types), "utf8")}`).join("\n");
writeFileSync(new URL("../../api.d.ts", import.meta.url), text);
