/**
 * What tests of the page itself start from: a cluster without Crossview, Helm's own hand in it, a registry that
 * answers when it is told to, and a cluster that can be lost.
 */
import { expect as plainExpect, JSHandle, Page, Request } from '@playwright/test';
import { ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, RequestListener, Server } from 'node:http';
import { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crossview, test as base } from './fixtures';

/** The binding that gives Helm its rights, the lock, and where both belong. */
export const BINDING = 'crossview-helm-installer-admin';
export const LEASE = 'crossview-helm-crossview';
export const NAMESPACE = 'crossview';
/** Where a colleague may have installed Crossview. */
export const ELSEWHERE = 'crossview-elsewhere';

const fixtureChart = fileURLToPath(new URL('../fixtures/crossview', import.meta.url));

/** A cluster has to pull, schedule and start something, on a machine that may be busy. */
export const expect = plainExpect.configure({ timeout: 60_000 });

/** A registry that holds its answers, so that a test can look at an operation in the middle. */
export interface SlowRegistry {
  /** The chart's reference there. */
  readonly chart: string;
  /** Lets everything through that waits or comes. */
  release(): Promise<void>;
}

/** A `kubectl proxy` that a test can take away and bring back: a cluster that can be lost. */
export interface Line {
  /** Where it listens; the same each time. */
  readonly url: string;
  cut(): Promise<void>;
  mend(): Promise<void>;
}

interface PageFixtures {
  /** A page in another browser, of another person or of the same. */
  readonly otherPage: Page;
  /** Runs Helm as the administrator of the cluster: what a colleague does in a terminal. */
  readonly helm: (...args: string[]) => string;
  /** Installs or upgrades to the chart of this repository by Helm, with more arguments behind. */
  readonly installByHelm: (...args: string[]) => void;
  /** For a host over https, as an Ingress serves Headlamp; no browser trusts it. */
  readonly certificate: { readonly key: Buffer; readonly cert: Buffer };
  readonly slowRegistry: SlowRegistry;
  /** The administrator's way to the cluster. */
  readonly line: Line;
  /** Forwards a port of this machine, any if none is given, to Crossview's Service; gives its address. */
  readonly forwardPort: (port?: number) => Promise<string>;
  /** Serves something that is not Crossview; gives its address. */
  readonly serve: (answer: RequestListener) => Promise<string>;
  /** Nothing of Crossview is in the cluster before and after each test. */
  readonly noCrossview: void;
}

export const test = base.extend<PageFixtures>({
  helm: async ({ cluster }, use) => {
    const home = await mkdtemp(join(tmpdir(), 'crossview-helm-'));
    const env = { ...process.env, HOME: home, KUBECONFIG: cluster.kubeconfig };
    await use((...args) =>
      execFileSync(String(cluster.helm), args, { encoding: 'utf8', env, cwd: home })
    );
    await rm(home, { recursive: true });
  },

  installByHelm: async ({ cluster, helm }, use) => {
    await use((...args) => {
      const { stable } = cluster;
      const version = [`--version=${stable}`, `--app-version=v${stable}`];
      helm('package', fixtureChart, ...version);
      const values = ['config.server.auth.mode=none', 'database.enabled=false'];
      const set = values.map(value => `--set=${value}`);
      const where = [`--namespace=${NAMESPACE}`, '--create-namespace'];
      const chart = `crossview-${stable}.tgz`;
      helm('upgrade', '--install', 'crossview', chart, ...where, ...set, ...args);
    });
  },

  certificate: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'crossview-tls-'));
    const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
    const self = ['-x509', '-nodes', '-newkey', 'rsa:2048', '-days', '1', '-subj', '/CN=localhost'];
    execFileSync('openssl', ['req', ...self, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    await use({ key: await readFile(key), cert: await readFile(cert) });
    await rm(folder, { recursive: true });
  },

  // Depends on `host`, so that it is closed before the host is: an open WebSocket would keep that waiting.
  otherPage: async ({ browser, host }, use) => {
    void host;
    const context = await browser.newContext();
    await use(await context.newPage());
    await context.close();
  },

  slowRegistry: async ({ cluster }, use) => {
    const faulty = cluster.faulty as Readonly<Record<string, string>> | undefined;
    test.skip(!faulty?.slow, 'the cluster has no registry that can be held');
    const tell = async (word: string) => {
      const answer = await fetch(`${cluster.control}/slow/${word}`, { method: 'POST' });
      expect(answer.status).toBe(200);
    };
    await tell('hold');
    await use({ chart: faulty?.slow ?? '', release: () => tell('release') });
    await tell('hold');
  },

  line: async ({ cluster }, use) => {
    let port = '0';
    let proxy: ChildProcess | undefined;
    const mend = async () => {
      const all = [`--kubeconfig=${cluster.kubeconfig}`, `--port=${port}`, '--reject-paths=^$'];
      proxy = spawn(cluster.kubectl, ['proxy', ...all]);
      [, port = ''] = await firstMatch(proxy, /127\.0\.0\.1:(\d+)/);
    };
    const cut = () => end(proxy);
    await mend();
    await use({ url: `http://127.0.0.1:${port}`, cut, mend });
    await cut();
  },

  forwardPort: async ({ cluster }, use) => {
    const forwards: ChildProcess[] = [];
    await use(async (port = 0) => {
      const kubeconfig = `--kubeconfig=${cluster.kubeconfig}`;
      const where = [`--namespace=${NAMESPACE}`, 'service/crossview-service', `${port}:80`];
      const forward = spawn(cluster.kubectl, [kubeconfig, 'port-forward', ...where]);
      forwards.push(forward);
      const [, local] = await firstMatch(forward, /127\.0\.0\.1:(\d+)/);
      return `http://127.0.0.1:${local}`;
    });
    await Promise.all(forwards.map(end));
  },

  serve: async ({}, use) => {
    const servers: Server[] = [];
    await use(async answer => {
      const server = createServer(answer).listen(0, '127.0.0.1');
      servers.push(server);
      await once(server, 'listening');
      return `http://localhost:${(server.address() as AddressInfo).port}`;
    });
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  },

  noCrossview: [
    async ({ kubectl }, use) => {
      removeCrossview(kubectl);
      await use();
      removeCrossview(kubectl);
    },
    { auto: true },
  ],
});

/** Takes away all that the page, Helm or a test may have left, but for the namespace. */
function removeCrossview(kubectl: (...args: string[]) => string) {
  const kinds =
    'deployments,jobs,pods,services,ingresses,leases,secrets,configmaps,serviceaccounts';
  const gone = ['--ignore-not-found', '--now'];
  kubectl('delete', `${kinds},events`, '--all', `--namespace=${NAMESPACE}`, ...gone);
  kubectl('delete', 'namespace', ELSEWHERE, ...gone);
  kubectl('delete', 'clusterrolebinding', BINDING, 'crossview-binding', ...gone);
  kubectl('delete', 'clusterrole', 'crossview-role', ...gone);
}

/** Waits for the first output of a program that `pattern` finds. */
async function firstMatch(program: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  let said = '';
  return new Promise((resolve, reject) => {
    for (const stream of [program.stdout, program.stderr]) {
      stream?.on('data', (data: Buffer) => {
        said += data;
        const found = pattern.exec(said);
        if (found) {
          resolve(found);
        }
      });
    }
    program.once('error', reject);
    program.once('exit', code => reject(new Error(`ended with ${code}: ${said}`)));
  });
}

async function end(program: ChildProcess | undefined) {
  if (program && program.exitCode === null && program.signalCode === null) {
    const ended = once(program, 'exit');
    program.kill();
    await ended;
  }
}

/** What makes the chart install the torture app, which is `cluster.torture`. */
export function withTorture(image: unknown): string[] {
  const [, repository, tag] = /^(.*):(.*)$/.exec(String(image)) ?? [];
  return [`--set=image.repository=${repository}`, `--set-string=image.tag=${tag}`];
}

/** Opens the page by its address and waits until it has read the cluster. */
export async function openPage(page: Page, host: string) {
  await page.goto(`${host}c/test/crossview`);
  await expect(title(page, 'Crossview')).toBeVisible();
  await expect(title(page, 'Reading the cluster')).toHaveCount(0);
}

/** A heading of the page, by its whole text. */
export function title(page: Page, text: string | RegExp) {
  return crossview(page).getByRole('heading', { name: text, exact: true });
}

/** A button of the page. */
export function button(page: Page, name: string) {
  return crossview(page).getByRole('button', { name, exact: true });
}

/** A part of the page that says something by itself, bad or not, by its title. */
export function notice(page: Page, text: string | RegExp) {
  const parts = crossview(page).getByRole('alert').or(crossview(page).getByRole('status'));
  return parts.filter({ has: page.getByRole('heading', { name: text, exact: true }) });
}

/** A line of the installed Crossview's description. */
export function fact(page: Page, name: string) {
  const term = page.getByRole('term').getByText(name, { exact: true });
  return crossview(page)
    .getByRole('definition')
    .and(term.locator('xpath=following-sibling::dd[1]'));
}

/** Fills in the form and clicks Install. */
export async function install(page: Page, { chart = '', version = '' } = {}) {
  if (chart) {
    await crossview(page).getByLabel('Chart').fill(chart);
  }
  if (version) {
    await crossview(page).getByLabel('Version').fill(version);
  }
  await button(page, 'Install').click();
}

/** The stages that the page says an operation to be in, one after the other, from now on. */
export function recordStages(page: Page): Promise<JSHandle<string[]>> {
  return page.evaluateHandle(() => {
    const stages: string[] = [];
    new MutationObserver(() => {
      const stage = document.querySelector('[aria-current="step"]')?.textContent;
      if (stage && stage !== stages.at(-1)) {
        stages.push(stage);
      }
    }).observe(document.body, {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
    });
    return stages;
  });
}

/** What the page sends to the cluster from now on that may change something: method and path. */
export function recordWrites(page: Page): string[] {
  const sent: string[] = [];
  page.on('request', (request: Request) => {
    const { pathname, searchParams } = new URL(request.url());
    const writes = request.method() !== 'GET' && !searchParams.has('dryRun');
    if (writes && pathname.startsWith('/clusters/')) {
      sent.push(`${request.method()} ${pathname}`);
    }
  });
  return sent;
}

/** What the page keeps open to the cluster, WebSockets and fetched streams, by their addresses. */
export interface Streams {
  open(): Promise<string[]>;
  /** Port-forwards to pods, which the tunnel to Crossview is made of. */
  openForwards(): Promise<string[]>;
}

/** Follows what is open, from the page's next load on; what Headlamp itself watches doesn't count. */
export async function recordStreams(page: Page): Promise<Streams> {
  const fetched = new Map<Request, string>();
  page.on('request', request => {
    if (/[?&](watch=1|follow=true)/.test(request.url())) {
      fetched.set(request, request.url());
    }
  });
  page.on('requestfinished', request => fetched.delete(request));
  page.on('requestfailed', request => fetched.delete(request));
  await page.addInitScript(() => {
    const all = new Set<WebSocket>();
    const Original = WebSocket;
    window.WebSocket = class extends Original {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        all.add(this);
        this.addEventListener('close', () => all.delete(this));
      }
    };
    Object.assign(window, { openSockets: () => [...all].map(({ url }) => url) });
  });
  const openSockets = () =>
    page.evaluate(() => (window as unknown as { openSockets(): string[] }).openSockets());
  return {
    async open() {
      const all = [...(await openSockets()), ...fetched.values()];
      return all.filter(url => url.includes('allowWatchBookmarks'));
    },
    async openForwards() {
      return (await openSockets()).filter(url => url.includes('/portforward'));
    },
  };
}
