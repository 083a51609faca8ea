/**
 * The React component around the Rust page: an element to draw on, Headlamp's theme on the element, and the
 * host of the cluster. What it opened it closes when the route is left or the cluster changes.
 */
import type { Page, PageProps } from '../load';
import { OPENED_BEFORE } from '../opened';
import type { Engine } from './engine';
import { K8s, MuiMaterial, React } from './headlamp';
import { hostFor } from './host';
import { propertiesOf } from './theme';
import type { Files } from './tunnel';

const { createElement, useLayoutEffect, useRef } = React;

/** The component that shows the engine's page. */
export function pageOf(engine: Engine, files: Files): Page {
  return function CrossviewPage({ onFailure }: PageProps) {
    const ref = useRef<HTMLDivElement>(null);
    // The newest of them, which is another one each time the route is drawn.
    const fail = useRef(onFailure);
    fail.current = onFailure;
    const cluster = K8s.useCluster();
    const theme = MuiMaterial.useTheme();

    // Before the page is mounted: it never stands there without its colours.
    useLayoutEffect(() => {
      for (const [name, value] of Object.entries(propertiesOf(theme))) {
        ref.current?.style.setProperty(name, value);
      }
    }, [theme]);

    useLayoutEffect(() => {
      rememberVisit();
      return cluster && ref.current
        ? engine.show(ref.current, hostFor(cluster, files), error => fail.current(error))
        : undefined;
    }, [cluster]);

    return createElement('div', { ref, className: 'crossview', style: { height: '100%' } });
  };
}

function rememberVisit() {
  try {
    localStorage.setItem(OPENED_BEFORE, '1');
  } catch {
    // No storage: the page is loaded when it is opened, as on a first visit.
  }
}
