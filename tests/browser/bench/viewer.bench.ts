/**
 * What Crossview costs by the tunnel, beside the same app in a plain iframe by `kubectl port-forward`, in the same
 * run on the same cluster.
 */
import { expect, Frame, Page } from '@playwright/test';
import { button, openPage, test } from '../page';
import { quantile, report } from './figures';

/** How often a time is taken. */
const RUNS = 10;
/** How long a pointer is on a button before it is pressed, and until it is let go, in milliseconds: a quick hand. */
const POINTED = 150;
const PRESSED = 80;
/** How often a small answer is asked for. */
const GETS = 100;
const HEADING = 'Providers';

/** Waits until the frame of this title has the app's heading. */
async function appIn(page: Page, title: string): Promise<Frame> {
  const iframe = page.locator(`iframe[title="${title}"]`);
  await expect(iframe.contentFrame().getByRole('heading', { name: HEADING })).toBeVisible();
  const frame = await (await iframe.elementHandle())?.contentFrame();
  if (!frame) {
    throw new Error(`no frame ${title}`);
  }
  return frame;
}

/**
 * Milliseconds from the start to the app's heading, by the one clock that both documents have: the wall's. The app's
 * document notes the moment of its heading by itself.
 */
async function timeToHeading(page: Page, title: string, start: () => Promise<number>) {
  const begun = await start();
  const frame = await appIn(page, title);
  const seen = await frame.evaluate(() => (window as unknown as { headingAt: number }).headingAt);
  return seen - begun;
}

/** Has every document note when it first has a heading, and when it was clicked last. */
async function noteTimes(page: Page) {
  await page.addInitScript(() => {
    const clicked = () => Object.assign(window, { clickedAt: Date.now() });
    addEventListener('click', clicked, { capture: true });
    (function look() {
      if (document.querySelector('h1')?.textContent) {
        Object.assign(window, { headingAt: Date.now() });
      } else {
        requestAnimationFrame(look);
      }
    })();
  });
}

/** Adds a plain iframe. */
const openDirectly = (page: Page, url: string) => () =>
  page.evaluate(url => {
    const start = Date.now();
    const iframe = document.createElement('iframe');
    Object.assign(iframe, { title: 'direct', src: url });
    // As large as the viewer's, above everything else.
    iframe.style.cssText = 'position:fixed;inset:8rem 1rem 1rem 16rem;width:980px;height:660px';
    document.body.append(iframe);
    return start;
  }, url);

/** Clicks Open Crossview as a person with a mouse does, who announces it. */
const openByMouse = (page: Page) => async () => {
  await button(page, 'Open Crossview').hover();
  await page.waitForTimeout(POINTED);
  await page.mouse.down();
  await page.waitForTimeout(PRESSED);
  await page.mouse.up();
  return page.evaluate(() => (window as unknown as { clickedAt: number }).clickedAt);
};

/** Presses Enter on Open Crossview, once it has had the focus for a while. */
const openByKeyboard = (page: Page) => async () => {
  await button(page, 'Open Crossview').focus();
  await page.waitForTimeout(POINTED);
  await page.keyboard.press('Enter');
  return page.evaluate(() => (window as unknown as { clickedAt: number }).clickedAt);
};

/** Clicks Open Crossview, by a script: nothing has announced it. */
const openByScript = (page: Page) => () =>
  button(page, 'Open Crossview').evaluate((button: HTMLElement) => {
    const start = Date.now();
    button.click();
    return start;
  });

test('Open to the app’s first heading', async ({
  browser,
  forwardPort,
  hostFor,
  installByHelm,
}) => {
  installByHelm('--wait');
  const direct = await forwardPort();
  const url = await hostFor();
  const times: Record<string, number[]> = {};
  const note = (what: string, time: number) => (times[what] ??= []).push(time);

  for (let run = 0; run < RUNS; run++) {
    for (const way of ['by a mouse', 'by the keyboard', 'by a script', 'direct'] as const) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
      const page = await context.newPage();
      await noteTimes(page);
      await openPage(page, url);
      for (const state of ['cold', 'warm'] as const) {
        if (way !== 'direct') {
          const open = {
            'by a mouse': openByMouse,
            'by the keyboard': openByKeyboard,
            'by a script': openByScript,
          };
          note(`${way} ${state}`, await timeToHeading(page, 'Crossview', open[way](page)));
          await button(page, 'Back to details').click();
          await expect(button(page, 'Open Crossview')).toBeVisible();
        } else {
          note(`${way} ${state}`, await timeToHeading(page, 'direct', openDirectly(page, direct)));
          await page.locator('iframe').evaluate(iframe => iframe.remove());
        }
      }
      await context.close();
    }
  }

  const median = (what: string) => quantile(times[what] ?? [], 0.5);
  for (const state of ['cold', 'warm']) {
    for (const way of ['by a mouse', 'by the keyboard', 'by a script']) {
      const [tunnel, plain] = [median(`${way} ${state}`), median(`direct ${state}`)];
      const figure = `Open to Crossview's heading by the tunnel, ${state}, ${way}`;
      report({ figure, unit: 'ms', value: tunnel });
      report({ figure: `${figure}, more than a direct frame`, unit: 'ms', value: tunnel - plain });
      report({
        figure: `${figure}, of a direct frame`,
        unit: 'ratio',
        value: tunnel / plain,
        budget: 1.2,
      });
    }
  }
});

/** Milliseconds of each of so many small requests, one after the other. */
const timeGets = (frame: Frame) =>
  frame.evaluate(async gets => {
    const times: number[] = [];
    for (let get = 0; get < gets; get++) {
      const start = performance.now();
      await (await fetch('/api/health', { cache: 'no-store' })).text();
      times.push(performance.now() - start);
    }
    return times;
  }, GETS);

test('a small GET', async ({ forwardPort, hostFor, installByHelm, page }) => {
  installByHelm('--wait');
  const direct = await forwardPort();
  await openPage(page, await hostFor());
  await openByScript(page)();
  const tunnel = await appIn(page, 'Crossview');
  await openDirectly(page, direct)();
  const plain = await appIn(page, 'direct');
  await Promise.all([tunnel, plain].map(timeGets)); // connections are open, code is compiled

  const byTunnel: number[] = [];
  const directly: number[] = [];
  for (let round = 0; round < 3; round++) {
    byTunnel.push(...(await timeGets(tunnel)));
    directly.push(...(await timeGets(plain)));
  }

  const median = quantile(byTunnel, 0.5);
  report({ figure: 'a small GET by the open tunnel', unit: 'ms', value: median });
  report({
    figure: 'a small GET by the open tunnel, of kubectl port-forward',
    unit: 'ratio',
    value: median / quantile(directly, 0.5),
  });
});
