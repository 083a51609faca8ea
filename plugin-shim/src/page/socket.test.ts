import { beforeEach, expect, test, vi } from 'vitest';
import { openSocket } from './socket';

/** A WebSocket whose server is the test. */
class ScriptedSocket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSED = 3;
  static readonly all: ScriptedSocket[] = [];
  readyState = ScriptedSocket.CONNECTING;
  readonly sent: unknown[] = [];

  constructor(readonly url: string, readonly protocols: string[]) {
    super();
    ScriptedSocket.all.push(this);
  }

  send(data: unknown) {
    this.sent.push(data);
  }

  close() {
    this.readyState = ScriptedSocket.CLOSED;
  }

  serverOpens() {
    this.readyState = ScriptedSocket.OPEN;
    this.dispatchEvent(new Event('open'));
  }

  serverSends(data: string) {
    this.dispatchEvent(new MessageEvent('message', { data }));
  }

  serverCloses(code: number, reason: string) {
    this.readyState = ScriptedSocket.CLOSED;
    this.dispatchEvent(new CloseEvent('close', { code, reason }));
  }
}

/** What the page was told, in order. */
let told: unknown[];

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', ScriptedSocket);
  vi.spyOn(console, 'warn').mockImplementation(() => {}); // Headlamp's words on a close
  ScriptedSocket.all.length = 0;
  told = [];
  return () => vi.useRealTimers();
});

function open() {
  return openSocket('test', '/api/v1/pods?watch=1', ['v4.channel.k8s.io'], {
    onOpen: () => told.push('open'),
    onMessage: data => told.push(data),
    onClose: (code, reason) => told.push([code, reason]),
  });
}

/** Lets Headlamp make the socket, and the page see it. */
async function made(): Promise<ScriptedSocket> {
  await vi.advanceTimersByTimeAsync(10);
  const [socket] = ScriptedSocket.all;
  if (!socket) {
    throw new Error('no socket was made');
  }
  return socket;
}

test('a socket is opened at the cluster’s address with the subprotocol', async () => {
  open();

  const { url, protocols } = await made();

  expect(new URL(url).pathname).toBe('/clusters/test/api/v1/pods');
  expect(protocols).toContain('v4.channel.k8s.io');
});

test('what happens is told in order, and the end with code and reason, once', async () => {
  open();
  const socket = await made();

  socket.serverOpens();
  socket.serverSends('one');
  socket.serverSends('two');
  socket.serverCloses(1011, 'gone');
  socket.serverCloses(1011, 'gone');
  await vi.advanceTimersByTimeAsync(60_000);

  expect(told).toEqual(['open', 'one', 'two', [1011, 'gone']]);
  expect(ScriptedSocket.all).toHaveLength(1);
});

test('a refused handshake is one end', async () => {
  open();

  (await made()).serverCloses(1006, '');
  await vi.advanceTimersByTimeAsync(60_000);

  expect(told).toEqual([[1006, '']]);
});

test('nothing is told after close', async () => {
  const handle = open();
  const socket = await made();
  socket.serverOpens();

  handle.close();
  handle.close();
  socket.serverSends('late');
  socket.serverCloses(1000, '');
  await vi.advanceTimersByTimeAsync(60_000);

  expect(told).toEqual(['open']);
  expect(socket.readyState).toBe(ScriptedSocket.CLOSED);
});

// Headlamp's own cancel forgets a socket that isn't there yet, and leaves it open.
test('a socket that comes after close is closed', async () => {
  const handle = open();

  handle.close();
  const socket = await made();

  expect(socket.readyState).toBe(ScriptedSocket.CLOSED);
  expect(told).toEqual([]);
});

test('the first message opens a socket that was not seen yet', async () => {
  open();
  await vi.advanceTimersByTimeAsync(0);
  await Promise.resolve();
  const [socket] = ScriptedSocket.all;

  socket?.serverOpens();
  socket?.serverSends('early');
  await vi.advanceTimersByTimeAsync(10);

  expect(told).toEqual(['open', 'early']);
});

test('data is sent while the socket is open, and never throws', async () => {
  const handle = open();
  handle.send('too early');
  const socket = await made();
  socket.serverOpens();

  handle.send('in time');
  socket.serverCloses(1000, '');
  handle.send('too late');

  expect(socket.sent).toEqual(['in time']);
});

test('a socket that never comes is an end', async () => {
  vi.spyOn(pluginLib.ApiProxy, 'stream').mockReturnValue({ cancel() {}, getSocket: () => null });

  open();
  await vi.advanceTimersByTimeAsync(60_000);

  expect(told).toEqual([[1006, 'Headlamp opened no WebSocket']]);
});

test('a socket that can not be made is an end at once', async () => {
  vi.spyOn(pluginLib.ApiProxy, 'stream').mockImplementation((_, __, { failCb }) => {
    failCb?.();
    return { cancel() {}, getSocket: () => null };
  });

  open();
  await vi.advanceTimersByTimeAsync(10);

  expect(told).toEqual([[1006, 'Headlamp opened no WebSocket']]);
});

test('an exception of Headlamp’s is an end', async () => {
  vi.spyOn(pluginLib.ApiProxy, 'stream').mockImplementation(() => {
    throw new Error('no clusters');
  });

  open();
  await vi.advanceTimersByTimeAsync(0);

  expect(told).toEqual([[1006, 'Error: no clusters']]);
});
