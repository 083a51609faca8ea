/**
 * The script that main.js loads when the page opens: this plugin's half that needs Headlamp's libraries, and
 * wasm-bindgen's glue. The build makes a function body of it; load.ts says how it is called.
 */
import glue from 'crossview:glue';
import type { readFile } from '../folder';
import type { Page } from '../load';
import { Engine } from './engine';
import { pageOf } from './page';

export async function open(wasm: Response, read: typeof readFile): Promise<Page> {
  const frameUrl = new URL(import.meta.env.HEADLAMP_APP_FRAME, wasm.url).href;
  return pageOf(await Engine.start(glue, wasm), { read, frameUrl });
}
