/** Finds what a module imports. The lexer is es-module-lexer's; this is a smaller script around it. */
import bytes from 'crossview:lexer';

/** What the WebAssembly exports: it goes from import to import, and tells of the one where it is. */
interface Lexer {
  readonly memory: WebAssembly.Memory;
  readonly __heap_base: WebAssembly.Global<'i32'>;
  /** Makes room for a source of so many UTF-16 units; gives its address. */
  sa(length: number): number;
  /** Reads the source; false when it is no module. */
  parse(): boolean;
  /** Where it has stopped. */
  e(): number;
  /** Goes to the next import. */
  ri(): boolean;
  /** Start and end of the specifier; for `import.meta`, of that. */
  is(): number;
  ie(): number;
  /** Start of the statement, or of the dynamic import. */
  ss(): number;
  /** -1 for an import statement, -2 for `import.meta`, else where a dynamic import begins. */
  id(): number;
  /** Start of the import attributes, or -1. */
  ai(): number;
}

export interface Import {
  readonly kind: 'static' | 'dynamic' | 'meta';
  /** Where the statement or the expression begins. */
  readonly from: number;
  /** The specifier; for `import.meta`, that itself. */
  readonly start: number;
  readonly end: number;
  readonly hasAttributes: boolean;
}

async function start(): Promise<Lexer> {
  const { instance } = await WebAssembly.instantiate(
    Uint8Array.from(bytes, character => character.charCodeAt(0))
  );
  return instance.exports as unknown as Lexer;
}

// At once: this document has time while it waits for the app's.
const starting = start();
starting.catch(() => {}); // who asks for imports hears of it

/**
 * The imports of a module, in their order.
 *
 * @throws SyntaxError when it is no module.
 */
export async function importsOf(source: string): Promise<Import[]> {
  const lexer = await starting;
  const { memory } = lexer;
  const needed = lexer.__heap_base.value + 12 * (source.length + 1) + 16 - memory.buffer.byteLength;
  if (needed > 0) {
    memory.grow(Math.ceil(needed / 65536));
  }
  const units = new Uint16Array(memory.buffer, lexer.sa(source.length));
  for (let at = 0; at < source.length; at++) {
    units[at] = source.charCodeAt(at);
  }
  if (!lexer.parse()) {
    throw new SyntaxError(`at ${lexer.e()}`);
  }
  const imports: Import[] = [];
  while (lexer.ri()) {
    const at = lexer.id();
    imports.push({
      kind: at === -1 ? 'static' : at === -2 ? 'meta' : 'dynamic',
      from: lexer.ss(),
      start: lexer.is(),
      end: lexer.ie(),
      hasAttributes: lexer.ai() > -1,
    });
  }
  return imports;
}
