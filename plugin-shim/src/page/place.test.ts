// @vitest-environment jsdom
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { newPlace, preparePlace, takePlace } from './place';

const URL = 'http://localhost/frame.html';
let parent: HTMLElement;
const iframes = () => parent.querySelectorAll('iframe').length;

beforeEach(() => {
  vi.useFakeTimers();
  parent = document.createElement('div');
  document.body.append(parent);
});

afterEach(() => {
  parent.remove();
  vi.useRealTimers();
});

it('is made once ahead, and taken once', () => {
  preparePlace(parent, URL);
  preparePlace(parent, URL);
  expect(iframes()).toBe(1);

  const first = takePlace(parent, URL);
  const second = takePlace(parent, URL);

  expect(first.iframe).not.toBe(second.iframe);
  expect(iframes()).toBe(2);
});

it('is of no origin, and says where it is shown to nobody', () => {
  const { iframe } = newPlace(parent, URL);

  expect(iframe.getAttribute('sandbox')).not.toMatch(/same-origin|popups|top-navigation/);
  expect(iframe.referrerPolicy).toBe('no-referrer');
});

it('goes where nobody takes it', () => {
  preparePlace(parent, URL);
  vi.advanceTimersByTime(59_999);
  expect(iframes()).toBe(1);

  vi.advanceTimersByTime(1);

  expect(iframes()).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

it('stays where it was taken', () => {
  preparePlace(parent, URL);
  const { iframe } = takePlace(parent, URL);
  expect(vi.getTimerCount()).toBe(0);

  vi.advanceTimersByTime(120_000);

  expect(iframe.isConnected).toBe(true);
});
