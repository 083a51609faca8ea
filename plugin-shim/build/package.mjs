/**
 * Packs dist/ into crossview-headlamp-<version>.tar.gz, as Headlamp's plugin catalog wants it.
 *
 * headlamp-plugin names the folder inside after the one that it packs; unpacked by hand, that is the
 * plugin's folder. So a copy with the plugin's own name is packed.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pluginRoot } from './build.mjs';

const { name, version } = JSON.parse(readFileSync(join(pluginRoot, 'package.json'), 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'crossview-package-'));
try {
  for (const part of ['dist', 'package.json']) {
    cpSync(join(pluginRoot, part), join(folder, name, part), { recursive: true });
  }
  rmSync(join(pluginRoot, `${name}-${version}.tar.gz`), { force: true });
  execFileSync('headlamp-plugin', ['package', join(folder, name), pluginRoot], {
    stdio: 'inherit',
    shell: process.platform === 'win32', // where commands of npm are scripts
  });
} finally {
  rmSync(folder, { recursive: true });
}
