import { beforeEach, expect, test, vi } from 'vitest';

/** The server's files by name; what isn't here is gone. */
let files: Record<string, string>;
/** What was asked for, with the cache mode where there was one. */
let asked: string[];

beforeEach(() => {
  vi.resetModules();
  vi.stubEnv('HEADLAMP_APP_PAGE', 'page.old.js');
  vi.stubEnv('HEADLAMP_APP_WASM', 'crossview.old.wasm');
  asked = [];
  vi.spyOn(pluginLib.ApiProxy, 'request').mockImplementation(async (path, params) => {
    if (path === '/plugins') {
      return [{ path: 'plugins/crossview' }];
    }
    const name = path.replace('/plugins/crossview/', '');
    asked.push(params?.cache ? `${name} (${params.cache})` : name);
    const content = files[name];
    if (content === undefined) {
      throw new Error('Not Found - 404 page not found');
    }
    return new Response(content);
  });
});

/** A page's script that gives a component of this name. */
const script = (name: string) => `return Object.assign(() => null, { displayName: '${name}' })`;

test('the names that the build knew are asked for, once', async () => {
  files = { 'page.old.js': script('old'), 'crossview.old.wasm': '' };
  const { load } = await import('./load');

  const [first, second] = await Promise.all([load(), load()]);

  expect(first.displayName).toBe('old');
  expect(second).toBe(first);
  expect(asked).toEqual(['page.old.js', 'crossview.old.wasm']);
});

test('the page gets the WebAssembly and a way to read files', async () => {
  files = {
    'page.old.js': `return Promise.all([wasm.text(), readFile('more').then(r => r.text())])
      .then(read => Object.assign(() => null, { displayName: read.join() }))`,
    'crossview.old.wasm': 'wasm',
    more: 'more',
  };
  const { load } = await import('./load');

  await expect(load()).resolves.toHaveProperty('displayName', 'wasm,more');
});

test('trying again reads the names afresh, past every cache', async () => {
  files = {
    'assets.json': '{ "page": "page.new.js", "wasm": "crossview.new.wasm" }',
    'page.new.js': script('new'),
    'crossview.new.wasm': '',
  };
  const { load } = await import('./load');
  await expect(load().catch(String)).resolves.toMatch(
    /^(page\.old\.js|crossview\.old\.wasm): Not Found/
  );
  asked = [];

  const page = await load('reload');

  expect(page.displayName).toBe('new');
  expect(asked).toEqual([
    'assets.json (reload)',
    'page.new.js (reload)',
    'crossview.new.wasm (reload)',
  ]);
});

test('a failure is forgotten', async () => {
  files = {};
  const { load } = await import('./load');
  await expect(load()).rejects.toThrow();

  files = { 'page.old.js': script('old'), 'crossview.old.wasm': '' };

  await expect(load()).resolves.toHaveProperty('displayName', 'old');
});
