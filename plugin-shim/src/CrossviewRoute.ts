/**
 * What stands at the route: the page, or, until it is there, that it is being loaded, or why it can't be.
 *
 * Not Rust: React asks for a component, and the Rust page isn't loaded yet when this one speaks.
 */
import { MuiMaterial, React } from './headlamp';
import { load, loaded, Page } from './load';

const { createElement, useEffect, useState } = React;

interface State {
  /** The page, once it is loaded. */
  readonly page?: Page;
  /** Why there is none; the user may try again. */
  readonly failure?: unknown;
  /** Set when the user does try again: what this script knows of the files is not to be trusted. */
  readonly cache?: RequestCache;
}

const sx = { m: 2 };

export function CrossviewRoute() {
  const [{ page, failure, cache }, setState] = useState<State>({ page: loaded });

  useEffect(() => {
    if (!page && !failure) {
      // Where the route is left before the answer, React drops the new state without a word.
      load(cache).then(
        page => setState({ page }),
        failure => setState({ failure })
      );
    }
  }, [page, failure, cache]);

  return page
    ? createElement(page, { onFailure: failure => setState({ failure }) })
    : createElement(
        MuiMaterial.Alert,
        failure
          ? {
              sx,
              severity: 'error',
              action: createElement(
                MuiMaterial.Button,
                { color: 'inherit', onClick: () => setState({ cache: 'reload' }) },
                'Try again'
              ),
            }
          : { sx, severity: 'info', role: 'status' },
        failure ? `Crossview can't be shown. ${failure}` : 'Loading Crossview…'
      );
}
