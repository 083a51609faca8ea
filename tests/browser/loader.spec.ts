/**
 * How the built plugin gets into Headlamp: found, loaded in time and no sooner, said when it can't be, and
 * gone when it is left. None of this needs a cluster.
 */
import type { Page } from '@playwright/test';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crossview, expect, expectShown, openCluster, sidebarEntry, test } from './fixtures';

/** Names of the files of plugin folders that the page asks for, in order, from now on. */
function filesAskedFor(page: Page): string[] {
  const files: string[] = [];
  page.on('request', request => {
    const [, file] = /plugins\/[^/]+\/([^/?]+)$/.exec(new URL(request.url()).pathname) ?? [];
    if (file) {
      files.push(file);
    }
  });
  return files;
}

/** The page's script and its WebAssembly. */
const THE_REST = [
  expect.stringMatching(/^page\.[0-9a-f]+\.js$/),
  expect.stringMatching(/^crossview\.[0-9a-f]+\.wasm$/),
];

for (const kind of ['plugins', 'user-plugins', 'static-plugins'] as const) {
  test(`is found among ${kind}`, async ({ host, page, plugins }) => {
    await plugins.install();

    await openCluster(page, await host({ kind }));
    await sidebarEntry(page).click();

    await expectShown(page);
  });
}

test('is found below a base URL', async ({ host, page, plugins }) => {
  await plugins.install();

  await openCluster(page, await host({ base: '/some/base' }));
  await sidebarEntry(page).click();

  await expectShown(page);
  expect(new URL(page.url()).pathname).toBe('/some/base/c/test/crossview');
});

test('is found in a folder of another name', async ({ host, page, plugins }) => {
  await plugins.install('something_else-1.0');

  await openCluster(page, await host());
  await sidebarEntry(page).click();

  await expectShown(page);
});

// A space in the folder's name keeps the name out of the stack trace, which is where it is read first.
test('is found in a folder that its stack trace does not tell', async ({ host, page, plugins }) => {
  await plugins.install('my crossview');

  await openCluster(page, await host());
  await sidebarEntry(page).click();

  await expectShown(page);
});

test('opens by its address', async ({ host, page, plugins }) => {
  await plugins.install();

  await page.goto(`${await host()}c/test/crossview`);

  await expectShown(page);
});

// The desktop's page is of another origin than its server.
test('is loaded from another origin on the desktop', async ({ browser, host, plugins }) => {
  await plugins.install();
  const context = await browser.newContext({ userAgent: 'Electron' });
  const page = await context.newPage();
  const url = new URL(await host({ desktop: true }));
  await page.addInitScript(port => {
    Object.assign(window, { headlampBackendPort: port });
  }, url.port);

  await openCluster(page, `${url}#/`);
  await sidebarEntry(page).click();

  await expectShown(page);
  await context.close();
});

test('is loaded although the server does not know WebAssembly', async ({ host, page, plugins }) => {
  await plugins.install();

  await openCluster(page, await host({ types: { '.wasm': 'application/octet-stream' } }));
  await sidebarEntry(page).click();

  await expectShown(page);
});

test('costs one script until it is asked for', async ({ host, page, plugins }) => {
  await plugins.install();
  const files = filesAskedFor(page);

  await openCluster(page, await host());
  await page.evaluate(() => new Promise(resolve => requestIdleCallback(resolve)));

  expect(files.sort()).toEqual(['main.js', 'package.json']);
});

for (const interest of ['hover', 'focus'] as const) {
  test(`is loaded ahead on ${interest} of its sidebar entry`, async ({ host, page, plugins }) => {
    await plugins.install();
    await openCluster(page, await host());
    const files = filesAskedFor(page);

    await sidebarEntry(page)[interest]();

    await expect.poll(() => files).toEqual(THE_REST);
  });
}

test('is loaded when the browser rests only after a first visit', async ({
  host,
  page,
  plugins,
}) => {
  await plugins.install();
  const url = await host();
  await page.goto(`${url}c/test/crossview`);
  await expectShown(page);
  const files = filesAskedFor(page);

  await openCluster(page, url);

  await expect.poll(() => files).toEqual([expect.anything(), expect.anything(), ...THE_REST]);
});

test('says that it is being loaded', async ({ host, page, plugins, takeScreenshots }) => {
  await plugins.install();
  let answer = () => {};
  const held = new Promise<void>(resolve => (answer = resolve));
  await page.route(/\.wasm$/, async route => {
    await held;
    await route.continue();
  });

  await page.goto(`${await host()}c/test/crossview`);

  await expect(page.getByRole('status')).toHaveText('Loading Crossview…');
  await takeScreenshots('loading');
  answer();
  await expectShown(page);
});

// A browser may keep main.js over an upgrade; it then asks for files that are gone.
test('says what is missing after an upgrade and finds it again', async ({
  host,
  page,
  plugins,
  takeScreenshots,
}) => {
  const folder = await plugins.install();
  await openCluster(page, await host());
  const old = await page.evaluate(async () =>
    (await fetch('/plugins/crossview-headlamp/assets.json')).json()
  );
  const upgraded = { page: 'page.0000000000.js', wasm: 'crossview.0000000000.wasm' };
  for (const name of ['page', 'wasm'] as const) {
    await rename(join(folder, old[name]), join(folder, upgraded[name]));
    await rename(join(folder, `${old[name]}.br`), join(folder, `${upgraded[name]}.br`));
  }
  await writeFile(join(folder, 'assets.json'), JSON.stringify(upgraded));

  await sidebarEntry(page).click();
  // Both are gone, and either may be missed first.
  const missing = [old.page, old.wasm].map(name => `${name}: Not Found`).join('|');
  await expect(page.getByRole('alert')).toContainText(new RegExp(missing));
  await takeScreenshots('not-loaded');
  await page.getByRole('button', { name: 'Try again' }).click();

  await expectShown(page);
  await page.goto(`${page.url()}`);
});

test('says what it could not read while the server is away', async ({ host, page, plugins }) => {
  await plugins.install();
  await openCluster(page, await host());
  await page.route(/plugins\/.*\/(page|crossview|assets)\./, route => route.abort());

  await sidebarEntry(page).click();
  await expect(page.getByRole('alert')).toContainText('Unreachable');
  await page.unroute(/plugins\/.*\/(page|crossview|assets)\./);
  await page.getByRole('button', { name: 'Try again' }).click();

  await expectShown(page);
});

test('says that it has stopped after a crash, and starts anew', async ({ host, page, plugins }) => {
  await plugins.install();
  await page.goto(`${await host()}c/test/crossview`);
  await expectShown(page);

  await page.evaluate(() => {
    setTimeout(() => {
      throw new WebAssembly.RuntimeError('unreachable');
    });
  });
  await expect(page.getByRole('alert')).toContainText('Its page has stopped: unreachable');
  await page.getByRole('button', { name: 'Try again' }).click();

  await expectShown(page);
});

test('is gone when it is left, and back at once', async ({ host, page, plugins }) => {
  await plugins.install();
  await openCluster(page, await host());
  await sidebarEntry(page).click();
  await expectShown(page);
  const left = await crossview(page).elementHandle();
  const files = filesAskedFor(page);

  await page.goBack();
  await expect(crossview(page)).toHaveCount(0);
  expect(await left?.evaluate(element => element.childNodes.length)).toBe(0);
  await sidebarEntry(page).click();

  await expectShown(page);
  expect(files).toEqual([]);
});

test('is another page for another cluster', async ({ host, page, plugins }) => {
  await plugins.install();
  const url = await host({ clusters: ['one', 'two'] });
  await page.goto(`${url}c/one/crossview`);
  await expectShown(page);
  const ofOne = await crossview(page).elementHandle();

  await page.evaluate(() => {
    history.pushState({}, '', '/c/two/crossview');
    dispatchEvent(new PopStateEvent('popstate', { state: {} }));
  });

  await expect.poll(() => ofOne?.evaluate(element => element.isConnected)).toBe(false);
  expect(await ofOne?.evaluate(element => element.childNodes.length)).toBe(0);
  await expectShown(page);
});

test('wears Headlamp’s theme, live', async ({ host, page, plugins }) => {
  await plugins.install();
  await page.goto(`${await host()}c/test/crossview`);
  await expectShown(page);
  const background = () =>
    crossview(page).evaluate(element => [
      getComputedStyle(element).getPropertyValue('--cv-bg'),
      getComputedStyle(element).colorScheme,
    ]);
  expect(await background()).toEqual(['#fff', 'light']);

  await page.getByRole('button', { name: 'Toggle theme' }).click();

  await expect.poll(background).toEqual(['#292827', 'dark']);
});
