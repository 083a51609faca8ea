/**
 * Loads the page: one script (this plugin's other half, with the glue of the WebAssembly) and one .wasm.
 *
 * Both have a hash of their content in their names, since browsers keep the files of a plugin for as long
 * as they like. So a main.js that a browser kept over an upgrade asks for files that are gone; with a
 * `cache` mode the current names are read first, from assets.json, whose name never changes.
 */
import type { ComponentType } from 'react';
import { readFile } from './folder';

/** The current names of the hashed files, as in assets.json. */
export interface Assets {
  readonly page: string;
  readonly wasm: string;
}

/** What the page asks of the route that shows it. */
export interface PageProps {
  /** Called when the page can't go on; the route takes it away and says so. */
  readonly onFailure: (error: unknown) => void;
}

export type Page = ComponentType<PageProps>;

/**
 * The page's script as a function. Its arguments are all that this script and the next version's page
 * must agree on: after an upgrade one may meet the other.
 */
type OpenPage = (wasm: Response, readOwnFile: typeof readFile) => Promise<Page>;

let assets: Assets = {
  page: import.meta.env.HEADLAMP_APP_PAGE,
  wasm: import.meta.env.HEADLAMP_APP_WASM,
};
let loading: Promise<Page> | undefined;

/** The page, once it has been loaded: then it is shown without a wait. */
export let loaded: Page | undefined;

/**
 * Loads the page once, however often it is called; a failure is forgotten, so that the next call tries again.
 *
 * @param cache 'reload' forgets what was loaded and reads the current files, past every cache.
 * @throws Error that names the file and says why.
 */
export function load(cache?: RequestCache): Promise<Page> {
  if (cache) {
    loading = loaded = undefined;
  }
  return (loading ??= open(cache).catch(error => {
    loading = undefined;
    throw error;
  }));
}

async function open(cache?: RequestCache): Promise<Page> {
  if (cache) {
    assets = await (await readFile('assets.json', cache)).json();
  }
  const [script, wasm] = await Promise.all([
    readFile(assets.page, cache).then(response => response.text()),
    readFile(assets.wasm, cache),
  ]);
  // The same way in which Headlamp runs plugins, so no policy that lets this script run forbids it; a
  // module from http://localhost can't be imported into the desktop's page, which is a file.
  const openPage = new Function('wasm', 'readFile', script) as OpenPage;
  return (loaded = await openPage(wasm, readFile));
}
