import { describe, expect, it } from 'vitest';
import { Ahead, filesOf } from './ahead';
import type { ToTunnel } from './messages';

/** What Vite makes of an app's index.html. */
const VITE = `<!doctype html>
<html>
  <head>
    <link rel="icon" href="/images/crossview.svg" />
    <script type="module" crossorigin src="/assets/index-1.js"></script>
    <link rel="modulepreload" crossorigin href="/assets/vendor-2.js">
    <link rel="stylesheet" crossorigin href="/assets/index-3.css">
  </head>
  <body><div id="root"></div></body>
</html>`;

const bytes = (text: string) => new TextEncoder().encode(text).buffer as ArrayBuffer;

/** Asks ahead at `path`, with what was asked for so far. */
function begin(path: string) {
  const asked: ToTunnel[] = [];
  const ahead = new Ahead(path, request => asked.push(request));
  ahead.begin();
  return { ahead, asked };
}

describe('the files that a document names', () => {
  it('are its scripts, style sheets and preloaded modules', () => {
    expect(filesOf(VITE, '/')).toEqual([
      '/assets/index-1.js',
      '/assets/vendor-2.js',
      '/assets/index-3.css',
    ]);
  });

  it.each([
    [
      'relative to where it is',
      `<script src="../a.js?v=1#x">`,
      '/one/two/three',
      ['/one/a.js?v=1'],
    ],
    [
      'in any writing',
      `<SCRIPT SRC='/a.js'></SCRIPT><link href=/b.css rel=stylesheet>`,
      '/',
      ['/a.js', '/b.css'],
    ],
    ['each once', `<script src="/a.js"></script><script src="/a.js"></script>`, '/', ['/a.js']],
    [
      'of the app alone',
      `<script src="//cdn.invalid/a.js"><script src="data:,1"><script src="http://[">`,
      '/',
      [],
    ],
    ['not inline', `<script>const src = "/a.js"</script>`, '/', []],
    [
      'not the document itself',
      `<script src="#"></script><script src="/two?a"></script>`,
      '/two?a',
      [],
    ],
    ['where nothing moves them', `<base href="/elsewhere/"><script src="a.js">`, '/', []],
  ])('%s', (_, html, path, files) => {
    expect(filesOf(html, path)).toEqual(files);
  });

  it('are no more than some', () => {
    const many = Array.from({ length: 100 }, (_, at) => `<script src="/${at}.js"></script>`);
    expect(filesOf(many.join(''), '/')).toHaveLength(16);
  });
});

// In more than one go this takes longer than a test may.
it('is read in one go, whatever stands there', () => {
  expect(filesOf('<link'.repeat(1_000_000), '/')).toEqual([]);
});

describe('asking ahead', () => {
  it('asks for the document without its fragment, then for its files, as the frame would', () => {
    const { ahead, asked } = begin('/claims?a=1#top');

    ahead.see({
      t: 'head',
      id: 1,
      status: 200,
      statusText: '',
      headers: [['content-type', 'text/html']],
    });
    ahead.see({ t: 'chunk', id: 1, data: bytes(VITE.slice(0, 150)) });
    ahead.see({ t: 'chunk', id: 1, data: bytes(VITE.slice(150)) });
    expect(asked).toHaveLength(1);
    ahead.see({ t: 'end', id: 1 });

    expect(
      asked.map(request => [request.t, request.id, 'path' in request && request.path])
    ).toEqual([
      ['fetch', 1, '/claims?a=1'],
      ['fetch', 2, '/assets/index-1.js'],
      ['fetch', 3, '/assets/vendor-2.js'],
      ['fetch', 4, '/assets/index-3.css'],
    ]);
    expect(ahead.end().map(({ id, path }) => `${id} ${path}`)).toEqual([
      '1 /claims?a=1',
      '2 /assets/index-1.js',
      '3 /assets/vendor-2.js',
      '4 /assets/index-3.css',
    ]);
  });

  it('asks for nothing that the frame does not know of', () => {
    const { ahead, asked } = begin('/');
    ahead.see({
      t: 'head',
      id: 1,
      status: 200,
      statusText: '',
      headers: [['content-type', 'text/html']],
    });
    ahead.see({ t: 'chunk', id: 1, data: bytes(VITE) });

    expect(ahead.end()).toEqual([{ id: 1, path: '/' }]);
    ahead.see({ t: 'end', id: 1 });

    expect(asked).toHaveLength(1);
  });

  it.each([
    ['an error', 404, 'text/html'],
    ['something else', 200, 'application/json'],
  ])('looks into no %s', (_, status, type) => {
    const { ahead, asked } = begin('/');

    ahead.see({ t: 'head', id: 1, status, statusText: '', headers: [['Content-Type', type]] });
    ahead.see({ t: 'chunk', id: 1, data: bytes(VITE) });
    ahead.see({ t: 'end', id: 1 });

    expect(asked).toHaveLength(1);
  });
});
