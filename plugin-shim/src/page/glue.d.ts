/** What wasm-bindgen writes beside the WebAssembly; build/build.mjs says where it is. */
declare module 'crossview:glue' {
  const glue: import('./engine').Glue;
  export default glue;
}

declare module 'crossview:tunnel-glue' {
  const glue: import('../tunnel/engine').TunnelGlue;
  export default glue;
}
