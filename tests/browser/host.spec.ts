/**
 * What the Rust page gets from Headlamp, asked for in a browser, answered by a real API server: the Host of
 * plugin-shim/src/page, alone in a plugin of its own.
 */
import type { JSHandle, Page } from '@playwright/test';
import { build } from 'esbuild';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Host } from '../../plugin-shim/src/page/host';
import { expect, PluginFolder, test } from './fixtures';

/** Suffix of what a run makes in the cluster, so that one that was stopped is not in the way. */
const run = process.pid;
const shim = fileURLToPath(new URL('../../plugin-shim', import.meta.url));

/** Opens Headlamp with a plugin that does nothing but make a Host, and gives that. */
async function hostIn(page: Page, plugins: PluginFolder, url: string): Promise<JSHandle<Host>> {
  const folder = join(plugins.path, 'only-a-host');
  await mkdir(folder);
  await build({
    stdin: {
      contents: `import { hostFor } from './src/page/host';
        window.host = hostFor('test', name => Promise.reject(new Error(name)));`,
      resolveDir: shim,
    },
    bundle: true,
    format: 'iife',
    outfile: join(folder, 'main.js'),
  });
  const devDependencies = { '@kinvolk/headlamp-plugin': '^0.14.0' };
  const manifest = { name: 'only-a-host', version: '0.1.0', devDependencies };
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
  await page.goto(`${url}c/test`);
  await page.waitForFunction(() => 'host' in window);
  return page.evaluateHandle(() => (window as unknown as { host: Host }).host);
}

test('a request comes back with the API server’s answer', async ({ hostFor, page, plugins }) => {
  const host = await hostIn(page, plugins, await hostFor());

  const [status, kind] = await host.evaluate(async host => {
    const { signal } = new AbortController();
    const response = await host.request('GET', '/api/v1/nodes?limit=1', {}, undefined, signal);
    return [response.status, (await response.json()).kind];
  });

  expect([status, kind]).toEqual([200, 'NodeList']);
});

test('a refusal comes back with the API server’s words', async ({ hostFor, page, plugins }) => {
  const host = await hostIn(page, plugins, await hostFor('nobody'));

  const status = await host.evaluate(async host => {
    const { signal } = new AbortController();
    return (await host.request('GET', '/api/v1/nodes', {}, undefined, signal)).json();
  });

  expect(status).toMatchObject({ kind: 'Status', code: 403, status: 'Failure' });
  expect(status.message).toMatch(/^nodes is forbidden: User "\w+" cannot list resource "nodes"/);
});

test('what is sent arrives, with its headers', async ({ hostFor, kubectl, page, plugins }) => {
  const host = await hostIn(page, plugins, await hostFor());
  const name = `applied-${run}`;
  const applied = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default' },
    data: { key: 'value' },
  };

  const status = await host.evaluate(async (host, applied) => {
    const { signal } = new AbortController();
    const { namespace, name } = applied.metadata;
    const path = `/api/v1/namespaces/${namespace}/configmaps/${name}?fieldManager=host-spec`;
    const headers = { 'Content-Type': 'application/apply-patch+yaml' };
    return (await host.request('PATCH', path, headers, JSON.stringify(applied), signal)).status;
  }, applied);

  expect(status).toBe(201);
  expect(kubectl('get', 'configmap', name, '-o', 'jsonpath={.data.key}')).toBe('value');
  kubectl('delete', 'configmap', name);
});

test('a body is a stream, and ends with its signal', async ({ hostFor, page, plugins }) => {
  const host = await hostIn(page, plugins, await hostFor());

  const [first, end] = await host.evaluate(async host => {
    const ending = new AbortController();
    const path = '/api/v1/namespaces?watch=1';
    const response = await host.request('GET', path, {}, undefined, ending.signal);
    const reader = response.body!.getReader();
    const { value } = await reader.read();
    ending.abort();
    const end = await reader.read().catch(error => error.name);
    return [new TextDecoder().decode(value), end];
  });

  expect(first).toContain('"type":"ADDED"');
  expect(end).toBe('AbortError');
});

test('a watch comes by a WebSocket, an event a message', async ({
  hostFor,
  kubectl,
  page,
  plugins,
}) => {
  const host = await hostIn(page, plugins, await hostFor());
  const name = `watched-${run}`;
  const told = await host.evaluateHandle((host, name) => {
    const told: unknown[] = [];
    const query = `watch=1&fieldSelector=metadata.name%3D${name}`;
    host.socket(
      `/api/v1/namespaces/default/configmaps?${query}`,
      [],
      () => told.push('open'),
      data => told.push(JSON.parse(data as string).type),
      (code, reason) => told.push([code, reason])
    );
    return told;
  }, name);
  await expect.poll(() => told.jsonValue()).toEqual(['open']);

  kubectl('create', 'configmap', name);
  await expect.poll(() => told.jsonValue()).toEqual(['open', 'ADDED']);
  kubectl('delete', 'configmap', name);

  await expect.poll(() => told.jsonValue()).toEqual(['open', 'ADDED', 'DELETED']);
});

test('a refused WebSocket is one end', async ({ hostFor, page, plugins }) => {
  const host = await hostIn(page, plugins, await hostFor('nobody'));

  const told = await host.evaluate(
    host =>
      new Promise(resolve => {
        const told: unknown[] = [];
        host.socket(
          '/api/v1/namespaces?watch=1',
          [],
          () => told.push('open'),
          data => told.push(data),
          (code, reason) => resolve([...told, [code, reason]])
        );
      })
  );

  expect(told).toEqual([[1006, '']]);
});

test('a socket that is closed before it is there leaves nothing open', async ({
  hostFor,
  page,
  plugins,
}) => {
  // Counted in the page: what DevTools tells of a socket that never opened comes in no fixed order.
  await page.addInitScript(() => {
    const made: WebSocket[] = [];
    const Original = WebSocket;
    window.WebSocket = class extends Original {
      constructor(...args: ConstructorParameters<typeof Original>) {
        super(...args);
        made.push(this);
      }
    };
    Object.assign(window, { made });
  });
  const host = await hostIn(page, plugins, await hostFor());

  await host.evaluate(host => {
    const fail = () => {
      throw new Error('told of something after close');
    };
    host.socket('/api/v1/namespaces?watch=1&limit=7', [], fail, fail, fail).close();
  });

  const states = () =>
    page.evaluate(() => {
      const { made } = window as unknown as { made: WebSocket[] };
      const ours = made.filter(({ url }) => url.includes('/api/v1/namespaces?watch=1&limit=7'));
      return ours.map(({ readyState }) => readyState);
    });
  await expect.poll(states).toEqual([3]);
});

test('bytes come as they are by another subprotocol', async ({
  cluster,
  hostFor,
  kubectl,
  page,
  plugins,
}) => {
  const host = await hostIn(page, plugins, await hostFor());
  const image = `ghcr.io/crossplane-contrib/crossview:v${cluster.stable}`;
  kubectl('run', `forwarded-${run}`, `--image=${image}`);
  kubectl('wait', `pod/forwarded-${run}`, '--for=condition=Ready', '--timeout=60s');

  // Each channel of a port-forward begins with its number and the port's, in two bytes.
  const first = await host.evaluate(
    (host, run) =>
      new Promise(resolve => {
        host.socket(
          `/api/v1/namespaces/default/pods/forwarded-${run}/portforward?ports=3001`,
          ['v4.channel.k8s.io'],
          () => {},
          data => resolve(typeof data === 'string' ? data : [...new Uint8Array(data)]),
          (code, reason) => resolve([code, reason])
        );
      }),
    run
  );

  expect(first).toEqual([0, 3001 & 0xff, 3001 >> 8]);
  kubectl('delete', 'pod', `forwarded-${run}`, '--now');
});
