import { expect, test, vi } from 'vitest';

test('the entry leads to the route, and the route selects the entry', async () => {
  await import('./index');
  const entry = vi.mocked(pluginLib.registerSidebarEntry).mock.lastCall?.[0];
  const route = vi.mocked(pluginLib.registerRoute).mock.lastCall?.[0];

  expect(entry).toMatchObject({ label: 'Crossview', url: '/crossview', useClusterURL: true });
  expect(route).toMatchObject({ path: entry?.url, sidebar: entry?.name, useClusterURL: true });
});

// One plugin's exception while Headlamp runs the plugins is every plugin's.
test('a browser that refuses storage is no reason to throw', async () => {
  vi.resetModules();
  vi.spyOn(Storage.prototype, 'getItem').mockImplementation(() => {
    throw new DOMException('denied', 'SecurityError');
  });

  await expect(import('./index')).resolves.toBeDefined();
});
