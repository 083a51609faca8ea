/**
 * Opens Crossview through the tunnel. The tunnel's script and its WebAssembly are loaded when Crossview is likely
 * to be opened for the first time, and kept for the next; the frame's document is loaded each time.
 */
import type { readFile } from '../folder';
import type { TunnelModule } from '../tunnel';
import type { Surroundings, TunnelHandle, TunnelListeners, TunnelOptions } from '../tunnel/open';
import { preparePlace, takePlace } from './place';

/** Where the plugin's files are. */
export interface Files {
  readonly read: typeof readFile;
  /** Address of frame.html; on the desktop that is not of the page's own origin. */
  readonly frameUrl: string;
}

/** An open tunnel, as the Rust page sees it. */
export type HostTunnel = Omit<TunnelHandle, 'navigate'>;

let loading: Promise<TunnelModule> | undefined;

async function load(asset: typeof readFile): Promise<TunnelModule> {
  const [script, wasm] = await Promise.all([
    asset(import.meta.env.HEADLAMP_APP_TUNNEL),
    asset(import.meta.env.HEADLAMP_APP_TUNNEL_WASM),
  ]);
  // As in load.ts.
  const start = new Function('wasm', await script.text()) as (
    wasm: Response
  ) => Promise<TunnelModule>;
  return start(wasm);
}

/** Forgets what was loaded, so that the next opening loads it again. */
function forget() {
  loading = undefined;
}

/** Loads it ahead of an opening in `element`; what fails is tried again then. */
export function prepareTunnel(element: HTMLElement, { read, frameUrl }: Files) {
  preparePlace(element, frameUrl);
  loading ??= load(read);
  loading.catch(forget);
}

/** Opens it in `element`; what goes wrong is told to the listeners. */
export function openTunnel(
  element: HTMLElement,
  options: TunnelOptions,
  listeners: TunnelListeners,
  { read, frameUrl }: Files,
  surroundings: Pick<Surroundings, 'cluster' | 'socket' | 'load' | 'save'>
): HostTunnel {
  let open: TunnelHandle | undefined;
  let path = options.path;
  let isShown = false;
  let isClosed = false;
  /** The handle of a module that has trapped has nothing left to call. */
  const onTrap = () => {
    forget();
    open = undefined;
  };

  const start = () => {
    listeners.onState('starting', '');
    loading ??= load(read);
    loading.then(
      ({ openTunnel, Tunnel }) => {
        if (!isClosed && !open) {
          const own = { ...options, path };
          const told = {
            ...listeners,
            onNavigated(to: string) {
              path = to;
              listeners.onNavigated(to);
            },
          };
          open = openTunnel(own, told, {
            cluster: surroundings.cluster,
            socket: surroundings.socket,
            load: surroundings.load,
            save: surroundings.save,
            place: () => takePlace(element, frameUrl),
            Tunnel,
            onTrap,
          });
          if (isShown) {
            open.show();
          }
        }
      },
      error => {
        forget();
        if (!isClosed) {
          listeners.onState('failed', String(error));
        }
      }
    );
  };

  start();
  return {
    show() {
      isShown = true;
      open?.show();
    },
    reload() {
      if (open) {
        open.reload();
      } else if (!isClosed) {
        start();
      }
    },
    close() {
      isClosed = true;
      open?.close();
    },
  };
}
