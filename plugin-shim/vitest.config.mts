/** Unit tests run against Headlamp's own library, in a simulated browser. */
import { defineConfig } from 'vitest/config';
import { LEXER, lexerModule } from './build/lexer.mjs';

export default defineConfig({
  plugins: [
    {
      name: 'lexer',
      resolveId: id => (id === LEXER ? id : undefined),
      load: id => (id === LEXER ? lexerModule() : undefined),
    },
  ],
  test: {
    globals: true,
    environment: 'jsdom',
    include: ['src/**/*.test.ts'],
    setupFiles: ['src/pluginLib.setup.ts'],
    restoreMocks: true,
    unstubGlobals: true,
    // Its modules import each other in a way that only bundlers understand.
    server: { deps: { inline: [/@kinvolk\/headlamp-plugin/] } },
  },
});
