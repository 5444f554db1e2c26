import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // By default it leaves a core idle, which is half of a small machine; many tests wait for servers and other processes anyway.
    maxWorkers: Math.max(2, availableParallelism()),
    projects: [
      'packages/*',
      { test: { name: 'testing', include: ['testing/test/**/*.test.ts'], testTimeout: 30_000 } },
      { test: { name: 'scripts', include: ['scripts/test/**/*.test.mjs'], testTimeout: 30_000 } },
    ],
  },
})
