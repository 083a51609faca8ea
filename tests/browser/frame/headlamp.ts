/** A page that stands for Headlamp: it has secrets, and opens Crossview by the page's real half of the tunnel. */
import { newPlace } from '../../../plugin-shim/src/page/place';
import {
  openTunnel,
  TunnelHandle,
  TunnelOptions,
  TunnelState,
} from '../../../plugin-shim/src/tunnel/open';
import { ReferenceTunnel } from './reference';

export interface Opened {
  readonly handle: TunnelHandle;
  readonly states: [TunnelState, string][];
  readonly paths: string[];
}

export interface Headlamp {
  /** Opens the app in a new element; options that aren't given are those of a usual opening. */
  openCrossview(
    options?: Partial<TunnelOptions> & { readonly frameUrl?: string; readonly isShown?: boolean }
  ): void;
  /** Once it is open. */
  opened: Opened;
  readonly tunnels: readonly ReferenceTunnel[];
  /** How often a trap was told. */
  traps: number;
}

const { origin } = location;

const headlamp: Headlamp = {
  openCrossview({
    frameUrl = `${origin}/plugins/crossview-headlamp/frame.0.html`,
    isShown = true,
    ...given
  } = {}) {
    const element = document.createElement('div');
    element.style.height = '600px';
    document.body.append(element);
    const states: Opened['states'] = [];
    const paths: string[] = [];
    const options: TunnelOptions = {
      namespace: 'crossview',
      release: 'crossview',
      port: 3001,
      path: '/',
      theme: 'light',
      ...given,
    };
    const handle = openTunnel(
      options,
      {
        onState: (kind, text) => states.push([kind, text]),
        onNavigated: path => paths.push(path),
        pods: () => ['crossview-0'],
      },
      {
        cluster: 'test',
        place: () => newPlace(element, frameUrl),
        Tunnel: ReferenceTunnel,
        socket: () => {
          throw new Error('the reference has a way of its own');
        },
        load: key => localStorage.getItem(`crossview/test/${key}`) ?? '',
        save: (key, value) => localStorage.setItem(`crossview/test/${key}`, value),
        onTrap: () => headlamp.traps++,
      }
    );
    headlamp.opened = { handle, states, paths };
    if (isShown) {
      handle.show();
    }
  },
  opened: undefined as unknown as Opened,
  tunnels: ReferenceTunnel.all,
  traps: 0,
};

Object.assign(window, { headlamp });

declare global {
  interface Window {
    readonly headlamp: Headlamp;
  }
}
