/**
 * `localStorage`, kept by the page; `sessionStorage` and cookies, kept by this document alone. Cookies are
 * seen by the app's scripts and nobody else: none is sent.
 */
import { define } from './define';
import { post } from './port';

/** What localStorage may hold, in UTF-16 units; the page keeps no more either. */
const MOST = 256 * 1024;

/**
 * A Storage (HTML, "The Storage interface").
 *
 * @param changed called for each change; null when the key was removed.
 */
export function storageOf(
  entries: Readonly<Record<string, string>>,
  changed: (key: string, value: string | null) => void = () => {}
): Storage {
  const kept = new Map(Object.entries(entries));
  const storage = {
    get length() {
      return kept.size;
    },
    key: (index: number) => [...kept.keys()][index] ?? null,
    getItem: (key: string) => kept.get(`${key}`) ?? null,
    setItem(key: string, value: string) {
      const [name, text] = [`${key}`, `${value}`];
      let size = name.length + text.length;
      kept.forEach((other, otherName) => {
        size += otherName === name ? 0 : otherName.length + other.length;
      });
      if (size > MOST) {
        throw new DOMException('The quota has been exceeded.', 'QuotaExceededError');
      }
      kept.set(name, text);
      changed(name, text);
    },
    removeItem(key: string) {
      if (kept.delete(`${key}`)) {
        changed(`${key}`, null);
      }
    },
    clear: () => [...kept.keys()].forEach(key => storage.removeItem(key)),
  };
  return new Proxy<Storage>(storage, {
    get: (target, key) =>
      key in target || typeof key === 'symbol' ? Reflect.get(target, key) : kept.get(key),
    set(_, key, value) {
      storage.setItem(String(key), value);
      return true;
    },
    deleteProperty(_, key) {
      storage.removeItem(String(key));
      return true;
    },
    has: (target, key) => key in target || kept.has(String(key)),
    ownKeys: () => [...kept.keys()],
    getOwnPropertyDescriptor: (_, key) =>
      kept.has(String(key))
        ? { value: kept.get(String(key)), configurable: true, enumerable: true, writable: true }
        : undefined,
  });
}

function cookies() {
  const jar = new Map<string, string>();
  return {
    get: () => [...jar].map(([name, value]) => `${name}=${value}`).join('; '),
    set(cookie: unknown) {
      const [pair = '', ...attributes] = `${cookie}`.split(';');
      const [, name = '', value = ''] = /^\s*([^=]*?)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
      const isOver = attributes.some(attribute => {
        const [key = '', text = ''] = attribute.trim().split('=');
        return /^max-age$/i.test(key)
          ? Number(text) <= 0
          : /^expires$/i.test(key) && Date.parse(text) <= Date.now();
      });
      if (isOver) {
        jar.delete(name);
      } else {
        jar.set(name, value);
      }
    },
  };
}

export function installStorage(entries: Readonly<Record<string, string>>) {
  const local = storageOf(entries, (key, value) => post({ t: 'store', key, value }));
  define(window, 'localStorage', { value: local });
  define(window, 'sessionStorage', { value: storageOf({}) });
  define(document, 'cookie', cookies());
}
