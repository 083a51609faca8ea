/**
 * Crossview itself through the API server, on a real cluster: port-forwards to its pods over WebSockets, and a frame
 * that has nothing else. What the frame can and can't do is in frame.spec.ts.
 */
import { Locator, Page } from '@playwright/test';
import { crossview, setTheme } from './fixtures';
import { MISSING } from './frame/apps';
import {
  button,
  expect,
  NAMESPACE,
  openPage,
  recordStreams,
  test,
  title,
  withTorture,
} from './page';

test.setTimeout(180_000);

/** How often Crossview is opened and closed to see what is left. */
const ROUNDS = process.env.CROSSVIEW_TEST_LONG ? 1000 : process.env.CI ? 50 : 20;

const iframe = (page: Page) => crossview(page).getByTitle('Crossview', { exact: true });
const app = (page: Page) => iframe(page).contentFrame();
const heading = (page: Page, name: string) => app(page).getByRole('heading', { name, exact: true });
/** The tunnel's words on how it is; nothing while all is well. */
const note = (page: Page) => crossview(page).locator('.cv-viewer').getByRole('status');

/** The bar's words on which way is in use. */
function way(page: Page, pod: string | RegExp = '.+'): Locator {
  const name = pod instanceof RegExp ? pod.source : pod;
  return crossview(page).getByText(new RegExp(`^Tunnel through the API server to ${name}$`));
}

/** Crossview's pods that aren't on their way out. */
function podsOf(kubectl: (...args: string[]) => string): string[] {
  const pods = ['get', 'pods', `--namespace=${NAMESPACE}`, '-l=app.kubernetes.io/component=app'];
  const { items } = JSON.parse(kubectl(...pods, '--output=json')) as {
    readonly items: readonly {
      readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
    }[];
  };
  return items.filter(pod => !pod.metadata.deletionTimestamp).map(pod => pod.metadata.name);
}

/** Opens Crossview from the details, and waits until it is there with data and a live connection. */
async function open(page: Page, at = 'Providers') {
  await button(page, 'Open Crossview').click();
  await expect(heading(page, at)).toBeVisible();
  await expect(app(page).getByText('watch: live')).toBeVisible();
}

test('Crossview opens through the API server, with no Ingress at all', async ({
  hostFor,
  installByHelm,
  kubectl,
  page,
  takeScreenshots,
}) => {
  installByHelm('--wait');
  expect(kubectl('get', 'ingresses', '--all-namespaces', '-o', 'name')).toBe('');
  await openPage(page, await hostFor());

  await open(page);

  const [pod = ''] = podsOf(kubectl);
  await expect(way(page, pod)).toBeVisible();
  await expect(note(page)).toHaveCount(0);
  await expect(app(page).getByRole('cell', { name: 'provider-aws-s3' })).toBeVisible();
  await expect(app(page).getByText(/^events: [1-9]/)).toBeVisible();
  await takeScreenshots('tunnel-opened');

  // A chunk of its own with a style sheet of its own.
  await app(page).getByRole('link', { name: 'Settings' }).click();
  await expect(heading(page, 'Settings')).toBeVisible();
  await expect(app(page).getByLabel('Theme')).toHaveValue('light');
  await app(page).getByRole('link', { name: 'Claims' }).click();
  await expect(app(page).getByRole('cell', { name: 'uploads' })).toBeVisible();

  await app(page)
    .locator('html')
    .evaluate(html => html.setAttribute('data-document', 'first'));
  await button(page, 'Reload').click();
  await expect(app(page).locator('html:not([data-document])')).toBeVisible();
  await expect(heading(page, 'Claims')).toBeVisible();
  await button(page, 'Back to details').click();
  await expect(title(page, 'Crossview is ready')).toBeVisible();
  await open(page, 'Claims');
});

test('a reload of the page and a link to it lead to the same place in Crossview', async ({
  hostFor,
  installByHelm,
  otherPage,
  page,
}) => {
  installByHelm('--wait');
  await openPage(page, await hostFor());
  await open(page);
  await app(page).getByRole('link', { name: 'Claims' }).click();
  await expect(heading(page, 'Claims')).toBeVisible();

  await page.reload();
  await expect(heading(page, 'Claims')).toBeVisible();
  await otherPage.goto(page.url());
  await expect(heading(otherPage, 'Claims')).toBeVisible();

  // Who has left it is not led back.
  await button(page, 'Back to details').click();
  await expect(title(page, 'Crossview is ready')).toBeVisible();
  await page.reload();
  await expect(title(page, 'Crossview is ready')).toBeVisible();
  await expect(iframe(page)).toHaveCount(0);
});

test('Crossview starts in the theme that Headlamp has', async ({
  hostFor,
  installByHelm,
  page,
}) => {
  installByHelm('--wait');
  await openPage(page, await hostFor());
  for (const theme of ['dark', 'light'] as const) {
    await setTheme(page, theme);

    await open(page);

    await expect(app(page).locator('html')).toHaveAttribute('data-theme', theme);
    await button(page, 'Back to details').click();
  }
});

test('it fills the page below a slim bar, and the keyboard reaches all of it', async ({
  hostFor,
  installByHelm,
  page,
}) => {
  installByHelm('--wait');
  await openPage(page, await hostFor());
  await open(page);

  for (const width of [1280, 420]) {
    await page.setViewportSize({ width, height: 800 });
    const { y = 0, height = 0 } = (await iframe(page).boundingBox()) ?? {};
    expect(800 - (y + height), 'room below').toBeLessThan(48);
    expect(height, 'height').toBeGreaterThan(500);
    for (const part of await crossview(page).getByRole('button').all()) {
      const { x = -1, width: wide = width } = (await part.boundingBox()) ?? {};
      expect(x).toBeGreaterThanOrEqual(0);
      expect(x + wide).toBeLessThanOrEqual(width);
    }
  }

  await button(page, 'Back to details').focus();
  for (const name of ['Reload', 'Other ways']) {
    await page.keyboard.press('Tab');
    await expect(button(page, name)).toBeFocused();
  }
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await expect(app(page).locator('a:focus, :focus-visible').first()).toBeVisible();
  await button(page, 'Back to details').focus();
  await page.keyboard.press('Enter');
  await expect(title(page, 'Crossview is ready')).toBeVisible();
});

test('nothing of it is left when it was closed', async ({ hostFor, installByHelm, page }) => {
  test.setTimeout(60_000 + ROUNDS * 10_000);
  installByHelm('--wait');
  const streams = await recordStreams(page);
  await openPage(page, await hostFor());
  const devtools = await page.context().newCDPSession(page);
  const heapUsed = async () => {
    await devtools.send('HeapProfiler.collectGarbage');
    const { usedSize } = (await devtools.send('Runtime.getHeapUsage')) as {
      readonly usedSize: number;
    };
    return usedSize;
  };
  let early = NaN;

  for (let round = 1; round <= ROUNDS; round++) {
    await open(page);
    expect(await streams.openForwards()).not.toEqual([]);
    await button(page, 'Back to details').click();
    await expect(title(page, 'Crossview is ready')).toBeVisible();
    await expect.poll(streams.openForwards).toEqual([]);
    // One stands ready for the next time, and nothing is in it.
    const [, ready, ...others] = page.frames();
    expect(others).toEqual([]);
    await expect(ready?.locator('body > *:not(script)') ?? iframe(page)).toHaveCount(0);
    if (round === 10) {
      early = await heapUsed();
    }
  }

  const grown = (await heapUsed()) - early;
  expect(grown / (ROUNDS - 10), 'bytes a round').toBeLessThan(100_000);
  await page.getByRole('navigation').getByText('Namespaces').click();
  await expect(crossview(page)).toHaveCount(0);
  expect(page.frames()).toHaveLength(1);
});

for (const replicas of [1, 2]) {
  test(`Crossview works on when its pod is deleted, with ${replicas} in all`, async ({
    hostFor,
    installByHelm,
    kubectl,
    page,
  }) => {
    installByHelm('--wait', `--set=replicaCount=${replicas}`);
    await openPage(page, await hostFor());
    await open(page);
    const [, pod = ''] = / to (\S+)$/.exec(await way(page).innerText()) ?? [];
    expect(podsOf(kubectl)).toContain(pod);

    kubectl('delete', 'pod', pod, `--namespace=${NAMESPACE}`);

    await expect(way(page, `(?!${pod})crossview-.+`)).toBeVisible();
    const [, next = ''] = / to (\S+)$/.exec(await way(page).innerText()) ?? [];
    expect(podsOf(kubectl)).toContain(next);
    await expect(app(page).getByText('watch: live')).toBeVisible();
    await expect(note(page)).toHaveCount(0);
    await app(page).getByRole('link', { name: 'Claims' }).click();
    await expect(app(page).getByRole('cell', { name: 'uploads' })).toBeVisible();
  });
}

test('a lost connection is told until there is a pod again', async ({
  hostFor,
  installByHelm,
  kubectl,
  page,
  takeScreenshots,
}) => {
  installByHelm('--wait');
  await openPage(page, await hostFor());
  await open(page);
  const scale = ['scale', 'deployment/crossview', `--namespace=${NAMESPACE}`];

  kubectl(...scale, '--replicas=0');

  await expect(note(page)).toContainText(
    'The connection is lost; the page goes on trying: no pod of Crossview is ready'
  );
  await expect(heading(page, 'Providers')).toBeVisible();
  await takeScreenshots('tunnel-lost');

  kubectl(...scale, '--replicas=1');

  await expect(note(page)).toHaveCount(0);
  await expect(app(page).getByText('watch: live')).toBeVisible();
  const [pod = ''] = podsOf(kubectl);
  await expect(way(page, pod)).toBeVisible();
});

test('a press that is not meant opens nothing, and leaves nothing', async ({
  hostFor,
  installByHelm,
  page,
}) => {
  installByHelm('--wait');
  const streams = await recordStreams(page);
  await openPage(page, await hostFor());

  const url = page.url();

  await button(page, 'Open Crossview').hover();
  await page.mouse.down();
  // All is there but the app.
  await expect.poll(() => streams.openForwards()).not.toEqual([]);
  await expect(iframe(page)).toBeHidden();
  await expect(app(page).locator('body > *:not(script)')).toHaveCount(0);
  await page.mouse.move(5, 5);
  await page.mouse.up();

  await expect.poll(() => streams.openForwards()).toEqual([]);
  await expect(title(page, 'Crossview is ready')).toBeVisible();
  await expect(iframe(page)).toHaveCount(0);
  expect(page.url()).toBe(url);

  // Another button of the mouse means something else.
  await button(page, 'Open Crossview').click({ button: 'right' });
  await expect(iframe(page)).toHaveCount(0);
  expect(await streams.openForwards()).toEqual([]);
  await open(page);
});

test('while it is loaded the page says so; a frame that stays silent is told of', async ({
  hostFor,
  installByHelm,
  page,
  takeScreenshots,
}) => {
  installByHelm('--wait');
  let letThrough = () => {};
  const held = new Promise<void>(resolve => (letThrough = resolve));
  await page.route(/\/frame\.[^/]*\.html$/, async route => {
    await held;
    await route.continue();
  });
  await openPage(page, await hostFor());

  await button(page, 'Open Crossview').click();

  await expect(note(page)).toHaveText('Crossview is being loaded.');
  await takeScreenshots('tunnel-loading');
  await expect(note(page)).toHaveText('This takes long. It waits for: the frame', {
    timeout: 22_000,
  });
  letThrough();
  await expect(heading(page, 'Providers')).toBeVisible();
  await expect(note(page)).toHaveCount(0);
});

test('who may not forward ports is told so, with the rule to ask for', async ({
  hostFor,
  installByHelm,
  kubectl,
  page,
  takeScreenshots,
}) => {
  installByHelm('--wait');
  const streams = await recordStreams(page);
  await openPage(page, await hostFor('viewer'));

  await expect(crossview(page)).toContainText(
    "A tunnel can't be opened: you may not forward ports to pods; ask for the verbs get and " +
      'create on pods/portforward in crossview.'
  );
  await takeScreenshots('no-portforward-right-before');
  await button(page, 'Open Crossview').click();

  await expect(title(page, 'Ways to Crossview')).toBeVisible();
  const ways = crossview(page).getByRole('listitem');
  await expect(ways.filter({ hasText: 'Tunnel through the API server' })).toContainText(
    'You may not forward ports to pods; ask for the verbs get and create on pods/portforward in crossview'
  );
  await expect(button(page, 'Open the tunnel')).toHaveCount(0);
  await expect(ways.filter({ hasText: 'kubectl port-forward crossview-service' })).toContainText(
    'kubectl port-forward --namespace=crossview service/crossview-service'
  );
  await expect(iframe(page)).toHaveCount(0);
  expect(await streams.openForwards()).toEqual([]);
  await takeScreenshots('no-portforward-right');

  // The rule that was asked for is all that is needed.
  const [rule, where] = ['crossview-tunnel', `--namespace=${NAMESPACE}`];
  kubectl('create', 'role', rule, where, '--verb=get,create', '--resource=pods/portforward');
  kubectl('create', 'rolebinding', rule, where, `--role=${rule}`, '--user=viewer');
  await button(page, 'Look again').click();
  await expect(heading(page, 'Providers')).toBeVisible();
  kubectl('delete', 'role,rolebinding', rule, where);
});

test('an address that answers comes first; the choice of the tunnel is kept', async ({
  forwardPort,
  hostFor,
  installByHelm,
  page,
  takeScreenshots,
}) => {
  installByHelm('--wait');
  const address = await forwardPort();
  await openPage(page, await hostFor());
  await open(page);
  await button(page, 'Other ways').click();
  await crossview(page).getByRole('textbox', { name: 'Its address' }).fill(address);
  await button(page, 'Use this address').click();
  await expect(crossview(page).getByText(`Your address: ${address}`)).toBeVisible();
  await page.reload();
  await expect(crossview(page).getByText(`Your address: ${address}`)).toBeVisible();
  await expect(heading(page, 'Providers')).toBeVisible();

  await button(page, 'Other ways').click();
  await expect(title(page, 'Ways to Crossview')).toBeVisible();
  await expect(crossview(page)).toContainText(`${address}: it answers.`);
  await takeScreenshots('ways');
  await button(page, 'Open the tunnel').click();
  await expect(way(page)).toBeVisible();
  await expect(heading(page, 'Providers')).toBeVisible();
  const tab = crossview(page).getByRole('link', { name: 'Open in a new tab' });
  await expect(tab).toHaveAttribute('href', new RegExp(`^${address}`));
  await button(page, 'Back to details').click();

  await page.reload();
  await open(page);
  await expect(way(page)).toBeVisible();
});

test('nothing of Headlamp’s or the user’s reaches the pod', async ({
  cluster,
  context,
  hostFor,
  installByHelm,
  page,
}) => {
  test.skip(!cluster.torture, 'the cluster has no torture app');
  installByHelm('--wait', ...withTorture(cluster.torture));
  const url = await hostFor();
  const secret = 'a-token-of-the-user';
  await context.addCookies([{ name: 'headlamp-auth-test.0', value: secret, url, httpOnly: true }]);
  await openPage(page, url);
  await button(page, 'Open Crossview').click();
  await expect(way(page)).toBeVisible();
  await expect(app(page).locator('#status')).toHaveText('done');
  const ask = async (path: string) => (await fetch(path)).text();

  const [, frame] = page.frames();
  const told = (await frame?.evaluate(ask, '/api/echo')) ?? '';

  const { headers } = JSON.parse(told) as { readonly headers: Readonly<Record<string, string>> };
  expect(headers).toHaveProperty('host');
  expect(Object.keys(headers)).not.toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^(cookie|authorization|origin|referer|x-.*|sec-.*)$/),
    ])
  );
  expect(told).not.toContain(secret);
  expect(told).not.toContain(new URL(url).host);
  expect(await context.cookies()).toHaveLength(1);

  // The control: the API server's proxy hands all of it on.
  const proxied = `/clusters/test/api/v1/namespaces/${NAMESPACE}/services/http:crossview-service:80/proxy/api/echo`;
  const seen = await page.evaluate(ask, proxied);
  expect(seen).toContain(secret);
  expect(seen).toContain(new URL(url).host);
});

test('a browser’s features work through it, but for those that are told of by name', async ({
  cluster,
  hostFor,
  installByHelm,
  page,
}) => {
  test.skip(!cluster.torture, 'the cluster has no torture app');
  installByHelm('--wait', ...withTorture(cluster.torture));
  await openPage(page, await hostFor());

  await button(page, 'Open Crossview').click();

  await expect(app(page).locator('#status')).toHaveText('done', { timeout: 90_000 });
  const failed = app(page).locator('tr[data-works=no]');
  await expect(failed.locator('td:first-child')).toHaveText(Object.keys(MISSING));
  expect(await app(page).locator('tr[data-works=yes]').count()).toBeGreaterThan(50);
  await crossview(page).getByText('What Crossview misses here').click();
  await expect(crossview(page).locator('.cv-viewer').getByRole('listitem')).toHaveText(
    Object.values(MISSING).filter(name => name !== undefined)
  );
});
