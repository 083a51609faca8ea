/**
 * A server that stands for Headlamp's: the page, the frame's document, an API that wants the user's cookie, and a
 * way to the app that the reference tunnel uses. What is asked for is counted.
 */
import { build } from 'esbuild';
import { once } from 'node:events';
import http from 'node:http';
import net, { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { frame } from '../../../plugin-shim/build/build.mjs';

const PAGE = `<!doctype html><html><head><meta charset="utf-8"><title>Headlamp</title></head>
<body><p id="secret">the user's own</p><script src="/headlamp.js"></script></body></html>`;

/**
 * A document that the app's scripts may lead to: it waits for a port as the frame's own does, and tells the server
 * of one.
 */
const HOSTILE = `<!doctype html><p>Please type your password</p>
<script>onmessage = ({ ports }) => ports[0] && fetch('/got-a-port', { mode: 'no-cors' })</script>`;

/** The cookie without which the API answers nothing. */
export const COOKIE = 'headlamp-auth=secret';

export interface FrameServer {
  readonly url: string;
  /** Requests with the user's cookie to the API, as `METHOD path`. */
  readonly apiRequests: string[];
  /** Other requests than the test's own, as `METHOD path`. */
  readonly strayRequests: string[];
  close(): void;
}

let built: Promise<readonly [string, string]> | undefined;

async function buildAll() {
  const script = await build({
    entryPoints: [fileURLToPath(new URL('headlamp.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2022',
    tsconfigRaw: {},
  });
  return [await frame(), script.outputFiles[0]?.text ?? ''] as const;
}

/** @param app address of the app. */
export async function startFrameServer(app: string): Promise<FrameServer> {
  const [frameDocument, script] = await (built ??= buildAll());
  const apiRequests: string[] = [];
  const strayRequests: string[] = [];
  const upstream = new URL(app);

  const server = http.createServer((request, response) => {
    const path = request.url ?? '';
    const send = (type: string, body: string, headers = {}) =>
      response.writeHead(200, { 'content-type': type, ...headers }).end(body);
    if (path === '/headlamp') {
      send('text/html', PAGE, { 'set-cookie': `${COOKIE}; Path=/; HttpOnly; SameSite=Lax` });
    } else if (path === '/headlamp.js') {
      send('text/javascript', script);
    } else if (path === '/plugins/crossview-headlamp/frame.0.html') {
      send('text/html', frameDocument);
    } else if (path === '/plugins/crossview-headlamp/silent.html') {
      send('text/html', '<p>says nothing</p>');
    } else if (path === '/hostile') {
      send('text/html', HOSTILE);
    } else if (path === '/hostile-without-end') {
      response.writeHead(200, { 'content-type': 'text/html' }).write(HOSTILE.padEnd(4096));
    } else if (path.startsWith('/upstream/')) {
      const headers = { ...request.headers, cookie: undefined, host: upstream.host };
      const up = http.request({
        host: upstream.hostname,
        port: upstream.port,
        method: request.method,
        path: path.slice('/upstream'.length),
        headers: Object.fromEntries(Object.entries(headers).filter(([, value]) => value)),
      });
      up.on('response', answer => {
        const { statusCode = 502, headers } = answer;
        delete headers['set-cookie'];
        // What the browser would act upon comes through in another way.
        headers['x-upstream-status'] = String(statusCode);
        if (headers['content-encoding']) {
          headers['x-upstream-encoding'] = headers['content-encoding'];
          delete headers['content-encoding'];
        }
        response.writeHead(statusCode >= 300 && statusCode < 400 ? 200 : statusCode, headers);
        answer.pipe(response);
      });
      up.on('error', () => response.destroy());
      response.on('close', () => up.destroy());
      request.pipe(up);
    } else if (path.startsWith('/clusters/')) {
      if (request.headers.cookie?.includes(COOKIE)) {
        apiRequests.push(`${request.method} ${path}`);
        send('application/json', '{"kind":"SecretList"}');
      } else {
        response.writeHead(401).end();
      }
    } else {
      strayRequests.push(`${request.method} ${path}`);
      send('text/html', '<title>Headlamp</title><p>Headlamp itself</p>');
    }
  });

  server.on('upgrade', (request, socket, head) => {
    const path = (request.url ?? '').slice('/upstream'.length);
    const up = net.connect(Number(upstream.port), upstream.hostname, () => {
      const headers = Object.entries({ ...request.headers, host: upstream.host })
        .filter(([name]) => name !== 'cookie')
        .map(([name, value]) => `${name}: ${value}\r\n`);
      up.write(`GET ${path} HTTP/1.1\r\n${headers.join('')}\r\n`);
      up.write(head);
      up.pipe(socket).pipe(up);
    });
    up.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('error', () => up.destroy()).on('close', () => up.destroy());
  });

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    apiRequests,
    strayRequests,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
