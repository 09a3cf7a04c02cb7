import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 2,
    // The built engine is loaded by Node as its users load it, not transformed.
    server: { deps: { external: [/\/dist\//] } },
    // Source errors are `npm run types`' business; here only what test/types expects of the compiler.
    typecheck: {
      enabled: true,
      include: ["test/types/*.test-d.ts"],
      tsconfig: "test/types/tsconfig.json",
      ignoreSourceErrors: true,
    },
  },
});
