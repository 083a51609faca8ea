/**
 * The WebAssembly of es-module-lexer, without the package's own script around it: that has twice what the frame
 * needs, and the WebAssembly in base64, with which brotli can do little. src/frame/lexer.ts calls it.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** What src/frame/lexer.ts imports it as. */
export const LEXER = 'crossview:lexer';

/**
 * A module whose default export is the WebAssembly as text: each byte is the character 256 above it, which no
 * HTML parser changes, and whose code is the byte again in a Uint8Array.
 *
 * @returns {Promise<string>}
 */
export async function lexerModule() {
  const path = fileURLToPath(import.meta.resolve('es-module-lexer/minimal'));
  const [, base64] = /"(AGFzb[\w+/=]+)"/.exec(await readFile(path, 'utf8')) ?? [];
  if (!base64) {
    throw new Error(`${path} has its WebAssembly in another way than this build knows`);
  }
  const bytes = [...Buffer.from(base64, 'base64')];
  const text = String.fromCharCode(...bytes.map(byte => byte + 256));
  return `export default ${JSON.stringify(text)}`;
}
