/**
 * Crossview in an element: a frame, and a tunnel behind it.
 *
 * The frame is hostile until proved otherwise, and nothing proves it: each message is checked here (those for
 * the page) or in the tunnel (all others). A frame that goes elsewhere is removed and started again where the
 * app was, a few times; then the user is asked.
 */
import type { Place } from '../page/place';
import { Ahead } from './ahead';
import type { Connector, Outlet, PodSocket, Tunnel, TunnelClass } from './engine';
import { Frame } from './frame';
import { openLink } from './links';
import { Settings, Stored, Theme } from './stored';

export interface TunnelOptions {
  readonly namespace: string;
  readonly release: string;
  /** The port that the app's container listens on. */
  readonly port: number;
  /** Where the app begins: path, query and fragment. */
  readonly path: string;
  /** Headlamp's theme; the page's own, if none is given. */
  readonly theme?: Theme;
}

/**
 * What is known of the tunnel; the text beside it says more.
 *
 * - `starting`: the frame or the app is being loaded.
 * - `ready`: the app runs.
 * - `pod`: connected to the pod that the text names.
 * - `trouble`: the tunnel's words on what is wrong with the connection; it tries on.
 * - `unsupported`: what the app asked for and the frame hasn't; it goes on without.
 * - `slow`: not ready after 20 s; the text is what is being waited for. It may still come.
 * - `failed`: the app could not start, or the tunnel has stopped. `reload` tries again.
 * - `leaving`: the app leads elsewhere again and again. `reload` tries again.
 */
export type TunnelState =
  | 'starting'
  | 'ready'
  | 'pod'
  | 'trouble'
  | 'unsupported'
  | 'slow'
  | 'failed'
  | 'leaving';

export interface TunnelListeners {
  onState(kind: TunnelState, text: string): void;
  /** The app is at this path now; it is what a deep link needs. */
  onNavigated(path: string): void;
  /** Names of the app's ready pods, best first; asked for each round of connections. */
  pods(): string[];
}

/** An open tunnel. All of it may be called at any time; after `close` it does nothing. */
export interface TunnelHandle {
  /** Lets the app begin, now that it can be seen. Until then all is ready but the app. */
  show(): void;
  /** Starts the app again where it is. */
  reload(): void;
  /** Starts the app at another path. */
  navigate(path: string): void;
  /** Ends all of it. */
  close(): void;
}

export interface Surroundings extends Settings {
  readonly cluster: string;
  /** A place for the app; a new one each time. */
  readonly place: () => Place;
  readonly socket: Connector['socket'];
  readonly Tunnel: TunnelClass;
  /** The WebAssembly has trapped, and nothing of it may be called again. */
  readonly onTrap: () => void;
}

/** How long the app may take to be ready before the user is told what it waits for, in milliseconds. */
const SLOW = 20_000;
/** How often a frame may leave in how many milliseconds. */
const MOST_RESTARTS = 4;
const RESTARTS_IN = 30_000;
/** Longest text of the frame that is shown. */
const LONGEST = 300;

function themeOfPage(): Theme {
  const { colorScheme } = getComputedStyle(document.documentElement);
  return colorScheme.includes('dark') ? 'dark' : 'light';
}

export function openTunnel(
  options: TunnelOptions,
  listeners: TunnelListeners,
  { cluster, place, Tunnel, socket, onTrap, load, save }: Surroundings
): TunnelHandle {
  const { namespace, release, port: containerPort, theme = themeOfPage() } = options;
  const key = `storage/${namespace}/${release}`;
  const stored = new Stored(
    { load, save },
    key,
    (...entry) => guarded(() => Tunnel.storable(...entry)) ?? false
  );
  let path = '/';
  let frame: Frame | undefined;
  let tunnel: Tunnel | undefined;
  let restarts: number[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** What is being waited for; '' when the app is ready. */
  let waitsFor = '';
  let trouble = '';
  /** How often what was loaded wasn't ours. */
  let silences = 0;
  let isShown = false;
  let isStopped = false;
  let isClosed = false;

  function isPath(text: unknown): text is string {
    return typeof text === 'string' && !!guarded(() => Tunnel.isPath(text));
  }

  /** Calls the WebAssembly: what it throws is its end. */
  function guarded<T>(call: () => T): T | undefined {
    if (isStopped) {
      return undefined;
    }
    try {
      return call();
    } catch (error) {
      isStopped = true;
      onTrap();
      fail(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  function stop() {
    clearTimeout(timer);
    frame?.remove();
    frame = undefined;
    const ended = tunnel;
    tunnel = undefined;
    if (ended) {
      guarded(() => {
        ended.close();
        ended.free();
      });
    }
  }

  function fail(text: string) {
    stop();
    listeners.onState('failed', text);
  }

  function start(to: string) {
    stop();
    if (isClosed) {
      return;
    }
    path = to;
    trouble = '';
    waitsFor = 'the frame';
    listeners.onState('starting', '');
    if (isShown) {
      wait();
    }
    const own = new Frame(place(), { onBegin, onSilent, onLeft });
    frame = own;
    const ahead = new Ahead(to, request => guarded(() => engine?.receive(request)));
    const outlet: Outlet = {
      postMessage(answer, transfer) {
        try {
          ahead.see(answer);
        } finally {
          own.port.postMessage(answer, transfer);
        }
      },
    };
    const engine = guarded(() => new Tunnel(connect(), outlet));
    tunnel = engine;
    own.port.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (engine && tunnel === engine && !hear(data)) {
        guarded(() => engine.receive(data));
      }
    };
    ahead.begin();
    own.watch();
    if (isShown) {
      own.begin();
    }

    function onBegin() {
      return { path, localStorage: stored.entries(theme), ahead: ahead.end() };
    }
  }

  /** Says what it waits for, if that takes long. */
  function wait() {
    timer = setTimeout(() => listeners.onState('slow', trouble || waitsFor), SLOW);
  }

  /** What the tunnel is lent. */
  function connect(): Connector {
    return {
      namespace,
      containerPort,
      app: JSON.stringify([cluster, namespace, release]),
      pods: () => listeners.pods(),
      later: (callback, milliseconds) => setTimeout(() => guarded(callback), milliseconds),
      socket: (to, protocols, onOpen, onMessage, onClose): PodSocket =>
        socket(
          to,
          protocols,
          () => guarded(onOpen),
          data => guarded(() => onMessage(data)),
          (code, reason) => guarded(() => onClose(code, reason))
        ),
      told({ pod, trouble: words }) {
        if (words !== undefined) {
          trouble = words;
          listeners.onState('trouble', words);
        } else if (pod !== undefined) {
          trouble = '';
          listeners.onState('pod', pod);
        }
      },
    };
  }

  /** Whether the message is for this half. */
  function hear(message: unknown): boolean {
    const said = Object(message) as Readonly<Record<string, unknown>>;
    switch (said.t) {
      case 'pong':
        silences = 0;
        frame?.answered();
        waitsFor &&= 'the app';
        return true;
      case 'modal':
        frame?.inDialog();
        return true;
      case 'ready':
        clearTimeout(timer);
        waitsFor = '';
        listeners.onState('ready', '');
        return true;
      case 'failed': {
        const text = String(said.message).slice(0, LONGEST);
        if (said.fatal === true) {
          fail(text);
        } else {
          listeners.onState('unsupported', text);
        }
        return true;
      }
      case 'navigated':
        if (isPath(said.path)) {
          path = said.path;
          listeners.onNavigated(path);
        }
        return true;
      case 'restart':
        if (isPath(said.path)) {
          restart(said.path);
        }
        return true;
      case 'unload':
        frame?.left();
        return true;
      case 'open':
        openLink(said.url);
        return true;
      case 'store':
        if (
          typeof said.key === 'string' &&
          (said.value === null || typeof said.value === 'string')
        ) {
          stored.set(said.key, said.value);
        }
        return true;
      default:
        return false;
    }
  }

  function onSilent() {
    // It may have been loaded ahead, at a bad moment.
    if (!silences++) {
      start(path);
      return;
    }
    fail("Headlamp did not serve Crossview's frame; sign in again, or reload the page");
  }

  function onLeft() {
    restart(path);
  }

  /** Starts again on the app's own account, as often as that is no loop. */
  function restart(to: string) {
    const now = Date.now();
    restarts = restarts.filter(at => now - at < RESTARTS_IN);
    restarts.push(now);
    if (restarts.length > MOST_RESTARTS) {
      path = to;
      stop();
      listeners.onState('leaving', '');
    } else {
      start(to);
    }
  }

  const flush = () => stored.flush();
  window.addEventListener('pagehide', flush);
  start(isPath(options.path) ? options.path : '/');
  return {
    show() {
      if (!isShown && frame) {
        wait();
        frame.begin();
      }
      isShown = true;
    },
    reload() {
      restarts = [];
      silences = 0;
      start(path);
    },
    navigate(to) {
      if (isPath(to)) {
        restarts = [];
        start(to);
      }
    },
    close() {
      isClosed = true;
      stop();
      flush();
      window.removeEventListener('pagehide', flush);
    },
  };
}
