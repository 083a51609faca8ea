/**
 * Headlamp's own port-forward: its backend listens on the loopback of the host it runs on, so it is of use
 * only where that is the user's own machine, on the desktop.
 */
import { ApiProxy } from './headlamp';

export interface PortForward {
  /**
   * Forwards a local port to `port` of the pod, or takes the forward that runs already.
   *
   * @returns its name at Headlamp, the local port on localhost, and whether it was opened by this call.
   * @throws Error with Headlamp's words.
   */
  start(
    namespace: string,
    pod: string,
    port: number
  ): Promise<{ id: string; port: number; isOurs: boolean }>;
  /** Ends it, and takes it off Headlamp's list. */
  stop(id: string): Promise<void>;
}

/** Port-forwards into one cluster. */
export function portForward(cluster: string): PortForward {
  return {
    async start(namespace, pod, port) {
      // Headlamp's list is null while it is empty.
      const known = (await ApiProxy.listPortForward(cluster)) ?? [];
      const running = known.find(
        other =>
          other.status === 'Running' &&
          other.namespace === namespace &&
          other.pod === pod &&
          other.targetPort === `${port}`
      );
      const forward =
        running ??
        (await ApiProxy.startPortForward(
          cluster,
          namespace,
          pod,
          port,
          '', // no service
          '',
          undefined, // any free port
          'localhost'
        ));
      return { id: forward.id, port: Number(forward.port), isOurs: !running };
    },
    async stop(id) {
      await ApiProxy.stopOrDeletePortForward(cluster, id, false);
    },
  };
}
