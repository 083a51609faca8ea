/**
 * Serves the host as Headlamp's server serves Headlamp: the page with any deep link, the plugins' files, the
 * configuration, and each cluster's API server below /clusters/<name>/.
 *
 *     node server.mjs --plugins=DIR --kubeconfig=FILE [--kubectl=kubectl] [--port=0] [--cluster=test]...
 *         [--base=/some/base] [--plugin-dir-kind=plugins|user-plugins|static-plugins]
 *
 * One server is one user, the one of its kubeconfig: `kubectl proxy` knows every way to authenticate, and
 * listens on a socket in the file system, where no website can reach it. `--api=URL` takes a proxy that runs
 * already. With neither there is no cluster: the user counts as logged in, and everything else is a 503.
 *
 * Measured against Headlamp 0.45.0 and alike: what plugins can tell of requests, watches, port-forwards,
 * files and their headers. Not there: log-in, Headlamp's own port-forward, dynamic clusters.
 */
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const DIST = fileURLToPath(new URL('dist', import.meta.url));

/** What Go's standard library and Headlamp's server call these. @type {Record<string, string>} */
const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.woff2': 'font/woff2',
};

/** How Headlamp calls a plugin of each kind of folder. */
const KINDS = /** @type {const} */ ({
  plugins: 'development',
  'user-plugins': 'user',
  'static-plugins': 'shipped',
});

/**
 * @typedef {object} HostOptions
 * @property {string} plugins folder of plugin folders; read anew at every request
 * @property {keyof typeof KINDS} [kind] where Headlamp would have found them
 * @property {string} [base] base URL, without a slash at the end
 * @property {string[]} [clusters] names of the cluster; several names lead to the same one
 * @property {string} [kubeconfig]
 * @property {string} [kubectl]
 * @property {string} [api] URL of an API server that asks for no credentials
 * @property {boolean} [desktop] whether the page may come from another origin, as on the desktop
 * @property {number} [port] 0 for any
 * @property {{ key: Buffer, cert: Buffer }} [tls] for a page over https
 * @property {Record<string, string>} [types] MIME types by extension, in place of the right ones
 */

/**
 * Starts a host.
 *
 * @param {HostOptions} options
 * @returns {Promise<{ url: string, close: () => Promise<void> }>} its address, with the base URL and a slash
 */
export async function startHost(options) {
  const {
    plugins,
    kind = 'plugins',
    base = '',
    clusters = ['test'],
    desktop,
    port = 0,
    tls,
  } = options;
  const scheme = tls ? 'https' : 'http';
  const types = { ...TYPES, ...options.types };
  const cluster = await connect(options);
  /** Sockets that were upgraded: closing the server ends all but these. @type {Set<import('node:stream').Duplex>} */
  const tunnels = new Set();

  /** @type {http.RequestListener} */
  const listener = (request, response) => {
    answer(request, response).catch(error => {
      if (response.headersSent) {
        response.destroy(error);
      } else {
        respond(response, 500, 'text/plain', String(error));
      }
    });
  };
  const server = tls ? https.createServer(tls, listener) : http.createServer(listener);
  server.on('upgrade', (request, socket, head) => {
    const path = clusterPath(request.url ?? '');
    if (path === undefined || !cluster || !isFriend(request)) {
      socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n');
    } else {
      tunnels.add(socket);
      socket.on('close', () => tunnels.delete(socket));
      tunnel(cluster, path, request, socket, head);
    }
  });

  /**
   * @param {http.IncomingMessage} request
   * @param {http.ServerResponse} response
   */
  async function answer(request, response) {
    const url = request.url ?? '/';
    if (!isFriend(request)) {
      return respond(response, 403, 'text/plain', 'foreign origin\n');
    }
    if (desktop && request.headers.origin) {
      response.setHeader('access-control-allow-origin', request.headers.origin);
      response.setHeader('access-control-allow-credentials', 'true');
      response.setHeader('access-control-allow-methods', 'GET, POST, PUT, PATCH, DELETE');
      response.setHeader('access-control-allow-headers', 'accept, authorization, content-type');
      if (request.method === 'OPTIONS') {
        return respond(response, 204);
      }
    }
    const below = clusterPath(url);
    if (below !== undefined) {
      return cluster ? forward(cluster, below, request, response) : noCluster(below, response);
    }
    const path = posix.normalize(decodeURIComponent(url.replace(/[?#].*/s, '')));
    if (path !== base && !path.startsWith(`${base}/`)) {
      return respond(response, 404, 'text/plain', '404 page not found\n');
    }
    const local = path.slice(base.length);
    if (local === '/config') {
      return respond(response, 200, 'application/json', JSON.stringify(configOf(clusters)));
    }
    if (local === '/plugins') {
      return respond(response, 200, 'application/json', JSON.stringify(await list(plugins, kind)));
    }
    if (local.startsWith(`/${kind}/`)) {
      const file = join(plugins, local.slice(kind.length + 2));
      return (
        (await sendFile(request, response, file, types)) ||
        respond(response, 404, 'text/plain; charset=utf-8', '404 page not found\n')
      );
    }
    if (local !== '/' && (await sendFile(request, response, join(DIST, local), types))) {
      return true;
    }
    return respond(response, 200, TYPES['.html'], await pageFor(base));
  }

  /**
   * Any website can send requests to a local port; what it sends carries its own origin.
   *
   * @param {http.IncomingMessage} request
   */
  function isFriend({ headers: { origin, host } }) {
    const port = host?.split(':')[1];
    return (
      origin === undefined ||
      origin === `${scheme}://${host}` ||
      (desktop && [`http://127.0.0.1:${port}`, `http://localhost:${port}`].includes(origin))
    );
  }

  /**
   * Path below the API server's root, for URLs of a cluster that we have.
   *
   * @param {string} url
   */
  function clusterPath(url) {
    const name = clusters.find(name => url.startsWith(`${base}/clusters/${name}/`));
    return name === undefined ? undefined : url.slice(`${base}/clusters/${name}`.length);
  }

  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(undefined));
  });
  const address = /** @type {net.AddressInfo} */ (server.address());
  return {
    url: `${scheme}://127.0.0.1:${address.port}${base}/`,
    async close() {
      await new Promise(resolve => {
        server.close(resolve);
        server.closeAllConnections();
        tunnels.forEach(socket => socket.destroy());
      });
      await cluster?.close();
    },
  };
}

/**
 * @param {http.ServerResponse} response
 * @param {number} status
 * @param {string} [type]
 * @param {string} [body]
 */
function respond(response, status, type = 'text/plain', body = '') {
  response.writeHead(status, { 'content-type': type }).end(body);
  return true;
}

/** @param {string[]} clusters */
function configOf(clusters) {
  return {
    clusters: clusters.map(name => ({
      name,
      auth_type: '',
      meta_data: { namespace: '', source: 'kubeconfig' },
    })),
    isDynamicClusterEnabled: false,
    allowKubeconfigChanges: false,
  };
}

/**
 * @param {string} folder
 * @param {keyof typeof KINDS} kind
 */
async function list(folder, kind) {
  const names = await readdir(folder);
  const withScript = await Promise.all(names.map(name => isFile(join(folder, name, 'main.js'))));
  return names
    .filter((_, index) => withScript[index])
    .map(name => ({ path: `${kind}/${name}`, type: KINDS[kind], name }));
}

/** @param {string} file */
async function isFile(file) {
  return (await stat(file).catch(() => undefined))?.isFile() ?? false;
}

/**
 * The page, with its files' names and the library's own idea of the base URL made right.
 *
 * @param {string} base
 */
async function pageFor(base) {
  const page = await readFile(join(DIST, 'index.html'), 'utf8');
  return page
    .replaceAll('"./', `"${base}/`)
    .replace('<head>', `<head><script>headlampBaseUrl = ${JSON.stringify(base)}</script>`);
}

/**
 * Sends a file, or its compressed sidecar, with no word on how long it may be kept but its age; browsers
 * then keep it for a tenth of that.
 *
 * @param {http.IncomingMessage} request
 * @param {http.ServerResponse} response
 * @param {string} file
 * @param {Record<string, string>} types
 * @returns {Promise<boolean>} false when there is no such file
 */
async function sendFile(request, response, file, types) {
  if (!(await isFile(file))) {
    return false;
  }
  const compressed =
    /\bbr\b/.test(String(request.headers['accept-encoding'])) && (await isFile(`${file}.br`));
  const source = compressed ? `${file}.br` : file;
  const { size, mtime } = await stat(source);
  response.setHeader('last-modified', mtime.toUTCString());
  response.setHeader('content-type', types[extname(file)] ?? 'application/octet-stream');
  if (request.headers['if-modified-since'] === mtime.toUTCString()) {
    response.writeHead(304).end();
    return true;
  }
  if (compressed) {
    response.setHeader('content-encoding', 'br');
    response.setHeader('vary', 'Accept-Encoding');
  }
  response.writeHead(200, { 'content-length': size });
  createReadStream(source).pipe(response);
  return true;
}

/**
 * An API server that is ready to be asked.
 *
 * @typedef {object} Upstream
 * @property {net.NetConnectOpts & http.RequestOptions} at where it listens
 * @property {string} host what it is called in requests
 * @property {() => Promise<void>} close
 */

/**
 * @param {HostOptions} options
 * @returns {Promise<Upstream | undefined>} undefined where there is no cluster
 */
async function connect({ api, kubeconfig, kubectl = 'kubectl' }) {
  if (api) {
    const { hostname, port, host } = new URL(api);
    return { at: { host: hostname, port: Number(port) }, host, close: async () => {} };
  }
  if (!kubeconfig) {
    return undefined;
  }
  const folder = await mkdtemp(join(tmpdir(), 'crossview-host-'));
  const socketPath = join(folder, 'proxy');
  const proxy = spawn(
    kubectl,
    // By default it refuses what executes commands in pods.
    ['proxy', `--unix-socket=${socketPath}`, `--kubeconfig=${kubeconfig}`, '--reject-paths=^$'],
    { stdio: ['ignore', 'pipe', 'inherit'] }
  );
  const ended = new Promise(resolve => proxy.once('exit', resolve));
  const kill = () => proxy.kill();
  process.once('exit', kill);
  await new Promise((resolve, reject) => {
    proxy.once('error', reject);
    proxy.once('exit', code => reject(new Error(`kubectl proxy ended with ${code}`)));
    proxy.stdout.once('data', resolve); // "Starting to serve on ..."
  });
  return {
    at: { path: socketPath, socketPath },
    host: 'localhost',
    async close() {
      process.off('exit', kill);
      proxy.kill();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * @param {Upstream} upstream
 * @param {string} path
 * @param {http.IncomingMessage} request
 * @param {http.ServerResponse} response
 */
function forward({ at, host }, path, request, response) {
  const up = http.request({
    ...at,
    path,
    method: request.method,
    headers: { ...request.headers, host },
  });
  up.on('response', answer => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  up.on('error', error => {
    if (response.headersSent) {
      response.destroy();
    } else {
      respond(response, 502, 'text/plain', String(error));
    }
  });
  response.on('close', () => up.destroy()); // a watch that is given up ends at the API server too
  request.pipe(up);
}

/**
 * @param {Upstream} upstream
 * @param {string} path
 * @param {http.IncomingMessage} request
 * @param {import('node:stream').Duplex} socket
 * @param {Buffer} head
 */
function tunnel({ at, host }, path, request, socket, head) {
  const up = net.connect(at, () => {
    // With the origin: the API server refuses the watch of a WebSocket that has none.
    const headers = Object.entries({ ...request.headers, host }).map(([k, v]) => `${k}: ${v}\r\n`);
    up.write(`${request.method} ${path} HTTP/1.1\r\n${headers.join('')}\r\n`);
    up.write(head);
    up.pipe(socket).pipe(up);
  });
  up.on('error', () => socket.destroy()).on('close', () => socket.destroy());
  socket.on('error', () => up.destroy()).on('close', () => up.destroy());
}

/**
 * @param {string} path
 * @param {http.ServerResponse} response
 */
function noCluster(path, response) {
  // Headlamp asks this to see whether the user is logged in, and shows no page without it.
  const loggedIn = path.includes('/selfsubjectrulesreviews');
  const body = loggedIn
    ? { kind: 'SelfSubjectRulesReview', apiVersion: 'authorization.k8s.io/v1' }
    : {
        kind: 'Status',
        apiVersion: 'v1',
        status: 'Failure',
        code: 503,
        message: 'no cluster here',
      };
  respond(response, loggedIn ? 201 : 503, 'application/json', JSON.stringify(body));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      api: { type: 'string' },
      base: { type: 'string' },
      cluster: { type: 'string', multiple: true },
      kubeconfig: { type: 'string' },
      kubectl: { type: 'string' },
      plugins: { type: 'string', default: 'plugins' },
      'plugin-dir-kind': { type: 'string', default: 'plugins' },
      port: { type: 'string', default: '0' },
    },
  });
  const kind = values['plugin-dir-kind'];
  if (!(kind in KINDS)) {
    throw new Error(`--plugin-dir-kind is one of ${Object.keys(KINDS).join(', ')}, got ${kind}`);
  }
  const host = await startHost({
    ...values,
    kind: /** @type {keyof typeof KINDS} */ (kind),
    clusters: values.cluster,
    port: Number(values.port),
  });
  console.log(host.url);
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => host.close().then(() => process.exit(0)));
  }
}
