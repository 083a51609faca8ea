/**
 * Makes dist/, which with package.json beside its files is the plugin:
 *
 *     main.js              what Headlamp runs at start
 *     page.<hash>.js       src/page, and wasm-bindgen's glue
 *     crossview.<hash>.wasm
 *     tunnel.<hash>.js     src/tunnel, and the glue of the tunnel's WebAssembly
 *     tunnel.<hash>.wasm
 *     frame.<hash>.html    src/frame: the document that Crossview runs in, whole in one file
 *     assets.json          the current names of all these, for a main.js that a browser kept too long
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
import { LEXER, lexerModule } from './lexer.mjs';

/** What files may weigh, compressed, in bytes. Every user of Headlamp pays for main.js. */
const MAIN_BUDGET = 1000;
const FRAME_BUDGET = 14_000;
const TUNNEL_BUDGET = 60_000;

/**
 * What the frame's document may load. The app reaches the pod through its port to the page and nothing else
 * at all; scripts, images and the like come from blobs, which the frame makes of what came through the port.
 * The nonce is for import maps (src/frame/modules.ts).
 */
const FRAME_POLICY = {
  'default-src': "'none'",
  'script-src': "'nonce-import-map' 'wasm-unsafe-eval' blob:",
  'style-src': "'unsafe-inline' blob:",
  'img-src': 'blob: data:',
  'font-src': 'blob: data:',
  'media-src': 'blob: data:',
  'connect-src': 'blob: data:',
  'worker-src': 'blob:',
  'form-action': "'none'",
};

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

/** The stems of the files in target/wasm, by what their glue is imported as. */
const PAGE = 'crossview_headlamp';
const TUNNEL = 'crossview_tunnel';
/** @type {Record<string, string>} */
const GLUE = { 'crossview:glue': PAGE, 'crossview:tunnel-glue': TUNNEL };

/** Lets a script import wasm-bindgen's glue, a script that leaves its function in a variable. @type {import('esbuild').Plugin} */
const glue = {
  name: 'glue',
  setup(build) {
    const namespace = 'glue';
    build.onResolve({ filter: /^crossview:/ }, ({ path }) => ({ path, namespace }));
    build.onLoad({ filter: /.*/, namespace }, async ({ path }) => {
      const script = String(await readBuilt(`${GLUE[path]}.js`));
      const [, variable] = /^(?:let|var|const) (\w+)/m.exec(script) ?? [];
      return { contents: `${script}\nexport default ${variable};`, loader: 'js' };
    });
  },
};

/** Lets the frame import its lexer. @type {import('esbuild').Plugin} */
const lexer = {
  name: 'lexer',
  setup(build) {
    build.onResolve({ filter: RegExp(`^${LEXER}$`) }, ({ path }) => ({ path, namespace: 'lexer' }));
    build.onLoad({ filter: /.*/, namespace: 'lexer' }, async () => ({
      contents: await lexerModule(),
    }));
  },
};

/**
 * The frame's document.
 *
 * @returns {Promise<string>}
 */
export async function frame() {
  const js = await script('src/frame/main.ts', { plugins: [lexer] });
  const hash = createHash('sha256').update(js).digest('base64');
  const policy = Object.entries({
    ...FRAME_POLICY,
    'script-src': `'sha256-${hash}' ${FRAME_POLICY['script-src']}`,
  });
  const html = await readFile(join(root, 'src/frame/frame.html'), 'utf8');
  return html
    .replace(/\s*\n\s*/g, '')
    .replace('{policy}', policy.map(directive => directive.join(' ')).join(';'))
    .replace('<script>', tag => tag + js);
}

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
 * @throws when a file is over its budget.
 */
export async function build() {
  const [wasm, tunnelWasm] = await Promise.all([
    readBuilt(`${PAGE}_bg.wasm`),
    readBuilt(`${TUNNEL}_bg.wasm`),
  ]);
  const [tunnel, frameDocument] = await Promise.all([
    script('src/tunnel/index.ts', {
      globalName: 'tunnel',
      footer: { js: 'return tunnel.start(wasm)\n//# sourceURL=crossview/tunnel.js' },
      plugins: [glue],
    }),
    frame(),
  ]);
  const tunnelAssets = {
    tunnel: `tunnel.${hashOf(tunnel)}.js`,
    tunnelWasm: `tunnel.${hashOf(tunnelWasm)}.wasm`,
    frame: `frame.${hashOf(frameDocument)}.html`,
  };
  const page = await script('src/page/index.ts', {
    globalName: 'page',
    // The name stands in stack traces, where a function made of text has none.
    footer: { js: 'return page.open(wasm,readFile)\n//# sourceURL=crossview/page.js' },
    plugins: [glue],
    define: {
      'import.meta.env.HEADLAMP_APP_TUNNEL': JSON.stringify(tunnelAssets.tunnel),
      'import.meta.env.HEADLAMP_APP_TUNNEL_WASM': JSON.stringify(tunnelAssets.tunnelWasm),
      'import.meta.env.HEADLAMP_APP_FRAME': JSON.stringify(tunnelAssets.frame),
    },
  });
  const assets = {
    page: `page.${hashOf(page)}.js`,
    wasm: `crossview.${hashOf(wasm)}.wasm`,
    ...tunnelAssets,
  };
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
    put(assets.tunnel, tunnel),
    put(assets.tunnelWasm, tunnelWasm),
    put(assets.frame, frameDocument),
  ]);
  for (const { name, raw, brotli } of files) {
    console.log(
      `${name.padEnd(28)} ${String(raw).padStart(8)} B ${String(brotli).padStart(8)} B brotli`
    );
  }
  const weight = (/** @type {string[]} */ ...names) =>
    files.filter(({ name }) => names.includes(name)).reduce((sum, { brotli }) => sum + brotli, 0);
  keep('main.js', weight('main.js'), MAIN_BUDGET);
  keep('the frame', weight(assets.frame), FRAME_BUDGET);
  keep('the tunnel', weight(assets.tunnel, assets.tunnelWasm), TUNNEL_BUDGET);
}

/**
 * @param {string} what
 * @param {number} weight in bytes, compressed
 * @param {number} budget
 */
function keep(what, weight, budget) {
  if (weight > budget) {
    throw new Error(`${what} has ${weight} B, its budget is ${budget} B (brotli)`);
  }
}

/**
 * A file that `cargo xtask wasm` has made.
 *
 * @param {string} name
 */
function readBuilt(name) {
  return readFile(join(wasmDir, name)).catch(error => {
    throw new Error(`no ${name} in target/wasm: run \`cargo xtask wasm\` first`, { cause: error });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await build();
}
