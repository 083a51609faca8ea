/**
 * Elements that load something by themselves: their addresses are taken as they are set, and the element gets
 * a blob: URL once the file is there. To the app it still has the address that it was given.
 */
import { assetUrl, blobUrl } from './assets';
import { mayHaveAddress, rewriteCss, rewriteDeclarations, styleSheet } from './css';
import { define } from './define';
import { moduleUrl, preloadModule } from './modules';
import { report } from './port';
import { appUrl } from './url';

/** Attributes with addresses, by the tag's name. */
const ATTRIBUTES: Readonly<Record<string, readonly string[]>> = {
  AUDIO: ['src'],
  IMG: ['src', 'srcset'],
  INPUT: ['src'],
  LINK: ['href'],
  SCRIPT: ['src'],
  SOURCE: ['src', 'srcset'],
  TRACK: ['src'],
  VIDEO: ['src', 'poster'],
  image: ['href', 'xlink:href'],
  use: ['href', 'xlink:href'],
};

/** The classes that have such an attribute as a property, too. */
const PROPERTIES: ReadonlyArray<readonly [{ readonly prototype: Element }, string]> = [
  [HTMLImageElement, 'src'],
  [HTMLImageElement, 'srcset'],
  [HTMLInputElement, 'src'],
  [HTMLLinkElement, 'href'],
  [HTMLMediaElement, 'src'],
  [HTMLScriptElement, 'src'],
  [HTMLSourceElement, 'src'],
  [HTMLSourceElement, 'srcset'],
  [HTMLTrackElement, 'src'],
  [HTMLVideoElement, 'poster'],
];

const { getAttribute, removeAttribute, setAttribute, setAttributeNS } = Element.prototype;

/** What the app has set, by element and attribute. */
const given = new WeakMap<Element, Map<string, string>>();
/** Elements whose file is on its way. */
const waiting = new WeakSet<Element>();

/** Elements that the parser has given an address: the browser refuses that once, and says so when it likes. */
const refused = new WeakSet<Element>();

const givenTo = (element: Element, name: string) => given.get(element)?.get(name);

/** The addresses of a srcset, with their descriptors. */
const candidates = (srcset: string) => srcset.split(/,\s+/).map(part => part.trim().split(/\s+/));

/** Whether this is an address of the app; then it is taken care of. */
function take(element: Element, name: string, value: string): boolean {
  if (!ATTRIBUTES[element.tagName]?.includes(name)) {
    return false;
  }
  const addresses = name === 'srcset' ? candidates(value).map(([address]) => address) : [value];
  if (!addresses.some(address => address && appUrl(address))) {
    given.get(element)?.delete(name);
    return false;
  }
  given.set(element, (given.get(element) ?? new Map()).set(name, value));
  waiting.add(element);
  // The element's other attributes are often set right after; they say what it is.
  queueMicrotask(() => fill(element, name, value));
  return true;
}

async function fill(element: Element, name: string, value: string) {
  const isCurrent = () => givenTo(element, name) === value;
  try {
    const url = await urlFor(element, name, value);
    if (isCurrent()) {
      waiting.delete(element);
      if (url) {
        setAttribute.call(element, name, url);
        element.addEventListener('load', () => refused.delete(element), { once: true });
      } else {
        element.dispatchEvent(new Event('load'));
      }
    }
  } catch {
    if (isCurrent()) {
      waiting.delete(element);
      element.dispatchEvent(new Event('error'));
    }
  }
}

/** The blob: URL for the attribute; undefined where the element itself has nothing to load. */
async function urlFor(element: Element, name: string, value: string): Promise<string | undefined> {
  if (name === 'srcset') {
    const parts = candidates(value).map(async ([address = '', ...descriptors]) => {
      const url = appUrl(address);
      return [url ? await assetUrl(url) : address, ...descriptors].join(' ');
    });
    return (await Promise.all(parts)).join(', ');
  }
  const url = appUrl(value);
  if (!url) {
    return value;
  }
  if (element instanceof HTMLLinkElement) {
    const { relList } = element;
    if (relList.contains('stylesheet')) {
      return blobUrl(await styleSheet(url), 'text/css');
    }
    if (relList.contains('modulepreload')) {
      preloadModule(url);
    }
    return undefined; // what is preloaded is asked for again when it is needed
  }
  return element instanceof HTMLScriptElement && element.type === 'module'
    ? moduleUrl(url)
    : assetUrl(url);
}

/** Takes what the parser has set, where no function of ours was called. */
function takeParsed(element: Element) {
  for (const name of ATTRIBUTES[element.tagName] ?? []) {
    const value = getAttribute.call(element, name);
    if (value && givenTo(element, name) === undefined) {
      if (take(element, name, value)) {
        refused.add(element);
      }
    }
  }
  if (element instanceof HTMLStyleElement) {
    rewriteStyle(element);
  } else if (/^(IFRAME|OBJECT|EMBED)$/.test(element.tagName)) {
    report(`the element <${element.tagName.toLowerCase()}>`);
  }
  rewriteInline(element);
}

async function rewriteStyle(style: HTMLStyleElement) {
  const { textContent } = style;
  if (textContent && mayHaveAddress(textContent)) {
    const text = await rewriteCss(textContent, document.baseURI);
    if (text !== textContent && style.textContent === textContent) {
      style.textContent = text;
    }
  }
}

function rewriteInline(element: Element) {
  if (mayHaveAddress(getAttribute.call(element, 'style'))) {
    rewriteDeclarations((element as HTMLElement | SVGElement).style);
  }
}

function onMutations(mutations: MutationRecord[]) {
  for (const { addedNodes, target, type } of mutations) {
    if (type === 'attributes') {
      rewriteInline(target as Element);
    } else if (target instanceof HTMLStyleElement) {
      rewriteStyle(target);
    }
    for (const node of addedNodes) {
      if (node instanceof Element) {
        takeParsed(node);
        node.querySelectorAll('*').forEach(takeParsed);
      }
    }
  }
}

/** Moves a parsed element's addresses through our hands before it gets into the document. */
export function takeBeforehand(root: Element) {
  for (const element of root.querySelectorAll(Object.keys(ATTRIBUTES).join())) {
    for (const name of ATTRIBUTES[element.tagName] ?? []) {
      const value = getAttribute.call(element, name);
      if (value && take(element, name, value)) {
        removeAttribute.call(element, name);
      }
    }
  }
}

export function installElements() {
  Element.prototype.setAttribute = function (name, value) {
    const isHtml = this.namespaceURI === document.documentElement.namespaceURI;
    const attribute = isHtml ? `${name}`.toLowerCase() : `${name}`;
    if (!take(this, attribute, `${value}`)) {
      setAttribute.call(this, name, value);
    }
  };
  Element.prototype.setAttributeNS = function (namespace, name, value) {
    if (!take(this, name, `${value}`)) {
      setAttributeNS.call(this, namespace, name, value);
    }
  };
  Element.prototype.getAttribute = function (name) {
    return givenTo(this, `${name}`.toLowerCase()) ?? getAttribute.call(this, name);
  };
  Element.prototype.removeAttribute = function (name) {
    given.get(this)?.delete(`${name}`.toLowerCase());
    removeAttribute.call(this, name);
  };
  for (const [{ prototype }, name] of PROPERTIES) {
    const native = Object.getOwnPropertyDescriptor(prototype, name);
    define(prototype, name, {
      get() {
        const value = givenTo(this, name);
        return value === undefined
          ? native?.get?.call(this)
          : (name !== 'srcset' && appUrl(value)?.href) || value;
      },
      set(value: unknown) {
        if (!take(this, name, `${value}`)) {
          native?.set?.call(this, value);
        }
      },
    });
  }
  const { insertRule } = CSSStyleSheet.prototype;
  CSSStyleSheet.prototype.insertRule = function (text, index) {
    const at = insertRule.call(this, text, index);
    const rule = this.cssRules[at];
    if (mayHaveAddress(text) && rule && 'style' in rule) {
      rewriteDeclarations(rule.style as CSSStyleDeclaration);
    }
    return at;
  };
  const options = { attributeFilter: ['style'], childList: true, subtree: true };
  new MutationObserver(onMutations).observe(document, options);
  // A parsed element asks for its address before it can be taken from it, and is refused.
  addEventListener(
    'error',
    event => {
      const target = event.target as Element;
      if (event.isTrusted && (refused.delete(target) || waiting.has(target))) {
        event.stopImmediatePropagation();
      }
    },
    true
  );
}
