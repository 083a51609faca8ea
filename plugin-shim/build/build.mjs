/**
 * Makes dist/, which with package.json beside its files is the plugin:
 *
 *     main.js              what Headlamp runs at start
 *     page.<hash>.js       the rest of src/, and wasm-bindgen's glue
 *     crossview.<hash>.wasm
 *     assets.json          the current names of the two, for a main.js that a browser kept too long
 *     *.br                 each of them compressed; Headlamp's server sends these to who takes them
 *
 * Expects the WebAssembly and its glue in target/wasm (cargo xtask wasm). esbuild is used in place of
 * `headlamp-plugin build`: that wraps main.js in a loader for every module system and lowers its syntax,
 * which takes it over its budget, and it knows of one script only.
 */
import { build as bundle } from 'esbuild';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';

/** What main.js may weigh, compressed, in bytes: every user of Headlamp pays for it. */
const MAIN_BUDGET = 1000;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Where cargo xtask wasm puts the WebAssembly and its glue. */
export const wasmDir = join(root, '../target/wasm');

/** The plugin's folder. */
export const pluginRoot = root;

/**
 * One script of src/ with all that it imports, as text.
 *
 * @param {string} entry
 * @param {import('esbuild').BuildOptions} options
 * @returns {Promise<string>}
 */
async function script(entry, options) {
  const result = await bundle({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    minify: true,
    format: 'iife',
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
    tsconfigRaw: {}, // what this plugin's tsconfig says of types is nothing to esbuild but longer
    ...options,
  });
  return result.outputFiles?.[0]?.text ?? '';
}

/** Lets src/page import wasm-bindgen's glue, a script that leaves its function in a variable. */
const glue = {
  name: 'glue',
  /** @param {import('esbuild').PluginBuild} build */
  setup(build) {
    build.onResolve({ filter: /^crossview:glue$/ }, ({ path }) => ({ path, namespace: 'glue' }));
    build.onLoad({ filter: /.*/, namespace: 'glue' }, async () => ({
      contents: `${await readFile(join(wasmDir, 'crossview_headlamp.js'), 'utf8')}
        export default wasm_bindgen;`,
      loader: 'js',
    }));
  },
};

/**
 * Writes a file of dist/ and its compressed sidecar.
 *
 * @param {string} name
 * @param {string | Uint8Array} content
 * @returns {Promise<{ name: string, raw: number, brotli: number }>}
 */
async function put(name, content) {
  const bytes = Buffer.from(content);
  const compressed = await promisify(brotliCompress)(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
  await writeFile(join(root, 'dist', name), bytes);
  await writeFile(join(root, 'dist', `${name}.br`), compressed);
  return { name, raw: bytes.length, brotli: compressed.length };
}

/** @param {string | Uint8Array} content */
const hashOf = content => createHash('sha256').update(content).digest('hex').slice(0, 10);

/**
 * Builds the plugin and prints what its files weigh.
 *
 * @throws when main.js is over its budget.
 */
export async function build() {
  const wasm = await readFile(join(wasmDir, 'crossview_headlamp_bg.wasm')).catch(error => {
    throw new Error('no WebAssembly in target/wasm: run `cargo xtask wasm` first', {
      cause: error,
    });
  });
  const page = await script('src/page/index.ts', {
    globalName: 'page',
    // The name stands in stack traces, where a function made of text has none.
    footer: { js: 'return page.open(wasm,readFile)\n//# sourceURL=crossview/page.js' },
    plugins: [glue],
  });
  const assets = { page: `page.${hashOf(page)}.js`, wasm: `crossview.${hashOf(wasm)}.wasm` };
  const main = await script('src/index.tsx', {
    define: {
      'import.meta.env.HEADLAMP_APP_PAGE': JSON.stringify(assets.page),
      'import.meta.env.HEADLAMP_APP_WASM': JSON.stringify(assets.wasm),
    },
  });

  await rm(join(root, 'dist'), { recursive: true, force: true });
  await mkdir(join(root, 'dist'));
  await writeFile(join(root, 'dist/assets.json'), `${JSON.stringify(assets)}\n`);
  const files = await Promise.all([
    put('main.js', main),
    put(assets.page, page),
    put(assets.wasm, wasm),
  ]);
  for (const { name, raw, brotli } of files) {
    console.log(
      `${name.padEnd(28)} ${String(raw).padStart(8)} B ${String(brotli).padStart(8)} B brotli`
    );
  }
  if (files[0].brotli > MAIN_BUDGET) {
    throw new Error(`main.js has ${files[0].brotli} B, its budget is ${MAIN_BUDGET} B (brotli)`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await build();
}
