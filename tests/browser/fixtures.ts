/**
 * What browser tests start from: plugin folders, hosts, the cluster, screenshots.
 *
 * Whatever a test starts here ends with it.
 */
import { expect, Page, test as base } from '@playwright/test';
import { HostOptions, startHost } from 'crossview-test-host/server.mjs';
import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const plugin = fileURLToPath(new URL('../../plugin-shim', import.meta.url));
const screenshots = fileURLToPath(new URL('../../target/screenshots', import.meta.url));

/** A running cluster, as tests/cluster/up.sh describes it in cluster.json. */
export interface Cluster {
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string;
  /** Paths of kubeconfigs of users with fewer rights, by their names. */
  readonly users: Readonly<Record<string, string>>;
  /** Path of kubectl, of the cluster's version. */
  readonly kubectl: string;
  /** Version of the chart that is taken when none is asked for. */
  readonly stable: string;
  /** Chart sources, and what else tests/cluster/README.md names. */
  readonly [other: string]: unknown;
}

export type Theme = 'light' | 'dark';

/** A folder of plugin folders, as Headlamp has them. */
export class PluginFolder {
  constructor(readonly path: string) {}

  /** Puts the built plugin there, unchanged. */
  async install(name = 'crossview-headlamp'): Promise<string> {
    const folder = join(this.path, name);
    await cp(join(plugin, 'dist'), folder, { recursive: true });
    await cp(join(plugin, 'package.json'), join(folder, 'package.json'));
    return folder;
  }
}

interface Fixtures {
  /** An empty folder for plugins. */
  readonly plugins: PluginFolder;
  /** Starts a host on `plugins`, without a cluster if not told otherwise; returns its URL. */
  readonly host: (options?: Partial<HostOptions>) => Promise<string>;
  /** The running cluster. Without one the test is skipped, with CI=true it fails. */
  readonly cluster: Cluster;
  /** Runs kubectl as the administrator of the cluster, and gives what it prints. */
  readonly kubectl: (...args: string[]) => string;
  /** Starts a host for a user of the cluster, the administrator if none is named, with the plugin installed. */
  readonly hostFor: (user?: string) => Promise<string>;
  /** Takes the page in light and dark, wide and narrow, into target/screenshots. */
  readonly takeScreenshots: (name: string) => Promise<void>;
}

export const test = base.extend<Fixtures>({
  plugins: async ({}, use) => {
    const path = await mkdtemp(join(tmpdir(), 'crossview-plugins-'));
    await use(new PluginFolder(path));
    await rm(path, { recursive: true });
  },

  host: async ({ plugins }, use) => {
    const hosts: Awaited<ReturnType<typeof startHost>>[] = [];
    await use(async options => {
      const host = await startHost({ plugins: plugins.path, ...options });
      hosts.push(host);
      return host.url;
    });
    await Promise.all(hosts.map(host => host.close()));
  },

  cluster: async ({}, use) => {
    const file = process.env.CROSSVIEW_TEST_CLUSTER;
    if (!file && process.env.CI) {
      throw new Error('CROSSVIEW_TEST_CLUSTER names no cluster.json');
    }
    test.skip(!file, 'no cluster: CROSSVIEW_TEST_CLUSTER is not set');
    await use(JSON.parse(await readFile(file ?? '', 'utf8')));
  },

  kubectl: async ({ cluster }, use) => {
    await use((...args) =>
      execFileSync(cluster.kubectl, [`--kubeconfig=${cluster.kubeconfig}`, ...args], {
        encoding: 'utf8',
      })
    );
  },

  hostFor: async ({ cluster, host, plugins }, use) => {
    await plugins.install();
    await use(user => {
      const kubeconfig = user === undefined ? cluster.kubeconfig : cluster.users[user];
      if (!kubeconfig) {
        throw new Error(`no user ${user}; there are ${Object.keys(cluster.users).join(', ')}`);
      }
      return host({ kubeconfig, kubectl: cluster.kubectl });
    });
  },

  takeScreenshots: async ({ page }, use) => {
    await use(async name => {
      const before = page.viewportSize();
      for (const theme of ['light', 'dark'] as const) {
        await setTheme(page, theme);
        for (const [size, width] of [
          ['wide', 1280],
          ['narrow', 420],
        ] as const) {
          await page.setViewportSize({ width, height: 800 });
          await page.screenshot({
            path: join(screenshots, `${name}-${theme}-${size}.png`),
            animations: 'disabled',
          });
        }
      }
      await setTheme(page, 'light');
      if (before) {
        await page.setViewportSize(before);
      }
    });
  },
});

export { expect };

/** Chooses Headlamp's theme, while the page stays; behind a dialog, where no pointer reaches, too. */
export async function setTheme(page: Page, theme: Theme) {
  const root = page.locator('html');
  if ((await root.evaluate(element => getComputedStyle(element).colorScheme)) !== theme) {
    await page.getByRole('button', { name: 'Toggle theme' }).dispatchEvent('click');
  }
  await expect(root).toHaveCSS('color-scheme', theme);
}

/** Opens Headlamp on the overview of a cluster, where the sidebar shows what belongs to the cluster. */
export async function openCluster(page: Page, host: string, cluster = 'test') {
  await page.goto(`${host}c/${cluster}`);
  await expect(sidebarEntry(page)).toBeVisible();
}

/** The plugin's entry in Headlamp's sidebar: a link that calls itself a button. */
export function sidebarEntry(page: Page) {
  return page.getByRole('navigation').getByRole('button', { name: 'Crossview', exact: true });
}

/** The page itself, drawn by the WebAssembly; nothing before it is loaded. */
export function crossview(page: Page) {
  return page.locator('.crossview');
}

/** Waits until the WebAssembly has drawn its page. */
export async function expectShown(page: Page) {
  await expect(crossview(page).locator(':scope > :not(style)').first()).toBeVisible();
}
