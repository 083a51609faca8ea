import { expect, test, vi } from 'vitest';
import { load, save } from './settings';

test('what is saved is loaded, for the cluster it was saved for', () => {
  save('one', 'url', 'https://crossview.example');

  expect(load('one', 'url')).toBe('https://crossview.example');
  expect(load('two', 'url')).toBe('');
  expect(load('one', 'other')).toBe('');
});

test('names do not run into each other', () => {
  save('one/two', 'three', 'value');

  expect(load('one', 'two/three')).toBe('');
});

test('a browser that refuses storage forgets', () => {
  for (const method of ['getItem', 'setItem'] as const) {
    vi.spyOn(Storage.prototype, method).mockImplementation(() => {
      throw new DOMException('denied', 'SecurityError');
    });
  }

  save('one', 'url', 'value');

  expect(load('one', 'url')).toBe('');
});
