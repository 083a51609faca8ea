import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Place } from '../page/place';
import { Frame } from './frame';
import { ASK, HELLO } from './messages';

let posted: unknown[];
let place: Place;
let frame: Frame;
const [onBegin, onSilent, onLeft] = [
  vi.fn(() => ({ path: '/', localStorage: {}, ahead: [] })),
  vi.fn(),
  vi.fn(),
];

const seconds = (count: number) => vi.advanceTimersByTime(count * 1000);

/** The document is loaded, and says what it says. */
function load(says?: string, origin = 'null') {
  place.loads++;
  place.onLoad();
  if (says) {
    const source = place.iframe.contentWindow;
    dispatchEvent(Object.assign(new Event('message'), { source, origin, data: says }));
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.clearAllMocks();
  posted = [];
  const contentWindow = { postMessage: (message: unknown) => posted.push(message) };
  const iframe = { contentWindow, remove: vi.fn(), title: '' };
  place = { iframe: iframe as unknown as HTMLIFrameElement, loads: 0, onLoad() {} };
  frame = new Frame(place, { onBegin, onSilent, onLeft });
});

afterEach(() => {
  frame.remove();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

it('gives its port to a document that says it is ours, when it is to begin', () => {
  load(HELLO);
  expect(posted).toEqual([ASK]);

  frame.begin();

  expect(posted).toMatchObject([ASK, { t: 'crossview-start', path: '/' }]);
  expect(onBegin).toHaveBeenCalledOnce();
});

it('gives it when the document comes after that, and once', () => {
  frame.begin();
  load(HELLO);
  frame.begin();

  expect(onBegin).toHaveBeenCalledOnce();
});

it.each([
  ['nothing', undefined, 'null'],
  ['something else', 'hello', 'null'],
  ['the right word from an origin', HELLO, 'http://localhost'],
])('gives no port to a document that says %s', (_, says, origin) => {
  frame.begin();
  load(says, origin);

  seconds(5);
  expect(onSilent).not.toHaveBeenCalled();
  seconds(1);

  expect(onSilent).toHaveBeenCalledOnce();
  expect(onBegin).not.toHaveBeenCalled();
});

it('looks at what was loaded before, when it is told to', () => {
  frame.remove();
  place.loads = 2;
  frame = new Frame(place, { onBegin, onSilent, onLeft });
  expect(onLeft).not.toHaveBeenCalled();

  frame.watch();

  expect(onLeft).toHaveBeenCalledOnce();
});

it('waits for a document as long as it takes, and for its beginning', () => {
  seconds(3600);
  load(HELLO);
  seconds(3600);

  expect(onSilent).not.toHaveBeenCalled();
  expect(onLeft).not.toHaveBeenCalled();
});

it('takes a second document for another’s', () => {
  load(HELLO);
  load(HELLO);
  frame.begin();

  expect(onLeft).toHaveBeenCalledOnce();
  expect(onBegin).not.toHaveBeenCalled();
});

it('gives up a document that never answered sooner than an app that is busy', () => {
  frame.begin();
  load(HELLO);

  seconds(5);

  expect(onSilent).toHaveBeenCalledOnce();
});

it('takes an app that does not answer for gone, but not one that is busy', () => {
  frame.begin();
  load(HELLO);
  frame.answered();
  seconds(9);
  frame.answered();
  seconds(9);
  frame.answered();
  expect(onLeft).not.toHaveBeenCalled();

  seconds(11);

  expect(onLeft).toHaveBeenCalledOnce();
});

it('waits while the user reads a dialog, and no longer', () => {
  frame.begin();
  load(HELLO);
  frame.answered();
  frame.inDialog();
  seconds(600);
  expect(onLeft).not.toHaveBeenCalled();

  frame.answered();
  seconds(11);

  expect(onLeft).toHaveBeenCalledOnce();
});
