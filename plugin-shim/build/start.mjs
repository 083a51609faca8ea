/**
 * Builds the plugin and puts it into this user's Headlamp, again at every change of src/ or of the WebAssembly
 * (`cargo xtask wasm` makes that anew). Headlamp reloads by itself.
 */
import envPaths from 'env-paths';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, watch } from 'node:fs';
import { join } from 'node:path';
import { build, pluginRoot, wasmDir } from './build.mjs';

// Where headlamp-plugin puts plugins under development.
const paths = envPaths('Headlamp', { suffix: '' });
const installed = join(
  existsSync(paths.data) ? paths.data : paths.config,
  'plugins/crossview-headlamp'
);

/** One build at a time; a change during one makes another follow. */
let building = false;
let again = false;

async function install() {
  again = building;
  if (building) {
    return;
  }
  building = true;
  try {
    await build();
    rmSync(installed, { recursive: true, force: true });
    mkdirSync(installed, { recursive: true });
    for (const name of readdirSync(join(pluginRoot, 'dist'))) {
      copyFileSync(join(pluginRoot, 'dist', name), join(installed, name));
    }
    copyFileSync(join(pluginRoot, 'package.json'), join(installed, 'package.json'));
    console.log(`installed into ${installed}`);
  } catch (error) {
    console.error(error);
  }
  building = false;
  if (again) {
    await install();
  }
}

await install();
for (const folder of [join(pluginRoot, 'src'), wasmDir]) {
  watch(folder, { recursive: true }, install);
}
