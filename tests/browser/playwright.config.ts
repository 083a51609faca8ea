/**
 * Runs the built plugin in Chromium.
 *
 * Needs plugin-shim/dist and tests/host/dist. `CROSSVIEW_CHROMIUM` names a Chromium to use in place of the
 * one that Playwright downloads; `CROSSVIEW_TEST_CLUSTER` the cluster.json of a running test cluster.
 */
import { defineConfig } from '@playwright/test';

const target = new URL('../../target/', import.meta.url).pathname;

export default defineConfig({
  testDir: '.',
  testIgnore: 'bench/**', // bench.config.ts runs these
  outputDir: `${target}playwright`,
  reporter: 'list',
  forbidOnly: Boolean(process.env.CI),
  // All of the page's tests share one cluster.
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  use: {
    browserName: 'chromium',
    locale: 'en-US',
    colorScheme: 'light',
    viewport: { width: 1280, height: 800 },
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: process.env.CROSSVIEW_CHROMIUM || undefined,
      args: [
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        // Nothing but the test host is asked for anything.
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        // Chromium refuses to run as root otherwise, as in most containers.
        ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      ],
    },
  },
});
