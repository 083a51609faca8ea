import { expect, test, vi } from 'vitest';
import { folderFromStack } from './folder';

/** Runs a script as Headlamp runs a plugin's, and gives the stack trace that the script sees. */
function stackSeenBy(path: string): string {
  const script = `return new Error('ours').stack;\n//# sourceURL=//${path}/dist/main.js`;
  return new Function(script)();
}

test.each([
  ['plugins/crossview-headlamp'],
  ['user-plugins/crossview-headlamp'],
  ['static-plugins/crossview-headlamp'],
  ['plugins/another.name_2@1.0'],
  ['user-plugins/plugins'],
  ['plugins\\crossview-headlamp'],
])('the folder %s is read from the trace of a script that runs there', path => {
  expect(folderFromStack(stackSeenBy(path))).toBe(path);
});

test.each([
  [
    'Firefox',
    '@//user-plugins/crossview/dist/main.js:4:22\nrunPlugin@http://host/assets/index.js:1:2',
  ],
  ['Safari', 'anonymous@//user-plugins/crossview/dist/main.js:4:22\n[native code]'],
])('the folder is read from a trace as %s writes it', (_, stack) => {
  expect(folderFromStack(stack)).toBe('user-plugins/crossview');
});

test.each([
  ['a trace of other scripts', 'Error\n    at eval (http://host/plugins/x/assets/index.js:1:2)'],
  ['a trace of no scripts', 'Error'],
  ['no trace', undefined],
])('%s tells no folder', (_, stack) => {
  expect(folderFromStack(stack)).toBeUndefined();
});

// A blank in a folder's name keeps the name out of every trace.
test('where the trace does not tell, Headlamp is asked for its plugins', async () => {
  vi.resetModules();
  const asked = vi.spyOn(pluginLib.ApiProxy, 'request').mockImplementation(async path => {
    return path === '/plugins'
      ? [{ path: 'plugins/other' }, { path: 'user-plugins/my Crossview' }]
      : new Response('{}');
  });
  const { readFile } = await import('./folder');

  await readFile('assets.json');
  await readFile('assets.json');

  expect(asked.mock.calls.map(([path]) => path)).toEqual([
    '/plugins',
    '/user-plugins/my Crossview/assets.json',
    '/user-plugins/my Crossview/assets.json',
  ]);
});

test('a file that is not there is named', async () => {
  vi.resetModules();
  vi.stubGlobal('fetch', async (url: string) =>
    url.endsWith('/plugins')
      ? Response.json([{ path: 'plugins/crossview' }])
      : new Response('404 page not found\n', { status: 404, statusText: 'Not Found' })
  );
  const { readFile } = await import('./folder');

  await expect(readFile('page.0.js').catch(String)).resolves.toBe(
    'page.0.js: Not Found - 404 page not found\n'
  );
});
