/**
 * Opens Crossview through the tunnel. The tunnel's script, its WebAssembly and the frame's document are loaded
 * with the first opening, and kept for the next.
 */
import type { readFile } from '../folder';
import type { TunnelModule } from '../tunnel';
import type { Surroundings, TunnelHandle, TunnelListeners, TunnelOptions } from '../tunnel/open';

type Loaded = TunnelModule & { readonly frameUrl: string };

let loading: Promise<Loaded> | undefined;

async function load(asset: typeof readFile): Promise<Loaded> {
  const [script, wasm] = await Promise.all([
    asset(import.meta.env.HEADLAMP_APP_TUNNEL),
    asset(import.meta.env.HEADLAMP_APP_TUNNEL_WASM),
  ]);
  // As in load.ts.
  const start = new Function('wasm', await script.text()) as (
    wasm: Response
  ) => Promise<TunnelModule>;
  // Where the script came from: on the desktop that is not the page's own origin.
  const frameUrl = new URL(import.meta.env.HEADLAMP_APP_FRAME, script.url).href;
  return { ...(await start(wasm)), frameUrl };
}

/** Forgets what was loaded, so that the next opening loads it again. */
function forget() {
  loading = undefined;
}

/** Loads it ahead of the first opening; one that fails is tried again then. */
export function loadTunnel(asset: typeof readFile) {
  loading ??= load(asset);
  loading.catch(forget);
}

/** Opens it in `element`; what goes wrong is told to the listeners. */
export function openTunnel(
  element: HTMLElement,
  options: TunnelOptions,
  listeners: TunnelListeners,
  asset: typeof readFile,
  surroundings: Pick<Surroundings, 'cluster' | 'socket' | 'load' | 'save'>
): TunnelHandle {
  let open: TunnelHandle | undefined;
  let path = options.path;
  let isClosed = false;
  /** The handle of a module that has trapped has nothing left to call. */
  const onTrap = () => {
    forget();
    open = undefined;
  };

  const start = () => {
    listeners.onState('starting', '');
    loading ??= load(asset);
    loading.then(
      ({ openTunnel, ...module }) => {
        if (!isClosed && !open) {
          const own = { ...options, path };
          const told = {
            ...listeners,
            onNavigated(to: string) {
              path = to;
              listeners.onNavigated(to);
            },
          };
          open = openTunnel(element, own, told, {
            cluster: surroundings.cluster,
            socket: surroundings.socket,
            load: surroundings.load,
            save: surroundings.save,
            ...module,
            onTrap,
          });
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
    reload() {
      if (open) {
        open.reload();
      } else if (!isClosed) {
        start();
      }
    },
    navigate(to) {
      path = to;
      if (open) {
        open.navigate(to);
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
