import { beforeEach, expect, test, vi } from 'vitest';
import { Engine, Glue } from './engine';
import type { Host } from './host';

const mounted = { unmount: vi.fn(), free: vi.fn() };
const mount = vi.fn<Glue['mount']>();
const glue: Glue = Object.assign(async () => {}, { mount });
const element = document.createElement('div');
const host = { cluster: 'test' } as Host;

beforeEach(() => {
  mounted.unmount.mockReset();
  mounted.free.mockReset();
  mount.mockReset().mockReturnValue(mounted);
});

/** An exception that nobody caught, as the window hears of it. */
function uncaught(error: Error) {
  const heard = () => {}; // else the test runner takes it for the test's own
  window.addEventListener('error', heard);
  window.dispatchEvent(new ErrorEvent('error', { error }));
  window.removeEventListener('error', heard);
}

function trap(): WebAssembly.RuntimeError {
  return new WebAssembly.RuntimeError('unreachable');
}

test('a page that is taken away is freed, once', async () => {
  const engine = await Engine.start(glue, new Response());
  const stopped = vi.fn();

  engine.show(element, host, stopped)();

  expect(mount).toHaveBeenCalledWith(element, host);
  expect(mounted.unmount).toHaveBeenCalledOnce();
  expect(mounted.free).toHaveBeenCalledOnce();
  expect(mounted.unmount.mock.invocationCallOrder[0]).toBeLessThan(
    mounted.free.mock.invocationCallOrder[0] ?? 0
  );
  expect(stopped).not.toHaveBeenCalled();
});

test.each([
  ['an event', () => uncaught(trap())],
  [
    'a promise',
    () => dispatchEvent(Object.assign(new Event('unhandledrejection'), { reason: trap() })),
  ],
])('a trap in %s stops the page, and nothing of it is called again', async (_, happens) => {
  const engine = await Engine.start(glue, new Response());
  const stopped = vi.fn();
  const takeAway = engine.show(element, host, stopped);

  happens();
  takeAway();
  engine.show(element, host, stopped)();

  expect(String(stopped.mock.calls[0]?.[0])).toBe('Its page has stopped: unreachable');
  expect(stopped).toHaveBeenCalledTimes(2);
  expect(mount).toHaveBeenCalledOnce();
  expect(mounted.unmount).not.toHaveBeenCalled();
});

test('a trap at the start is told', async () => {
  mount.mockImplementation(() => {
    throw trap();
  });
  const stopped = vi.fn();

  (await Engine.start(glue, new Response())).show(element, host, stopped)();

  expect(stopped).toHaveBeenCalledOnce();
});

test('an error of somebody else, or after the page was taken away, is none of its own', async () => {
  const engine = await Engine.start(glue, new Response());
  const stopped = vi.fn();
  const takeAway = engine.show(element, host, stopped);

  uncaught(new Error('of another plugin'));
  takeAway();
  uncaught(trap());

  expect(stopped).not.toHaveBeenCalled();
});

test('a WebAssembly that can not be started is told to who starts it', async () => {
  const broken: Glue = Object.assign(
    async () => {
      throw new WebAssembly.CompileError('expected magic word');
    },
    { mount }
  );

  await expect(Engine.start(broken, new Response())).rejects.toThrow('expected magic word');
});
