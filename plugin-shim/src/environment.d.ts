/** Names that build/build.mjs gives to the builds of main.js and of the page; see load.ts and page/tunnel.ts. */
interface ImportMetaEnv {
  readonly HEADLAMP_APP_PAGE: string;
  readonly HEADLAMP_APP_WASM: string;
  readonly HEADLAMP_APP_TUNNEL: string;
  readonly HEADLAMP_APP_TUNNEL_WASM: string;
  readonly HEADLAMP_APP_FRAME: string;
}

interface ImportMeta {
  readonly env: ImportMetaEnv;
}
