import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const engine = (file: string): string => fileURLToPath(new URL(`../kloset/src/${file}`, import.meta.url))

export default defineConfig({
  // The sources of the engine, so that these tests need no build.
  resolve: {
    alias: {
      'kloset/connector': engine('connector/index.ts'),
      kloset: engine('index.ts'),
    },
  },
  test: { include: ['test/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 120_000 },
})
