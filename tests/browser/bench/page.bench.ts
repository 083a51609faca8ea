/**
 * What opening, keeping and leaving the page costs, on a real cluster with nothing installed.
 *
 * Times are given as ratios to, or differences from, something bare that is measured beside them in the same
 * run: the machine's mood is in both.
 */
import type { Page } from '@playwright/test';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, openCluster, test } from '../fixtures';
import { quantile, report } from './figures';

const bare = fileURLToPath(new URL('../../host/bare-plugin', import.meta.url));

/** How often a time is taken. */
const RUNS = 10;

/** What to click, and what is there once the page can be used. */
interface Subject {
  readonly path: string;
  readonly usable: string;
}

const CROSSVIEW: Subject = { path: '/crossview', usable: '.crossview form button:enabled' };
const BARE: Subject = { path: '/bare', usable: '.bare button' };

/**
 * Milliseconds from a click on the sidebar entry to the frame that has a usable page. The click comes from a
 * script: no pointer has announced it.
 */
function timeToUsable(page: Page, { path, usable }: Subject): Promise<number> {
  return page.evaluate(
    ([path, usable]) =>
      new Promise<number>((resolve, reject) => {
        const entry = document.querySelector<HTMLElement>(`nav a[href$="${path}"]`);
        if (!entry) {
          return reject(new Error(`no entry for ${path}`));
        }
        const start = performance.now();
        entry.click();
        (function look() {
          if (document.querySelector(usable)) {
            resolve(performance.now() - start);
          } else {
            requestAnimationFrame(look);
          }
        })();
      }),
    [path, usable] as const
  );
}

test('click to usable', async ({ browser, hostFor, plugins }) => {
  const url = await hostFor();
  await cp(bare, join(plugins.path, 'bare'), { recursive: true });
  const times = { cold: new Map<Subject, number[]>(), warm: new Map<Subject, number[]>() };

  for (let run = 0; run < RUNS; run++) {
    for (const subject of [CROSSVIEW, BARE]) {
      const context = await browser.newContext();
      const page = await context.newPage();
      for (const state of ['cold', 'warm'] as const) {
        await openCluster(page, url);
        await page.waitForLoadState('networkidle'); // warm: loaded ahead by now
        const time = await timeToUsable(page, subject);
        times[state].set(subject, [...(times[state].get(subject) ?? []), time]);
      }
      await context.close();
    }
  }

  for (const state of ['cold', 'warm'] as const) {
    const median = (subject: Subject) => quantile(times[state].get(subject) ?? [], 0.5);
    report({ figure: `click to usable, ${state}`, unit: 'ms', value: median(CROSSVIEW) });
    report({
      figure: `click to usable, ${state}, of a bare React page`,
      unit: 'ratio',
      value: median(CROSSVIEW) / median(BARE),
    });
  }
});

/** How long nothing may be asked before a page counts as idle, in milliseconds. */
const IDLE = 3_000;

/** What the page asks for while nobody does anything, once it has all that it began with. */
async function askedWhileIdle(page: Page, subject: Subject, seconds: number): Promise<string[]> {
  let asked: string[] = [];
  let last = Date.now();
  const note = (what: string, url: string) => {
    asked.push(`${what} ${new URL(url).pathname}`);
    last = Date.now();
  };
  page.on('request', request => note(request.method(), request.url()));
  page.on('websocket', socket => note('WebSocket', socket.url()));
  await timeToUsable(page, subject);
  await expect.poll(() => Date.now() - last).toBeGreaterThan(IDLE);
  asked = [];
  await page.waitForTimeout(seconds * 1000);
  page.removeAllListeners();
  return asked;
}

test('idle', async ({ hostFor, page, plugins }) => {
  const url = await hostFor();
  await cp(bare, join(plugins.path, 'bare'), { recursive: true });
  await openCluster(page, url);
  // Headlamp itself asks for the cluster's version once a minute.
  const ofHeadlamp = await askedWhileIdle(page, BARE, 70);

  const asked = await askedWhileIdle(page, CROSSVIEW, 60);

  const own = asked.filter(request => !ofHeadlamp.includes(request));
  console.error(own.join('\n'));
  report({ figure: 'requests in 60 idle seconds', unit: 'requests', value: own.length, budget: 0 });
});

test('open and close', async ({ hostFor, page, plugins }) => {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable');
  let sockets = 0;
  page.on('websocket', socket => {
    sockets++;
    socket.on('close', () => sockets--);
  });
  const url = await hostFor();
  await cp(bare, join(plugins.path, 'bare'), { recursive: true });
  await openCluster(page, url);

  async function openAndClose(times: number) {
    for (let time = 0; time < times; time++) {
      await timeToUsable(page, CROSSVIEW);
      await timeToUsable(page, BARE);
    }
    // Sockets say goodbye before they are garbage, and garbage holds more.
    await page.waitForTimeout(3_000);
    await devtools.send('HeapProfiler.collectGarbage');
    await devtools.send('HeapProfiler.collectGarbage');
    const { metrics } = await devtools.send('Performance.getMetrics');
    const { backingStorageSize } = (await devtools.send('Runtime.getHeapUsage')) as {
      readonly backingStorageSize?: number;
    };
    const metric = (name: string) => metrics.find(metric => metric.name === name)?.value ?? NaN;
    return {
      heap: metric('JSHeapUsedSize') + (backingStorageSize ?? 0),
      listeners: metric('JSEventListeners'),
      nodes: metric('Nodes'),
      sockets,
    };
  }

  const after10 = await openAndClose(10);
  const after100 = await openAndClose(90);

  const left = 'left by 90 times open and close';
  report({ figure: `heap ${left}`, unit: 'bytes', value: after100.heap - after10.heap });
  for (const kind of ['listeners', 'nodes', 'sockets'] as const) {
    report({
      figure: `${kind} ${left}`,
      unit: 'count',
      value: after100[kind] - after10[kind],
      budget: kind === 'nodes' ? undefined : 0,
    });
  }
});

/** As much of the chart's Deployment as it takes to show a version; it wants no pods. */
function deployment(version: string) {
  const names = {
    'app.kubernetes.io/name': 'crossview',
    'app.kubernetes.io/instance': 'crossview',
  };
  const pods = { ...names, 'app.kubernetes.io/component': 'app' };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'crossview', labels: { ...names, [VERSION]: version } },
    spec: {
      replicas: 0,
      selector: { matchLabels: pods },
      template: {
        metadata: { labels: pods },
        spec: { containers: [{ name: 'app', image: 'none' }] },
      },
    },
  };
}

const VERSION = 'app.kubernetes.io/version';

test('a change in the cluster to a change on the screen', async ({ hostFor, kubectl, page }) => {
  const changes = 50;
  const url = await hostFor();
  const path = 'apis/apps/v1/namespaces/crossview/deployments';
  const send = async (method: string, path: string, type: string, body: unknown) => {
    const response = await fetch(`${url}clusters/test/${path}`, {
      method,
      headers: { 'Content-Type': type },
      body: JSON.stringify(body),
    });
    expect(response.ok, await response.text()).toBe(true);
  };
  kubectl('create', 'namespace', 'crossview');
  await send('POST', path, 'application/json', deployment('v0.0.0'));
  await page.goto(`${url}c/test/crossview`);
  await expect(page.locator('.crossview')).toContainText('v0.0.0');

  await page.evaluate(path => {
    const seen: { bare: Record<string, number>; page: Record<string, number> } = {
      bare: {},
      page: {},
    };
    Object.assign(window, { seen });
    const socket = new WebSocket(
      `${location.origin.replace('http', 'ws')}/clusters/test/${path}?watch=1`
    );
    socket.onmessage = ({ data }) => {
      const now = performance.now();
      seen.bare[JSON.parse(data).object.metadata.labels['app.kubernetes.io/version']] ??= now;
    };
    const root = document.querySelector<HTMLElement>('.crossview');
    new MutationObserver(() => {
      const now = performance.now();
      const [version] = /v0\.0\.\d+/.exec(root?.textContent ?? '') ?? [];
      seen.page[version ?? ''] ??= now;
    }).observe(root!, { characterData: true, childList: true, subtree: true });
  }, path);
  for (let number = 1; number <= changes; number++) {
    const version = `v0.0.${number}`;
    const change = { metadata: { labels: { [VERSION]: version } } };
    await send('PATCH', `${path}/crossview`, 'application/merge-patch+json', change);
    await expect(page.locator('.crossview')).toContainText(version);
  }
  const late = await page.evaluate(changes => {
    const { seen } = window as unknown as {
      seen: { bare: Record<string, number>; page: Record<string, number> };
    };
    return Array.from({ length: changes }, (_, index) => {
      const version = `v0.0.${index + 1}`;
      return (seen.page[version] ?? NaN) - (seen.bare[version] ?? NaN);
    });
  }, changes);
  kubectl('delete', 'namespace', 'crossview');

  const figure = 'change to screen, after a bare WebSocket';
  report({ figure: `${figure}, median`, unit: 'ms', value: quantile(late, 0.5) });
  report({ figure: `${figure}, p95`, unit: 'ms', value: quantile(late, 0.95), budget: 15 });
});
