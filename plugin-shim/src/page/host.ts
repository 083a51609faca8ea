/**
 * What the Rust page gets from the page around it: the only door to Headlamp, and so to the cluster.
 *
 * Decides nothing and knows no Kubernetes. Not Rust, since behind each function stands a JavaScript
 * function of Headlamp's, and what those throw has to be turned into values before it crosses the border.
 */
import type { TunnelListeners, TunnelOptions } from '../tunnel/open';
import { Headlamp } from './headlamp';
import { PortForward, portForward } from './portForward';
import { request } from './request';
import { load, save } from './settings';
import { HostSocket, openSocket } from './socket';
import { Files, HostTunnel, openTunnel, prepareTunnel } from './tunnel';

/** The Rust side of this contract is src/host.rs. */
export interface Host {
  /** Headlamp's name of the cluster. */
  readonly cluster: string;
  /** One HTTP request to this cluster's API server; see {@link request}. */
  request(
    method: string,
    path: string,
    headers: Record<string, string>,
    body: string | undefined,
    signal: AbortSignal
  ): Promise<Response>;
  /** A WebSocket to this cluster's API server; see {@link openSocket}. */
  socket(
    path: string,
    protocols: string[],
    onOpen: () => void,
    onMessage: (data: string | ArrayBuffer) => void,
    onClose: (code: number, reason: string) => void
  ): HostSocket;
  /** A setting of the plugin for this cluster in this browser; '' when there is none or no storage. */
  load(key: string): string;
  /** Keeps a setting, where the browser allows it. */
  save(key: string, value: string): void;
  /** Headlamp's own port-forward; absent anywhere but on the desktop, where alone it is of use. */
  readonly portForward?: PortForward;
  /** Opens Crossview itself in an element, by the tunnel; never throws, see {@link TunnelListeners.onState}. */
  openTunnel(element: HTMLElement, options: TunnelOptions, listeners: TunnelListeners): HostTunnel;
  /** Has ready what that needs in `element`; what goes wrong is told when it is opened. */
  prepareTunnel(element: HTMLElement): void;
}

/** The host for one cluster. */
export function hostFor(cluster: string, files: Files): Host {
  const host: Host = {
    cluster,
    request: (method, path, headers, body, signal) =>
      request(cluster, { method, path, headers, body, signal }),
    socket: (path, protocols, onOpen, onMessage, onClose) =>
      openSocket(cluster, path, protocols, { onOpen, onMessage, onClose }),
    load: key => load(cluster, key),
    save: (key, value) => save(cluster, key, value),
    portForward: Headlamp.isRunningAsApp() ? portForward(cluster) : undefined,
    openTunnel: (element, options, listeners) =>
      openTunnel(element, options, listeners, files, host),
    prepareTunnel: element => prepareTunnel(element, files),
  };
  return host;
}
