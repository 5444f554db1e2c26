import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  define: { KLOSET_VERSION: '"0.0.0"' },
  // The source, so that the unit tests need no build; the tests of test/command run what was built.
  resolve: {
    alias: { 'kloset/connector': fileURLToPath(new URL('../kloset/src/connector/index.ts', import.meta.url)) },
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['../../testing/global-s3.ts', '../../testing/global-ssh.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
