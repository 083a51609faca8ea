/**
 * The script that the page loads when Crossview is opened through the tunnel: the page's half of the frame, and
 * the glue of the tunnel's WebAssembly. The build makes a function body of it; page/tunnel.ts calls it.
 */
import glue from 'crossview:tunnel-glue';
import type { TunnelClass } from './engine';
import { openTunnel } from './open';

/** What the page gets of this script, once the WebAssembly runs. */
export interface TunnelModule {
  readonly Tunnel: TunnelClass;
  readonly openTunnel: typeof openTunnel;
}

export async function start(wasm: Response): Promise<TunnelModule> {
  await glue({ module_or_path: wasm });
  return { Tunnel: glue.Tunnel, openTunnel };
}
