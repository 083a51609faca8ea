/**
 * Builds the host into dist/, or takes it from this user's cache, where it is kept by the hash of all that it
 * is made of: the build takes half a minute and changes with Headlamp's library, not with the plugin.
 */
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = fileURLToPath(new URL('.', import.meta.url));
const cache = join(
  process.env.CROSSVIEW_CACHE ||
    join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'crossview-headlamp'),
  'test-host'
);

const sources = ['../../package-lock.json', 'index.html', 'vite.config.mts'];
for (const name of (await readdir(join(root, 'src'))).sort()) {
  sources.push(`src/${name}`);
}
const hash = createHash('sha256');
for (const source of sources) {
  hash.update(`${source}\0`).update(await readFile(join(root, source)));
}
const kept = join(cache, hash.digest('hex').slice(0, 16));
const dist = join(root, 'dist');

await rm(dist, { recursive: true, force: true });
try {
  await cp(kept, dist, { recursive: true });
  console.log(`the host is as it was built into ${kept}`);
} catch {
  await build({ root });
  // Whole or not at all: two builds may run at a time.
  const half = `${kept}.${process.pid}`;
  await mkdir(cache, { recursive: true });
  await cp(dist, half, { recursive: true });
  await rename(half, kept).catch(() => rm(half, { recursive: true }));
}
