/** The lexer's WebAssembly; see build/lexer.mjs. */
declare module 'crossview:lexer' {
  const bytes: string;
  export default bytes;
}
