/**
 * Where this plugin's own files are, and how they are read.
 *
 * Headlamp tells a plugin neither its folder nor the kind of folder it is in (`plugins`, `user-plugins`
 * or `static-plugins`), but it names the script `//<folder>/dist/main.js` before it runs it, so that the
 * folder stands in the script's own stack traces. The `/dist` is made up.
 */
import { ApiProxy } from './headlamp';

/** Headlamp's way to say where a plugin's script comes from; on Windows the folder has a backslash. */
const SCRIPT = /\/\/((?:user-|static-)?plugins[\\/].+?)\/dist\/main\.js/;

/**
 * The folder of the script that made this stack trace, relative to Headlamp's base URL and without a
 * slash at either end; undefined where the trace doesn't tell.
 */
export function folderFromStack(stack: string | undefined): string | undefined {
  return SCRIPT.exec(stack!)?.[1];
}

/** Asks Headlamp for its plugins and takes the one whose folder is named after Crossview. */
async function folderFromList(): Promise<string> {
  for (const { path } of await ApiProxy.request('/plugins', {}, false, false)) {
    if (/crossview/i.test(path)) {
      return path;
    }
  }
  throw new Error('no folder named crossview');
}

// Read at once: in a function that is called later, the first frame could be anybody's.
let folder = folderFromStack(new Error().stack);

/**
 * Reads a file of this plugin. Headlamp's own request knows the base URL and, on the desktop, the token.
 *
 * @param cache 'reload' asks the server even where the browser has an answer, and keeps the new one.
 * @throws Error with the file's name as its `name`, when it isn't there or nobody answers.
 */
export async function readFile(name: string, cache?: RequestCache): Promise<Response> {
  try {
    folder ??= await folderFromList();
    return await ApiProxy.request(`/${folder}/${name}`, { isJSON: false, cache }, false, false);
  } catch (error) {
    throw Object.assign(error as Error, { name });
  }
}
