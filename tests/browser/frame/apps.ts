/** The apps of tests/fixtures as programs of this machine, built once for each state of their sources. */
import { ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import net, { AddressInfo } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type AppName = 'app' | 'torture';

/** What the torture app can't have in a document of an opaque origin, and how the page hears of it. */
export const MISSING = {
  indexedDB: 'indexedDB',
  caches: 'caches',
  'navigator.locks': 'navigator.locks',
  'navigator.serviceWorker': undefined,
  'a module as a worker': 'Worker',
  'another origin': 'connect-src: https://torture.invalid/',
} as const;

/** What Firefox hasn't beside those. */
export const MISSING_IN_FIREFOX = {
  'modules that import each other': 'modules that import each other, in this browser',
  ...MISSING,
} as const;

const fixtures = fileURLToPath(new URL('../../fixtures', import.meta.url));
const cache = join(
  process.env.CROSSVIEW_CACHE ||
    join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'crossview-headlamp'),
  'apps'
);

/** The app's program; built if it isn't there yet. */
function program(name: AppName): string {
  const hash = createHash('sha256');
  const folder = join(fixtures, name);
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath ?? entry.path, entry.name))
    .filter(path => !/[\\/](node_modules|dist)[\\/]/.test(path));
  for (const path of [join(fixtures, 'build.sh'), ...names.sort()]) {
    hash.update(`${path.slice(fixtures.length)}\0`).update(readFileSync(path));
  }
  const built = join(cache, `${name}-${hash.digest('hex').slice(0, 12)}`);
  if (!existsSync(built)) {
    mkdirSync(cache, { recursive: true });
    const half = `${built}.${process.pid}`;
    execFileSync('bash', [join(fixtures, 'build.sh'), name, half], { stdio: 'pipe' });
    renameSync(half, built); // whole or not at all
  }
  return built;
}

export interface RunningApp {
  readonly url: string;
  end(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts the app, and waits until it answers. */
export async function startApp(name: AppName): Promise<RunningApp> {
  const port = await freePort();
  const app: ChildProcess = spawn(program(name), [], {
    env: { PORT: String(port), AUTH_MODE: 'none', CROSSVIEW_VERSION: 'v4.6.0' },
    stdio: 'ignore',
  });
  const ended = once(app, 'exit');
  const url = `http://127.0.0.1:${port}`;
  for (;;) {
    if (app.exitCode !== null) {
      throw new Error(`${name} ended with ${app.exitCode}`);
    }
    const answer = await fetch(`${url}/api/health`).catch(() => undefined);
    if (answer?.ok) {
      break;
    }
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  return {
    url,
    async end() {
      app.kill();
      await ended;
    },
  };
}
