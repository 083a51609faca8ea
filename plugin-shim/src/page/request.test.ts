import { expect, test, vi } from 'vitest';
import { request } from './request';

const { signal } = new AbortController();

/** Lets the server give this answer, through Headlamp's own request. */
function answering(answer: () => Promise<Response>) {
  return vi.fn<typeof fetch>().mockImplementation(answer);
}

function get(headers = {}) {
  return request('test', { method: 'GET', path: '/api/v1/pods?limit=1', headers, signal });
}

test('an answer comes as it is, from the cluster’s address, its body a stream', async () => {
  const answer = new Response('pods');
  const fetch = answering(async () => answer);
  vi.stubGlobal('fetch', fetch);

  await expect(get({ Accept: 'application/json' })).resolves.toBe(answer);

  expect(answer.bodyUsed).toBe(false);
  const [url, init] = fetch.mock.calls[0] ?? [];
  expect(new URL(String(url)).pathname).toBe('/clusters/test/api/v1/pods');
  expect(new URL(String(url)).search).toBe('?limit=1');
  expect(init).toMatchObject({ method: 'GET', headers: { Accept: 'application/json' }, signal });
});

test.each([
  [
    'a Status',
    'Forbidden',
    '{"kind":"Status","message":"pods is forbidden - ask"}',
    'pods is forbidden - ask',
  ],
  [
    'a Status over HTTP/2',
    '',
    '{"kind":"Status","message":"pods is forbidden"}',
    'pods is forbidden',
  ],
  ['plain words', 'Forbidden', 'go away', 'go away'],
  ['nothing', 'Forbidden', '', 'Forbidden'],
])('a refusal with %s is a Status with its words', async (_, statusText, body, message) => {
  vi.stubGlobal(
    'fetch',
    answering(async () => new Response(body, { status: 403, statusText }))
  );

  const response = await get();

  expect(response.status).toBe(403);
  expect(await response.json()).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    code: 403,
    message,
  });
});

test('no answer at all is a 502', async () => {
  vi.stubGlobal(
    'fetch',
    answering(() => Promise.reject(new TypeError('Failed to fetch')))
  );

  const response = await get();

  expect(response.status).toBe(502);
  expect(await response.json()).toMatchObject({ code: 502, message: 'Unreachable' });
});

test('whatever is thrown before the request is a 502 with its words', async () => {
  vi.spyOn(pluginLib.ApiProxy, 'clusterRequest').mockRejectedValue('no database');

  expect(await (await get()).json()).toMatchObject({ code: 502, message: 'no database' });
});

test('a request that was ended is a 408', async () => {
  const ending = new AbortController();
  vi.stubGlobal('fetch', (_: string, init: RequestInit) => {
    return new Promise((_, reject) => {
      init.signal?.addEventListener('abort', () =>
        reject(Object.assign(new Error('aborted'), { name: 'AbortError' }))
      );
    });
  });

  const response = request('test', {
    method: 'GET',
    path: '/',
    headers: {},
    signal: ending.signal,
  });
  ending.abort();

  expect((await response).status).toBe(408);
});

// Headlamp reads its database of clusters before it sends anything, and can't be stopped there.
test('a request that is ended before it is sent is a 408 too', async () => {
  const ending = new AbortController();
  vi.spyOn(pluginLib.ApiProxy, 'clusterRequest').mockReturnValue(new Promise(() => {}));

  const response = request('test', {
    method: 'GET',
    path: '/',
    headers: {},
    signal: ending.signal,
  });
  ending.abort();

  expect((await response).status).toBe(408);
});

test('the caller’s headers stay the caller’s', async () => {
  vi.spyOn(pluginLib.ApiProxy, 'clusterRequest').mockImplementation(async (_, params) => {
    Object.assign(params?.headers ?? {}, { KUBECONFIG: 'secret' });
    return new Response();
  });
  const headers = { Accept: 'application/json' };

  await get(headers);

  expect(headers).toEqual({ Accept: 'application/json' });
});
