/**
 * The built frame in a real browser, with the page's real half, in a page that stands for Headlamp. The tunnel is a
 * reference over fetch, so none of this needs a cluster.
 */
import { expect, Frame, FrameLocator, Page, test as base } from '@playwright/test';
import { readFile } from 'node:fs/promises';
import { AppName, MISSING, RunningApp, startApp } from './frame/apps';
import type { Headlamp } from './frame/headlamp';
import { FrameServer, startFrameServer } from './frame/server';

type OpenOptions = Parameters<Headlamp['openCrossview']>[0];

interface Fixtures {
  /** Starts a server with the app behind it, and opens its page. */
  readonly serve: (app: AppName) => Promise<FrameServer>;
}

interface WorkerFixtures {
  readonly apps: (name: AppName) => Promise<RunningApp>;
}

const test = base.extend<Fixtures, WorkerFixtures>({
  apps: [
    async ({}, use) => {
      const running = new Map<AppName, Promise<RunningApp>>();
      await use(name => {
        const app = running.get(name) ?? startApp(name);
        running.set(name, app);
        return app;
      });
      for (const app of running.values()) {
        await (await app).end();
      }
    },
    { scope: 'worker', timeout: 300_000 },
  ],

  serve: async ({ apps, page }, use) => {
    const servers: FrameServer[] = [];
    await use(async name => {
      const server = await startFrameServer((await apps(name)).url);
      servers.push(server);
      await page.goto(`${server.url}/headlamp`);
      return server;
    });
    await page.close();
    servers.forEach(server => server.close());
  },
});

/** Opens the app, and waits until it says that it is ready. */
async function open(page: Page, options?: OpenOptions) {
  await page.evaluate(options => window.headlamp.openCrossview(options), options);
  await expectState(page, 'ready');
}

const states = (page: Page) => page.evaluate(() => window.headlamp.opened.states);
const paths = (page: Page) => page.evaluate(() => window.headlamp.opened.paths);
const lastPath = async (page: Page) => (await paths(page)).at(-1);

async function expectState(page: Page, kind: string, text: string | RegExp = '', count = 1) {
  const matches = ([k, t]: readonly [string, string]) =>
    k === kind && (typeof text === 'string' ? t === text : text.test(t));
  await expect.poll(async () => (await states(page)).filter(matches).length).toBe(count);
}

const app = (page: Page): FrameLocator => page.frameLocator('iframe');

/** The document of the app, for scripts to run in. */
function frameOf(page: Page): Frame {
  const [, frame] = page.frames();
  if (!frame) {
    throw new Error('there is no frame');
  }
  return frame;
}

test.describe('the app', () => {
  test('shows each of its pages, and the page is told where it is', async ({ page, serve }) => {
    await serve('app');
    await open(page);

    for (const [name, content] of [
      ['Providers', 'provider-aws-s3'],
      ['Functions', 'function-auto-ready'],
      ['Compositions', 'buckets.platform.example.org'],
      ['XRDs', 'xbuckets.platform.example.org'],
      ['Composite resources', 'reports-7xk2p'],
      ['Claims', 'uploads'],
      ['Managed resources', 'uploads-q9c4d-kk2lm'],
      ['Search', 'function-patch-and-transform'],
      ['Settings', 'Crossview v4.6.0'],
    ] as const) {
      await app(page).getByRole('link', { name, exact: true }).click();
      await expect(app(page).getByRole('heading', { name, exact: true })).toBeVisible();
      await expect(app(page).getByText(content, { exact: false }).first()).toBeVisible();
    }

    expect(await paths(page)).toEqual([
      '/',
      '/providers',
      '/functions',
      '/compositions',
      '/xrds',
      '/composite-resources',
      '/claims',
      '/managed-resources',
      '/search',
      '/settings',
    ]);
    expect((await states(page)).map(([kind]) => kind)).toEqual(['starting', 'pod', 'ready']);
  });

  test('has its style sheets and its images', async ({ page, serve }) => {
    await serve('app');
    await open(page);

    await expect(app(page).locator('nav')).toHaveCSS('background-color', 'rgb(255, 255, 255)');
    const width = () =>
      app(page)
        .locator('img')
        .evaluate((img: HTMLImageElement) => img.naturalWidth);
    await expect.poll(width).toBe(32);
  });

  test('follows what happens, live', async ({ page, serve }) => {
    await serve('app');
    await open(page);

    await expect(app(page).getByText('watch: live')).toBeVisible();
    await expect(app(page).getByText('events: 1')).toBeVisible();
  });
});

test.describe('a browser’s features', () => {
  test('work, but for those that the page is told of by name', async ({ page, serve }) => {
    const server = await serve('torture');
    await open(page, { path: '/' });
    await expect(app(page).locator('#status')).toHaveText('done', { timeout: 60_000 });

    const rows = await app(page)
      .locator('#results tbody tr')
      .evaluateAll(rows =>
        rows.map(row => [row.dataset.feature, row.dataset.works, row.lastElementChild?.textContent])
      );
    const failed = rows.filter(([, works]) => works !== 'yes');
    expect(rows.length).toBeGreaterThan(55);
    expect(failed.map(([feature]) => feature)).toEqual(Object.keys(MISSING));
    const unsupported = (await states(page)).filter(([kind]) => kind === 'unsupported');
    expect(unsupported.map(([, text]) => text)).toEqual(Object.values(MISSING).filter(Boolean));
    // And none of it has reached the page's own server.
    expect(server.strayRequests.filter(request => !request.endsWith('/favicon.ico'))).toEqual([]);
    expect(server.apiRequests).toEqual([]);
  });

  // The control: what the torture app says of a document with an origin of its own.
  test('work without a frame, all of them', async ({ apps, page }) => {
    await page.goto((await apps('torture')).url);
    await expect(page.locator('#status')).toHaveText('done', { timeout: 60_000 });

    const failed = await page
      .locator('tr[data-works=no]')
      .evaluateAll(rows => rows.map(row => row.dataset.feature));

    // It does get a cookie, and .invalid has no server.
    expect(failed).toEqual(['no cookie comes through', 'another origin']);
  });

  test('the clipboard takes what the app copies', async ({ context, page, serve }) => {
    const { url } = await serve('torture');
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: url });
    await open(page, { path: '/quiet' });

    await app(page).locator('#copy').click();

    await expect(app(page).locator('#status')).toHaveText('copied');
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(copied).toBe('copied by the torture app');
  });

  test('a link to a file of the app is a download', async ({ page, serve }) => {
    await serve('torture');
    await open(page, { path: '/quiet' });

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      app(page).locator('#download-link').click(),
    ]);

    expect(download.suggestedFilename()).toBe('file.txt');
    expect(await readFile(await download.path(), 'utf8')).toBe('a file of the torture app\n');
  });

  test('a file that the app makes is a download', async ({ page, serve }) => {
    await serve('torture');
    await open(page, { path: '/quiet' });

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      frameOf(page).evaluate(() => {
        const link = document.createElement('a');
        link.href = URL.createObjectURL(new Blob(['made here']));
        link.download = 'made.txt';
        link.click();
      }),
    ]);

    expect(download.suggestedFilename()).toBe('made.txt');
  });
});

test.describe('where the app is', () => {
  test('it begins where a deep link says', async ({ page, serve }) => {
    await serve('app');

    await open(page, { path: '/claims?ready=no#second' });

    await expect(app(page).getByRole('heading', { name: 'Claims' })).toBeVisible();
    expect(
      await frameOf(page).evaluate(() => location.pathname + location.search + location.hash)
    ).toBe('/claims?ready=no#second');
  });

  test('it begins at its start where the link says nonsense', async ({ page, serve }) => {
    await serve('app');

    await open(page, { path: '//evil.invalid/' });

    expect(await paths(page)).toEqual(['/']);
  });

  test('the browser’s back and forward are the app’s', async ({ page, serve }) => {
    await serve('app');
    await open(page);
    await app(page).getByRole('link', { name: 'Functions' }).click();
    await app(page).getByRole('link', { name: 'Claims' }).click();

    await page.evaluate(() => history.back());
    await expect(app(page).getByRole('heading', { name: 'Functions' })).toBeVisible();
    await page.evaluate(() => history.forward());
    await expect(app(page).getByRole('heading', { name: 'Claims' })).toBeVisible();

    expect(await paths(page)).toEqual(['/', '/functions', '/claims', '/functions', '/claims']);
    expect(page.url()).toMatch(/\/headlamp$/);
  });

  test('Reload starts the app again where it is', async ({ page, serve }) => {
    await serve('app');
    await open(page);
    await app(page).getByRole('link', { name: 'Claims' }).click();
    await frameOf(page).evaluate(() => (document.title = 'before'));

    await page.evaluate(() => window.headlamp.opened.handle.reload());

    await expectState(page, 'ready', '', 2);
    await expect(app(page).getByRole('heading', { name: 'Claims' })).toBeVisible();
    expect(await frameOf(page).title()).toBe('Crossview');
  });

  test('the page can send it elsewhere', async ({ page, serve }) => {
    await serve('app');
    await open(page);

    await page.evaluate(() => window.headlamp.opened.handle.navigate('/xrds'));

    await expect(app(page).getByRole('heading', { name: 'XRDs' })).toBeVisible();
  });

  for (const [how, script] of [
    ['location.reload()', 'location.reload()'],
    ['location.href', "location.href = '/functions'"],
    ['location.assign', "location.assign('https://elsewhere.invalid/')"],
  ] as const) {
    test(`it comes back after ${how}, where it was`, async ({ page, serve }) => {
      await serve('app');
      await open(page);
      await app(page).getByRole('link', { name: 'Claims' }).click();

      await frameOf(page)
        .evaluate(script)
        .catch(() => {}); // its document may be gone before it answers

      await expectState(page, 'ready', '', 2);
      await expect(app(page).getByRole('heading', { name: 'Claims' })).toBeVisible();
    });
  }

  test('a link to another page of the app loads the app there', async ({ page, serve }) => {
    await serve('torture');
    await open(page, { path: '/quiet' });

    await app(page).locator('#own-link').click();

    await expectState(page, 'ready', '', 2);
    expect(await lastPath(page)).toBe('/other?x=1#there');
  });

  // There is no address of the app to open in a tab.
  test('a link into a new tab of the app stays in the frame', async ({ context, page, serve }) => {
    await serve('torture');
    await open(page, { path: '/quiet' });

    await app(page).locator('#new-tab-link').click();

    await expectState(page, 'ready', '', 2);
    expect(await lastPath(page)).toBe('/in-a-tab');
    expect(context.pages()).toHaveLength(1);
  });

  test('a form’s fields become the query', async ({ page, serve }) => {
    await serve('torture');
    await open(page, { path: '/quiet' });

    await app(page).getByRole('button', { name: 'Search' }).click();

    await expectState(page, 'ready', '', 2);
    expect(await lastPath(page)).toBe('/found?q=a+b');
  });

  test('a form that is posted is named', async ({ page, serve }) => {
    await serve('torture');
    await open(page, { path: '/quiet' });
    await frameOf(page).evaluate(() => {
      document.querySelector('form')?.setAttribute('method', 'post');
    });

    await app(page).getByRole('button', { name: 'Search' }).click();

    await expectState(page, 'unsupported', 'a form that is sent by post');
  });
});

test.describe('a link that leads out of the app', () => {
  test('opens a tab that knows nothing of the page', async ({ context, page, serve }) => {
    await serve('app');
    await context.route('https://docs.crossplane.io/**', route =>
      route.fulfill({ contentType: 'text/html', body: '<title>Elsewhere</title>' })
    );
    await open(page);

    const [tab] = await Promise.all([
      context.waitForEvent('page'),
      app(page).getByRole('link', { name: 'Documentation' }).click(),
    ]);

    await expect(tab).toHaveTitle('Elsewhere');
    expect(await tab.evaluate(() => [window.opener, document.referrer])).toEqual([null, '']);
    await expect(app(page).getByRole('heading', { name: 'Providers' })).toBeVisible();
  });

  for (const [kind, address] of [
    ['a script', 'javascript:alert(1)'],
    ['a file', 'file:///etc/passwd'],
    ['Headlamp itself', '/clusters/test/api/v1/secrets'],
    ['nothing', ''],
  ] as const) {
    test(`opens none for ${kind}`, async ({ context, page, serve }) => {
      const { url } = await serve('torture');
      await open(page, { path: '/quiet' });
      const port = await stealPort(page);
      // A click of the user's, so that nothing but the address is in the way.
      await app(page).locator('h1').click();

      await port.send({ t: 'open', url: address.startsWith('/') ? url + address : address });
      await port.send({ t: 'navigated', path: '/heard', title: '' });

      await expect.poll(() => lastPath(page)).toBe('/heard');
      expect(context.pages()).toHaveLength(1);
    });
  }

  test('opens none without a click of the user’s', async ({ context, page, serve }) => {
    await serve('torture');
    await open(page, { path: '/quiet' });
    const port = await stealPort(page);

    await port.sendUnasked(
      { t: 'open', url: 'https://docs.crossplane.io/' },
      { t: 'navigated', path: '/heard', title: '' }
    );

    await expect.poll(() => lastPath(page)).toBe('/heard');
    expect(context.pages()).toHaveLength(1);
  });
});

test.describe('what the app stores', () => {
  const stored = (page: Page) =>
    page.evaluate(() => ({ ...localStorage })) as Promise<Record<string, string>>;
  const theme = (page: Page) =>
    frameOf(page).evaluate(() => document.documentElement.dataset.theme);

  test('begins with Headlamp’s theme', async ({ page, serve }) => {
    await serve('app');

    await open(page, { theme: 'dark' });

    expect(await theme(page)).toBe('dark');
  });

  test('keeps the theme that the user chose in the app', async ({ page, serve }) => {
    await serve('app');
    await open(page, { theme: 'dark', path: '/settings' });
    await app(page).getByLabel('Theme').selectOption('light');

    await page.evaluate(() => window.headlamp.opened.handle.reload());
    await expectState(page, 'ready', '', 2);

    expect(await theme(page)).toBe('light');
  });

  test('follows a theme of Headlamp’s that has changed', async ({ page, serve }) => {
    await serve('app');
    await open(page, { theme: 'dark', path: '/settings' });
    await app(page).getByLabel('Theme').selectOption('light');
    await page.evaluate(() => window.headlamp.opened.handle.close());
    await open(page, { theme: 'dark' });
    expect(await theme(page)).toBe('light');
    await page.evaluate(() => window.headlamp.opened.handle.close());
    await open(page, { theme: 'light' });
    await page.evaluate(() => window.headlamp.opened.handle.close());

    await open(page, { theme: 'dark' });

    expect(await theme(page)).toBe('dark');
  });

  test('outlives the page, for each release by itself', async ({ page, serve }) => {
    const { url } = await serve('torture');
    await open(page, { path: '/quiet' });
    await frameOf(page).evaluate(() => (localStorage.kept = 'by one'));
    await page.evaluate(() => window.headlamp.opened.handle.close());
    await page.goto(`${url}/headlamp`);

    await open(page);
    expect(await frameOf(page).evaluate(() => localStorage.kept)).toBe('by one');
    await page.evaluate(() => window.headlamp.opened.handle.close());
    await open(page, { release: 'another' });
    expect(await frameOf(page).evaluate(() => localStorage.kept)).toBeUndefined();

    await expect
      .poll(async () => Object.keys(await stored(page)).sort())
      .toEqual([
        'crossview/test/storage/crossview/another',
        'crossview/test/storage/crossview/crossview',
      ]);
  });

  test('has an end, whatever the frame says', async ({ page, serve }) => {
    await serve('torture');
    await open(page, { path: '/quiet' });
    const port = await stealPort(page);

    await port.send({ t: 'store', key: 'fits', value: 'x'.repeat(200 * 1024) });
    await port.send({ t: 'store', key: 'too much', value: 'x'.repeat(100 * 1024) });
    await port.send({ t: 'store', key: 5, value: {} });
    await port.send({ t: 'navigated', path: '/heard', title: '' });
    await expect.poll(() => lastPath(page)).toBe('/heard');
    await page.evaluate(() => window.headlamp.opened.handle.close());

    const [kept = ''] = Object.values(await stored(page));
    const { entries } = JSON.parse(kept);
    expect(Object.keys(entries)).toContain('fits');
    expect(Object.keys(entries)).not.toContain('too much');
    expect(kept.length).toBeLessThan(257 * 1024);
  });
});

test.describe('the end', () => {
  test('takes away the frame, and frees the tunnel', async ({ page, serve }) => {
    await serve('app');
    await open(page);
    const before = await states(page);

    await page.evaluate(() => window.headlamp.opened.handle.close());

    await expect(page.locator('iframe')).toHaveCount(0);
    const tunnels = await page.evaluate(() =>
      window.headlamp.tunnels.map(({ isClosed, isFreed }) => [isClosed, isFreed])
    );
    expect(tunnels).toEqual([[true, true]]);
    await page.evaluate(() => window.headlamp.opened.handle.reload());
    await expect(page.locator('iframe')).toHaveCount(0);
    expect(await states(page)).toEqual(before);
  });

  test('a hundred openings are a hundred first views', async ({ page, serve }) => {
    await serve('app');

    for (let opening = 0; opening < 100; opening++) {
      await open(page);
      await expect(app(page).getByText('provider-aws-s3')).toBeVisible();
      expect((await states(page)).map(([kind]) => kind)).toEqual(['starting', 'pod', 'ready']);
      await page.evaluate(() => window.headlamp.opened.handle.close());
    }
  });
});

test.describe('what goes wrong is said', () => {
  const begin = (page: Page, options?: OpenOptions) =>
    page.evaluate(options => window.headlamp.openCrossview(options), options);

  test('a frame that does not begin', async ({ page, serve }) => {
    await page.clock.install();
    const { url } = await serve('app');

    await begin(page, { frameUrl: `${url}/plugins/crossview-headlamp/silent.html` });
    // It may have been a bad moment, so it is loaded once more.
    for (const tries of [1, 2]) {
      await expect(app(page).getByText('says nothing')).toBeVisible();
      await page.clock.runFor(5_000);
      await expectState(page, 'starting', '', tries);
      await page.clock.runFor(1_000);
    }

    await expectState(page, 'failed', /sign in again, or reload the page/);
    await expect(page.locator('iframe')).toHaveCount(0);
  });

  test('a frame that did not begin before it was shown', async ({ page, serve }) => {
    await page.clock.install();
    const { url } = await serve('app');
    await begin(page, {
      frameUrl: `${url}/plugins/crossview-headlamp/silent.html`,
      isShown: false,
    });
    for (const tries of [1, 2]) {
      await expectState(page, 'starting', '', tries);
      await expect(app(page).getByText('says nothing')).toBeVisible();
      await page.clock.runFor(6_000);
    }
    await expectState(page, 'failed', /sign in again/);

    await page.evaluate(() => window.headlamp.opened.handle.show());
    await page.clock.runFor(25_000);

    expect((await states(page)).at(-1)?.[0]).toBe('failed');
  });

  test('an app is ready to begin, and begins when it is shown', async ({ page, serve }) => {
    const { url } = await serve('torture');
    const asked: string[] = [];
    page.on('request', request => asked.push(request.url().replace(`${url}/upstream`, '')));
    await begin(page, { path: '/quiet', isShown: false });
    const tunnels = () => page.evaluate(() => window.headlamp.tunnels.length);
    await expect.poll(() => asked.some(path => /^\/assets\/.*\.js$/.test(path))).toBe(true);
    await expect.poll(() => page.frames().length).toBe(2);
    expect(await app(page).locator('#status').count()).toBe(0);
    expect(await states(page)).not.toContainEqual(['ready', '']);

    await page.evaluate(() => window.headlamp.opened.handle.show());

    await expectState(page, 'ready');
    await expect(app(page).locator('#status')).toHaveText('quiet');
    expect(await tunnels()).toBe(1);
    // What was asked for ahead is not asked for again.
    for (const file of ['/quiet', ...asked.filter(path => path.startsWith('/assets/'))]) {
      expect(asked.filter(path => path === file)).toHaveLength(1);
    }
  });

  test('an app that does not answer', async ({ page, serve }) => {
    const { url } = await serve('app');
    await page.route(`${url}/upstream/**`, route => route.abort());

    await begin(page);

    await expectState(page, 'failed', /Failed to fetch/);
    await expect(page.locator('iframe')).toHaveCount(0);
  });

  test('an app that answers with an error, and how it goes on', async ({ page, serve }) => {
    const { url } = await serve('app');
    await page.route(`${url}/upstream/`, route =>
      route.fulfill({ status: 503, headers: { 'x-upstream-status': '503' }, body: 'no' })
    );
    await begin(page);
    await expectState(page, 'failed', /^\/: HTTP 503/);
    await page.unroute(`${url}/upstream/`);

    await page.evaluate(() => window.headlamp.opened.handle.reload());

    await expectState(page, 'ready');
  });

  test('an app whose script is gone', async ({ page, serve }) => {
    const { url } = await serve('app');
    await page.route(`${url}/upstream/assets/*.js`, route =>
      route.fulfill({ status: 404, headers: { 'x-upstream-status': '404' } })
    );

    await begin(page);

    await expectState(page, 'failed', /^Failed to fetch dynamically imported module: .*\.js$/);
  });

  test('an app that leads elsewhere again and again', async ({ page, serve }) => {
    const { url } = await serve('app');
    await page.route(`${url}/upstream/`, route =>
      route.fulfill({
        headers: { 'x-upstream-status': '200' },
        contentType: 'text/html',
        body: "<title>x</title><script>location.href = '/elsewhere'</script>",
      })
    );

    await begin(page);

    await expectState(page, 'leaving');
    await expect(page.locator('iframe')).toHaveCount(0);
    expect((await states(page)).filter(([kind]) => kind === 'starting')).toHaveLength(5);
  });

  test('a trap of the tunnel’s', async ({ page, serve }) => {
    // Where nothing is asked for but by the test: the first message meets the trap.
    await serve('torture');
    await open(page, { path: '/quiet' });
    await page.evaluate(() => {
      const [tunnel] = window.headlamp.tunnels;
      Object.assign(tunnel ?? {}, {
        receive() {
          throw new WebAssembly.RuntimeError('unreachable');
        },
      });
    });

    await frameOf(page).evaluate(() => {
      fetch('/api/health').catch(() => undefined);
    });

    await expectState(page, 'failed', 'unreachable');
    await expect(page.locator('iframe')).toHaveCount(0);
    expect(await page.evaluate(() => window.headlamp.traps)).toBe(1);
  });
});

/** The app's end of the port, which a script of the app can get hold of: where what comes of it is read. */
async function stealPort(page: Page) {
  const frame = frameOf(page);
  await frame.evaluate(async () => {
    const native = Object.getOwnPropertyDescriptor(MessageEvent.prototype, 'data');
    Object.defineProperty(MessageEvent.prototype, 'data', {
      get() {
        Object.assign(window, { stolen: this.target });
        return native?.get?.call(this);
      },
    });
    await fetch('/');
  });
  return {
    send: (message: unknown) =>
      frame.evaluate(
        message => (window as unknown as { stolen: MessagePort }).stolen.postMessage(message),
        message
      ),
    /** Sends when no gesture of the user's is fresh any more; each call of a test counts as one. */
    sendUnasked: (...messages: unknown[]) =>
      frame.evaluate(
        messages =>
          new Promise<void>(sent => {
            const waiting = setInterval(() => {
              if (!navigator.userActivation.isActive) {
                clearInterval(waiting);
                const { stolen } = window as unknown as { stolen: MessagePort };
                messages.forEach(message => stolen.postMessage(message));
                sent();
              }
            }, 50);
          }),
        messages
      ),
  };
}

/** Where only the user's cookie leads. */
const SECRETS = '/clusters/test/api/v1/secrets';

/** What a hostile app would try, each as a script that gives what it got. */
test.describe('the app can not get at', () => {
  /** An ordinary frame of the same page: what the sandbox takes away is there. */
  async function openControl(page: Page): Promise<Frame> {
    await page.evaluate(() => {
      const iframe = document.createElement('iframe');
      iframe.name = 'control';
      iframe.src = '/a-page-of-headlamp';
      document.body.append(iframe);
      return new Promise(resolve => iframe.addEventListener('load', resolve));
    });
    const frame = page.frame({ name: 'control' });
    if (!frame) {
      throw new Error('there is no control');
    }
    return frame;
  }

  /** Keeps the browser's own functions before the frame replaces them, as if the app had found a way to them. */
  const keepNative = (page: Page) =>
    page.addInitScript(() => {
      const storage = Object.getOwnPropertyDescriptor(window, 'localStorage');
      const { fetch, Image, open } = window;
      const { sendBeacon } = navigator;
      Object.assign(window, {
        native: {
          Image,
          cookie: () => document.cookie,
          fetch: fetch.bind(window),
          open: open.bind(window),
          sendBeacon: sendBeacon.bind(navigator),
          storage: () => storage?.get?.call(window),
        },
      });
    });

  for (const [what, script, got] of [
    [
      'the page’s document',
      "parent.document.getElementById('secret').textContent",
      "the user's own",
    ],
    ['the page’s variables', 'typeof parent.headlamp.openCrossview', 'function'],
    ['the page’s storage', "native.storage().getItem('secret')", 'in storage'],
    [
      'the user’s cookies',
      "Object.getOwnPropertyDescriptor(Document.prototype, 'cookie').get.call(document)",
      'readable=yes',
    ],
    [
      'the API with the user’s rights',
      `native.fetch('${SECRETS}', { credentials: 'include' }).then(response => response.text())`,
      '{"kind":"SecretList"}',
    ],
    [
      'the API from a worker',
      `new Promise((resolve, reject) => {
        const script = "onmessage = ({ data }) => fetch(data, { credentials: 'include' })"
          + ".then(response => response.text()).then(postMessage, () => postMessage('refused'))";
        const worker = new Worker(URL.createObjectURL(new Blob([script])));
        worker.onmessage = ({ data }) => (data === 'refused' ? reject(data) : resolve(data));
        worker.postMessage(new URL('${SECRETS}', location.href).href);
      })`,
      '{"kind":"SecretList"}',
    ],
    [
      'the API by an image',
      `new Promise((resolve, reject) => {
        document.addEventListener('securitypolicyviolation', () => reject('refused'));
        const parsed = document.createElement('div');
        parsed.innerHTML = '<img src="${SECRETS}?image">';
        parsed.firstChild.onerror = () => setTimeout(() => resolve('asked'));
      })`,
      'asked',
    ],
    [
      'the API by a beacon',
      `new Promise((resolve, reject) => {
        document.addEventListener('securitypolicyviolation', () => reject('refused'));
        native.sendBeacon('${SECRETS}?beacon', 'x');
        setTimeout(() => resolve('asked'), 500);
      })`,
      'asked',
    ],
  ] as const) {
    test(what, async ({ page, serve }) => {
      await keepNative(page);
      const server = await serve('torture');
      await page.evaluate(() => {
        localStorage.setItem('secret', 'in storage');
        document.cookie = 'readable=yes';
      });
      await open(page);
      const control = await openControl(page);

      const fromControl = await control.evaluate(script);
      const asked = server.apiRequests.length;
      const fromApp = await page
        .frames()
        .find(frame => frame !== control && frame !== page.mainFrame())
        ?.evaluate(script)
        .catch(error => `refused, ${error}`);

      expect(fromControl).toBe(got);
      expect(asked > 0).toBe(what.startsWith('the API'));
      expect(fromApp).toMatch(/^refused, /);
      expect(server.apiRequests).toHaveLength(asked);
    });
  }

  test('the API by a form', async ({ page, serve }) => {
    const server = await serve('torture');
    await open(page, { path: '/quiet' });
    const submit = `(() => {
      const form = document.createElement('form');
      form.action = '${SECRETS}';
      form.method = 'post';
      document.body.append(form);
      HTMLFormElement.prototype.submit.call(form);
    })()`;

    await frameOf(page).evaluate(submit);
    await expectState(page, 'unsupported', /^form-action: /);
    expect(server.apiRequests).toEqual([]);

    const control = await openControl(page);
    await control.evaluate(submit);
    await expect.poll(() => server.apiRequests).toEqual([`POST ${SECRETS}`]);
  });

  test('the page’s address', async ({ page, serve }) => {
    await serve('torture');
    await open(page, { path: '/quiet' });
    const leave = "top.location.href = '/elsewhere'; 'left'";

    await expect(frameOf(page).evaluate(leave)).rejects.toThrow(/unsafe attempt|Failed to set/i);
    expect(page.url()).toMatch(/\/headlamp$/);

    const control = await openControl(page);
    await control.evaluate(leave).catch(() => {});
    await expect(page).toHaveURL(/\/elsewhere$/);
  });

  test('a popup', async ({ context, page, serve }) => {
    await keepNative(page);
    await serve('torture');
    await open(page, { path: '/quiet' });
    await app(page).locator('h1').click();

    expect(await frameOf(page).evaluate("native.open('/elsewhere')")).toBeNull();
    expect(context.pages()).toHaveLength(1);

    const control = await openControl(page);
    await page.locator('iframe[name=control]').click();
    await control.evaluate("native.open('/elsewhere'); 0");
    await expect.poll(() => context.pages().length).toBe(2);
  });

  test('anything by nonsense on the port', async ({ page, serve }) => {
    await serve('torture');
    await open(page, { path: '/quiet' });
    const port = await stealPort(page);
    const before = await states(page);
    const path = await lastPath(page);

    for (const message of [
      null,
      undefined,
      'text',
      42,
      [],
      {},
      { t: {} },
      { t: 'unheard-of', id: 1 },
      { t: 'navigated', path: '//evil.invalid' },
      { t: 'navigated', path: 'https://evil.invalid' },
      { t: 'navigated', path: '/../clusters' },
      { t: 'navigated', path: { toString: 'no' } },
      { t: 'navigated' },
      { t: 'restart', path: '/a/../../b' },
      { t: 'restart' },
      { t: 'store' },
      { t: 'store', key: '__proto__', value: 'polluted' },
      { t: 'fetch', id: 1000, method: 'GET', path: '//evil.invalid/', headers: [] },
      {
        t: 'fetch',
        id: 1001,
        method: 'GET',
        path: '/../clusters/test/api/v1/secrets',
        headers: [],
      },
      { t: 'fetch', id: 1002, method: 'CONNECT', path: '/', headers: [] },
      { t: 'fetch', id: 'no', method: 'GET', path: '/' },
      { t: 'socket', id: 1003, path: 'ws://evil.invalid/', protocols: [] },
      { t: 'crossview-start' },
    ]) {
      await port.send(message);
    }
    await port.send({ t: 'navigated', path: '/heard', title: '' });

    await expect.poll(() => lastPath(page)).toBe('/heard');
    expect((await paths(page)).at(-2)).toBe(path);
    expect(await states(page)).toEqual(before);
    expect(await page.evaluate(() => ({}.constructor === Object && !('polluted' in {})))).toBe(
      true
    );
    // The app goes on as if nothing had been.
    const status = await frameOf(page).evaluate(async () => (await fetch('/api/echo')).status);
    expect(status).toBe(200);
  });

  test('a second port', async ({ page, serve }) => {
    await serve('torture');
    await open(page, { path: '/quiet' });
    await page.evaluate(() => {
      // Hears after all who listen to the page's window.
      addEventListener('message', ({ source }) => (source as Window).postMessage('heard', '*'));
    });

    const got = await frameOf(page).evaluate(
      () =>
        new Promise<[unknown, number]>(resolve => {
          addEventListener('message', ({ data, ports }) => resolve([data, ports.length]));
          parent.postMessage({ t: 'crossview-start' }, '*');
        })
    );

    // The page says to the frame's window what it has to say once, by itself.
    expect(got).toEqual(['heard', 0]);
    expect(await page.evaluate(() => window.headlamp.tunnels.length)).toBe(1);
  });
});

test.describe('a document of another', () => {
  /** Makes the frame's document leave, and whatever of its scripts the app can reach say nothing of it. */
  const leave = (page: Page, url: string) =>
    frameOf(page)
      .evaluate(url => {
        addEventListener('pagehide', event => event.stopImmediatePropagation(), true);
        MessagePort.prototype.postMessage = () => {};
        Reflect.apply = () => {};
        location.href = url;
      }, url)
      .catch(() => {});

  /** The same, with every listener of the document taken away before. */
  const leaveSilently = (page: Page, url: string) =>
    frameOf(page)
      .evaluate(url => {
        document.open();
        location.href = url;
      }, url)
      .catch(() => {});

  for (const [how, go] of [
    ['', leave],
    [', of which nobody tells,', leaveSilently],
  ] as const) {
    for (const [kind, path] of [
      ['that waits for what ours waits for', '/hostile'],
      ['that never ends', '/hostile-without-end'],
      ['that is Headlamp itself', '/c/test'],
    ] as const) {
      // The browser tells of documents that it has loaded.
      const isHidden = go === leaveSilently && path === '/hostile-without-end';
      test(`${kind}${how} is removed within ${isHidden ? '13 seconds' : 'a second'}`, async ({
        page,
        serve,
      }) => {
        const { strayRequests, url } = await serve('torture');
        await open(page, { path: '/quiet' });
        const evil = () => page.frames().some(frame => frame.url() === url + path);
        const seen = page.waitForEvent('framenavigated', frame => frame.url() === url + path);

        await go(page, url + path);
        // It may be gone before anybody has seen it.
        await Promise.race([seen, expectState(page, 'starting', '', 2)]);

        const timeout = isHidden ? 13_000 : 1_000;
        await expect.poll(evil, { timeout, intervals: [20] }).toBe(false);
        await expectState(page, 'ready', '', 2);
        expect(await page.evaluate(() => window.headlamp.tunnels.length)).toBe(2);
        expect(strayRequests).not.toContain('GET /got-a-port');
      });
    }
  }

  test('is not what an app is that works for long', async ({ page, serve }) => {
    await serve('torture');
    await open(page, { path: '/quiet' });

    await frameOf(page).evaluate(() => {
      for (const end = Date.now() + 7_000; Date.now() < end; );
    });

    await expectState(page, 'starting');
    const status = await frameOf(page).evaluate(async () => (await fetch('/api/echo')).status);
    expect(status).toBe(200);
  });

  test('gets no port where ours should have been loaded', async ({ page, serve }) => {
    await page.clock.install();
    const { strayRequests, url } = await serve('torture');
    await page.evaluate(options => window.headlamp.openCrossview(options), {
      frameUrl: `${url}/hostile`,
    });
    await expect(app(page).getByText('your password')).toBeVisible();

    await page.clock.runFor(6_000);

    await expectState(page, 'starting', '', 2);
    expect(strayRequests).not.toContain('GET /got-a-port');
  });

  test('is not what an app is that asks the user', async ({ page, serve }) => {
    await serve('torture');
    await open(page, { path: '/quiet' });
    const asked = page.waitForEvent('dialog');
    const answer = frameOf(page).evaluate(() => confirm('Delete it?'));
    await (await asked).accept();

    expect(await answer).toBe(true);
    await expectState(page, 'starting');
  });

  test('stays in a frame that nobody watches, and takes a port from whom gives it one', async ({
    page,
    serve,
  }) => {
    const { strayRequests, url } = await serve('torture');
    await page.evaluate(url => {
      const iframe = document.createElement('iframe');
      iframe.setAttribute('sandbox', 'allow-scripts');
      iframe.src = url;
      document.body.append(iframe);
    }, `${url}/hostile`);

    await expect(app(page).getByText('your password')).toBeVisible();
    expect(strayRequests).not.toContain('GET /got-a-port');
    await page.evaluate(() =>
      frames[0]?.postMessage({ t: 'crossview-start' }, '*', [new MessageChannel().port2])
    );
    await expect.poll(() => strayRequests).toContain('GET /got-a-port');
  });
});
