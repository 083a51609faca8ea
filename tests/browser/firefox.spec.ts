/**
 * The page and Crossview in Firefox, on a real cluster: what another browser's engine could do otherwise.
 *
 * Playwright drives only a Firefox that it has built itself; Puppeteer drives the system's, by WebDriver BiDi.
 * `CROSSVIEW_FIREFOX` is its path. Without one the test is skipped, with CI=true it fails.
 */
import puppeteer, { Browser, Frame, Page } from 'puppeteer-core';
import { MISSING_IN_FIREFOX as MISSING } from './frame/apps';
import { expect, test as base, withTorture } from './page';

interface Fixtures {
  /** A page of Firefox. */
  readonly firefox: Page;
}

const test = base.extend<Fixtures>({
  firefox: async ({}, use) => {
    const executablePath = process.env.CROSSVIEW_FIREFOX;
    if (!executablePath && process.env.CI) {
      throw new Error('CROSSVIEW_FIREFOX names no Firefox');
    }
    test.skip(!executablePath, 'no Firefox: CROSSVIEW_FIREFOX is not set');
    const browser: Browser = await puppeteer.launch({
      browser: 'firefox',
      executablePath,
      headless: true,
      defaultViewport: { width: 1280, height: 800 },
    });
    await use(await browser.newPage());
    await browser.close();
  },
});

test.setTimeout(180_000);

const text = (frame: Page | Frame, selector: string) =>
  frame.evaluate(selector => document.querySelector(selector)?.textContent ?? '', selector);

/** Clicks the button of this name, once it can be clicked. */
async function click(page: Page, name: string) {
  const button = await page.waitForSelector(`aria/${name}[role="button"]`);
  await button?.click();
}

/** The frame with Crossview in it, once it shows a heading. */
async function opened(page: Page, heading: string): Promise<Frame> {
  const found = async () => {
    for (const frame of page.frames().filter(frame => frame !== page.mainFrame())) {
      const shown = await text(frame, 'h1, h2').catch(() => '');
      if (shown.includes(heading)) {
        return frame;
      }
    }
    return undefined;
  };
  await expect.poll(async () => Boolean(await found())).toBe(true);
  return (await found()) as Frame;
}

test('Crossview opens by the tunnel in Firefox, and works there', async ({
  firefox,
  hostFor,
  installByHelm,
}) => {
  installByHelm('--wait');
  await firefox.goto(`${await hostFor()}c/test/crossview`);
  await expect.poll(() => text(firefox, '.crossview')).toContain('Crossview is ready');

  await click(firefox, 'Open Crossview');

  const app = await opened(firefox, 'Providers');
  await expect.poll(() => text(firefox, '.crossview')).toMatch(/Tunnel .* to crossview-/);
  await expect.poll(() => text(app, '[role="status"]')).toBe('watch: live');
  await app.evaluate(() => {
    const links = [...document.querySelectorAll('a')];
    links.find(link => link.textContent === 'Claims')?.click();
  });
  await opened(firefox, 'Claims');

  await click(firefox, 'Back to details');
  await expect.poll(() => text(firefox, '.crossview')).toContain('Crossview is ready');
  await click(firefox, 'Open Crossview');
  await opened(firefox, 'Claims');
});

test('Firefox’s features work through it, but for those that are told of by name', async ({
  cluster,
  firefox,
  hostFor,
  installByHelm,
}) => {
  test.skip(!cluster.torture, 'the cluster has no torture app');
  installByHelm('--wait', ...withTorture(cluster.torture));
  await firefox.goto(`${await hostFor()}c/test/crossview`);
  await expect.poll(() => text(firefox, '.crossview')).toContain('Crossview is ready');

  await click(firefox, 'Open Crossview');

  const app = await opened(firefox, 'orture');
  await expect.poll(() => text(app, '#status'), { timeout: 90_000 }).toBe('done');
  const rows = await app.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('tr[data-works]')].map(row => [
      row.dataset.works,
      row.dataset.feature,
      row.lastElementChild?.textContent,
    ])
  );
  const failed = rows.filter(([works]) => works === 'no');
  expect(
    failed.map(([, feature]) => feature),
    JSON.stringify(failed)
  ).toEqual(Object.keys(MISSING));
  expect(rows.length - failed.length).toBeGreaterThan(50);
  const missed = await firefox.evaluate(() =>
    [...document.querySelectorAll('.crossview details li')].map(item => item.textContent)
  );
  expect(missed).toEqual(Object.values(MISSING).filter(Boolean));
});
