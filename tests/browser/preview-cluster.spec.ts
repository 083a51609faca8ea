/**
 * The preview on a real cluster, as `cargo xtask preview --cluster` opens it: the way to the cluster is a secret path
 * that comes in the fragment of the address. Here `kubectl proxy` serves that path by itself; whom the way lets in is
 * xtask's own test.
 *
 * `PREVIEW_URL` is where the preview's files are.
 */
import type { Page } from '@playwright/test';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Cluster } from './fixtures';
import { expect, test as base } from './page';

/** The preview's address without and with the way to the cluster. */
interface Preview {
  readonly url: string;
  readonly address: string;
  readonly prefix: string;
}

/** `kubectl proxy` below `prefix`, on a free port; gives its address. */
async function proxy(cluster: Cluster, prefix: string): Promise<[ChildProcess, string]> {
  const process = spawn(
    cluster.kubectl,
    [`--kubeconfig=${cluster.kubeconfig}`, 'proxy', '--port=0', `--api-prefix=${prefix}`],
    { stdio: ['ignore', 'pipe', 'inherit'] }
  );
  for await (const line of createInterface({ input: process.stdout })) {
    const [, address] = /^Starting to serve on (.+)$/.exec(line) ?? [];
    if (address) {
      return [process, `http://${address}/`];
    }
  }
  throw new Error('kubectl proxy ended before it served');
}

const test = base.extend<{ readonly preview: Preview }>({
  preview: async ({ cluster, context }, use) => {
    const files = process.env.PREVIEW_URL;
    if (!files && process.env.CI) {
      throw new Error('PREVIEW_URL names no preview');
    }
    test.skip(!files, 'no preview: PREVIEW_URL is not set');
    const prefix = `/${randomBytes(16).toString('hex')}/`;
    const [kubectl, url] = await proxy(cluster, prefix);
    // All but the way to the cluster is answered by the preview's own server.
    await context.route(
      asked => asked.href.startsWith(url) && !asked.pathname.startsWith(prefix),
      async route => {
        const asked = new URL(route.request().url());
        const response = await route.fetch({ url: new URL(asked.pathname, files).href });
        await route.fulfill({ response });
      }
    );
    await use({ url, prefix, address: `${url}#api=${prefix}` });
    const ended = once(kubectl, 'exit');
    kubectl.kill();
    await ended;
  },
});

test.setTimeout(180_000);

function title(page: Page, text: string) {
  return page.getByRole('main').getByRole('heading', { name: text, exact: true });
}

test('an installation runs on the cluster behind the secret path, over a reload', async ({
  kubectl,
  page,
  preview,
}) => {
  await page.goto(preview.address);
  await expect(title(page, 'Not installed')).toBeVisible();
  await expect(page.getByRole('banner')).toContainText('Your cluster, through kubectl');
  expect(page.url()).toBe(preview.url);

  await page.getByRole('button', { name: 'Install', exact: true }).click();
  await expect(title(page, 'Installing Crossview')).toBeVisible();
  await expect(page.getByRole('log')).toContainText('Installing it now.');
  await page.reload();

  await expect(title(page, 'Crossview is ready')).toBeVisible();
  expect(kubectl('get', 'deployment', 'crossview', '--namespace=crossview', '--output=name')).toBe(
    'deployment.apps/crossview\n'
  );
});

test('the secret path is neither in the address nor in the history', async ({ page, preview }) => {
  await page.goto(preview.address);
  await expect(title(page, 'Not installed')).toBeVisible();

  const entry = await page.evaluate(() => [
    location.href,
    String(history.length),
    JSON.stringify(history.state),
  ]);

  expect(entry.join()).not.toContain(preview.prefix.slice(1, -1));
});

test('another tab has no way to the cluster, and a way to elsewhere is none', async ({
  context,
  page,
  preview,
}) => {
  await page.goto(`${preview.url}#api=//elsewhere.example/0123456789abcdef0123456789abcdef/`);

  await expect(page.getByLabel('Simulated cluster')).toBeVisible();

  await page.goto(preview.address);
  await expect(page.getByRole('banner')).toContainText('Your cluster, through kubectl');
  const tab = await context.newPage();
  await tab.goto(preview.url);
  await expect(tab.getByLabel('Simulated cluster')).toBeVisible();
});

test('the simulated cluster is one click away', async ({ page, preview }) => {
  await page.goto(preview.address);

  await page.getByRole('button', { name: 'Simulated cluster instead' }).click();

  await expect(page.getByLabel('Simulated cluster')).toBeVisible();
  await page.reload();
  await expect(page.getByLabel('Simulated cluster')).toBeVisible();
});

test('a cluster that goes away is named', async ({ page, preview }) => {
  await page.goto(preview.address);
  await expect(title(page, 'Not installed')).toBeVisible();

  await page.route(
    url => url.pathname.startsWith(preview.prefix),
    route => route.abort()
  );
  await page.getByRole('button', { name: 'Check Status' }).click();

  await expect(title(page, 'Connection to the cluster lost')).toBeVisible();
});
