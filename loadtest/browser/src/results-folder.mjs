// Where results lie.

import { join } from "node:path";

import { root } from "./binaries.mjs";

export const resultsFolder = process.env.RESULTS_DIR ?? join(root, "target", "results");
