/**
 * Modules of the app. The browser loads modules from http addresses or from blobs, and here only from blobs:
 * so each module is fetched, its specifiers are replaced by the blobs of what they lead to, and it becomes a
 * blob itself. Modules that import each other in a circle can't know each other's blobs beforehand; they are
 * linked by the browser, through an import map.
 */
import { blobUrl } from './assets';
import { define } from './define';
import { getFile } from './fetch';
import { Import, importsOf } from './lexer';
import { report } from './port';
import { appUrl } from './url';

interface Module {
  readonly url: string;
  /** Its text and what it imports; forgotten once it is linked. */
  parsed?: { readonly source: string; readonly imports: readonly Import[] };
  readonly dependencies: Module[];
  /** Resolves when it is parsed, whatever its dependencies are. */
  loaded: Promise<void>;
  /** What an import statement may say for it, once it is linked. */
  specifier?: string;
}

/** The name that a rewritten module has for its dynamic imports. */
const IMPORT = '__crossviewImport';
/** What stands before the address of a module that is linked by an import map. */
const CIRCLE = 'crossview:';
const modules = new Map<string, Module>();

/** What this document's policy lets import maps in by; no secret, for the app's scripts may run anyway. */
const NONCE = 'import-map';

function resolveSpecifier(specifier: string, base: string): string {
  const url = /^(\.{0,2}\/|https?:)/.test(specifier) ? appUrl(specifier, base) : undefined;
  if (!url) {
    report(`the module ${specifier}`);
    throw new TypeError(`Failed to resolve module specifier "${specifier}"`);
  }
  return url.href;
}

async function fetchSource(url: string): Promise<string> {
  const response = await getFile(new URL(url)).catch(() => undefined);
  // Many a server answers a path that it doesn't know with its index.html.
  if (!response || !/javascript|ecmascript/.test(response.headers.get('content-type') ?? '')) {
    throw new TypeError(`Failed to fetch dynamically imported module: ${url}`);
  }
  return response.text();
}

function add(url: string, base: string, source: () => string | Promise<string>): Module {
  const dependencies: Module[] = [];
  const module: Module = { url, dependencies, loaded: Promise.resolve() };
  modules.set(url, module);
  module.loaded = (async () => {
    const text = await source();
    const imports = await importsOf(text);
    module.parsed = { source: text, imports };
    for (const { kind, start, end, hasAttributes } of imports) {
      if (kind === 'static') {
        if (hasAttributes) {
          report(`import attributes, in ${url}`);
        }
        dependencies.push(load(resolveSpecifier(text.slice(start, end), base)));
      }
    }
  })();
  // The next import asks for it again.
  module.loaded.catch(() => modules.delete(url));
  return module;
}

function load(url: string): Module {
  return modules.get(url) ?? add(url, url, () => fetchSource(url));
}

async function loadAll(module: Module, seen = new Set<Module>()) {
  if (!seen.has(module)) {
    seen.add(module);
    await module.loaded;
    await Promise.all(module.dependencies.map(dependency => loadAll(dependency, seen)));
  }
}

/** What is to be linked for `module`, dependencies first; undefined where there is a circle. */
function inOrder(
  module: Module,
  order = new Set<Module>(),
  above = new Set<Module>()
): Set<Module> | undefined {
  if (above.has(module)) {
    return undefined;
  }
  if (!module.specifier && !order.has(module)) {
    above.add(module);
    for (const dependency of module.dependencies) {
      if (!inOrder(dependency, order, above)) {
        return undefined;
      }
    }
    above.delete(module);
    order.add(module);
  }
  return order;
}

function unlinked(module: Module, found = new Set<Module>()): Set<Module> {
  if (!module.specifier && !found.has(module)) {
    found.add(module);
    module.dependencies.forEach(dependency => unlinked(dependency, found));
  }
  return found;
}

/** The module's text as a blob, with `specifierOf` each of its dependencies. */
function rewrite(module: Module, specifierOf: (dependency: Module) => string): string {
  const { source, imports } = module.parsed ?? { source: '', imports: [] };
  const url = JSON.stringify(module.url);
  const dependencies = module.dependencies.values();
  let text = '';
  let done = 0;
  for (const { kind, from, start, end } of imports) {
    if (kind === 'static') {
      text += source.slice(done, start) + specifierOf(dependencies.next().value as Module);
      done = end;
    } else if (kind === 'meta') {
      text += `${source.slice(done, start)}({url:${url}})`;
      done = end;
    } else {
      text += `${source.slice(done, from)}${IMPORT}(${url})`;
      done = from + 'import'.length;
    }
  }
  module.parsed = undefined;
  return blobUrl(`${text}${source.slice(done)}\n//# sourceURL=${module.url}`, 'text/javascript');
}

function link(module: Module): string {
  const order = inOrder(module);
  if (order) {
    for (const next of order) {
      next.specifier = rewrite(next, ({ specifier = '' }) => specifier);
    }
  } else {
    const circle = unlinked(module);
    const imports: Record<string, string> = {};
    const nameOf = (member: Module) => member.specifier ?? CIRCLE + member.url;
    for (const member of circle) {
      imports[nameOf(member)] = rewrite(member, nameOf);
    }
    const map = document.createElement('script');
    map.type = 'importmap';
    map.nonce = NONCE;
    map.text = JSON.stringify({ imports });
    document.head.append(map);
    for (const member of circle) {
      member.specifier = nameOf(member);
    }
  }
  return module.specifier ?? '';
}

async function importModule(module: Module): Promise<unknown> {
  await loadAll(module);
  const specifier = link(module);
  try {
    return await import(/* @vite-ignore */ specifier);
  } catch (error) {
    // Firefox takes no import map after the first module (dom.multiple_import_maps.enabled).
    if (error instanceof TypeError && error.message.includes(CIRCLE)) {
      report('modules that import each other, in this browser');
    }
    throw error;
  }
}

/** Fetches a module ahead. */
export function preloadModule(url: URL) {
  loadAll(load(url.href)).catch(() => {}); // who imports it hears of it
}

/**
 * A blob: URL to run a module from, once it and its dependencies are there.
 *
 * @throws TypeError when one of them isn't.
 */
export async function moduleUrl(url: URL): Promise<string> {
  const module = load(url.href);
  await loadAll(module);
  return blobUrl(`import ${JSON.stringify(link(module))}`, 'text/javascript');
}

/** Runs the module at `url`, or the one of this text that stands in the document there. */
export function runModule(url: string, text?: string): Promise<unknown> {
  return importModule(
    text === undefined ? load(url) : add(`${url}#${modules.size}`, url, () => text)
  );
}

export function installModules() {
  define(window, IMPORT, {
    value: (base: string) => async (specifier: unknown) =>
      importModule(load(resolveSpecifier(String(specifier), base))),
  });
}
