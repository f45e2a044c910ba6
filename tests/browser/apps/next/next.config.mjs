import path from "node:path";

// The package `next` is in the `node_modules` of a folder above this project.
export default { turbopack: { root: path.join(import.meta.dirname, "../..") } };
