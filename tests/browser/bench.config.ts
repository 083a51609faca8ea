/** Measures what has a budget; `cargo xtask bench` takes the figures from the lines on stdout that are JSON. */
import { defineConfig } from '@playwright/test';
import tests from './playwright.config';

export default defineConfig({
  ...tests,
  testDir: 'bench',
  testMatch: '*.bench.ts',
  testIgnore: [],
  timeout: 20 * 60_000,
});
