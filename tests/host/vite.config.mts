/**
 * Builds the host from the frontend library inside @kinvolk/headlamp-plugin, which is made for plugins to
 * be typed and tested against, not to be a page; each setting mends one thing that this leaves open.
 *
 * Build mode only: with a development server the library calls http://localhost:4466.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import svgr from 'vite-plugin-svgr';

const editor = fileURLToPath(new URL('src/editor.tsx', import.meta.url));
const { version } = createRequire(import.meta.url)('@kinvolk/headlamp-plugin/package.json');

export default defineConfig({
  // The server puts its base URL in front, as Headlamp's does.
  base: './',
  // The library imports its logos as components.
  plugins: [svgr({ include: '**/*.svg?react' })],
  esbuild: { jsx: 'automatic' },
  define: {
    global: 'globalThis',
    'import.meta.env.REACT_APP_HEADLAMP_VERSION': JSON.stringify(version),
    'import.meta.env.REACT_APP_HEADLAMP_PRODUCT_NAME': JSON.stringify('Headlamp'),
  },
  resolve: {
    // One instance of each, or their contexts don't meet.
    dedupe: [
      '@emotion/react',
      '@emotion/styled',
      '@mui/material',
      '@mui/system',
      '@tanstack/react-query',
      'i18next',
      'notistack',
      'react',
      'react-dom',
      'react-i18next',
      'react-redux',
      'react-router',
      'react-router-dom',
    ],
    // Four megabytes, and at run time a CDN.
    alias: [{ find: /^(monaco-editor|@monaco-editor\/react)$/, replacement: editor }],
  },
  json: { stringify: true },
  build: {
    target: 'esnext',
    chunkSizeWarningLimit: 100_000,
    reportCompressedSize: false,
    // The library loads its translations by a computed path; Vite leaves those in node_modules alone.
    dynamicImportVarsOptions: { exclude: [] },
    rollupOptions: {
      maxParallelFileOps: 200,
      onwarn(warning, report) {
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE' && warning.code !== 'SOURCEMAP_ERROR') {
          report(warning);
        }
      },
    },
  },
});
