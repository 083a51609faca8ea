/** Names that build/build.mjs gives to the build of main.js; see load.ts. */
interface ImportMetaEnv {
  readonly HEADLAMP_APP_PAGE: string;
  readonly HEADLAMP_APP_WASM: string;
}
