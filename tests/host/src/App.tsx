/**
 * What Headlamp's application does around its frontend library, as far as a plugin can tell: store, theme,
 * router, plugins, the list of clusters.
 *
 * Routes exist only when the plugins have run and the clusters are known, as in Headlamp.
 */
import { useCurrentAppTheme } from '@kinvolk/headlamp-plugin/lib/components/App/themeSlice.js';
import { getAppUrl } from '@kinvolk/headlamp-plugin/lib/helpers/getAppUrl.js';
import { getBaseUrl } from '@kinvolk/headlamp-plugin/lib/helpers/getBaseUrl.js';
import { isElectron } from '@kinvolk/headlamp-plugin/lib/helpers/isElectron.js';
import { queryClient } from '@kinvolk/headlamp-plugin/lib/lib/queryClient.js';
import { createMuiTheme } from '@kinvolk/headlamp-plugin/lib/lib/themes.js';
import Plugins from '@kinvolk/headlamp-plugin/lib/plugin/Plugins.js';
import { setConfig } from '@kinvolk/headlamp-plugin/lib/redux/configSlice.js';
import { useTypedSelector } from '@kinvolk/headlamp-plugin/lib/redux/hooks.js';
import store from '@kinvolk/headlamp-plugin/lib/redux/stores/store.js';
import { CssBaseline } from '@mui/material';
import { ThemeProvider } from '@mui/material/styles';
import { QueryClientProvider } from '@tanstack/react-query';
import { SnackbarProvider } from 'notistack';
import { ReactNode, useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Provider, useDispatch } from 'react-redux';
import { BrowserRouter, HashRouter } from 'react-router-dom';
import { Frame } from './Frame';

export function App() {
  return (
    <Provider store={store}>
      <QueryClientProvider client={queryClient}>
        <Themed />
      </QueryClientProvider>
    </Provider>
  );
}

function Themed() {
  const chosen = useCurrentAppTheme();
  const { i18n } = useTranslation();
  const theme = useMemo(() => createMuiTheme(chosen), [chosen]);

  useEffect(() => {
    document.documentElement.lang = i18n.language;
    document.documentElement.style.colorScheme = theme.palette.mode;
  }, [i18n.language, theme]);

  return (
    <ThemeProvider theme={theme}>
      <CssBaseline />
      <SnackbarProvider anchorOrigin={{ vertical: 'bottom', horizontal: 'left' }}>
        <Router>
          <Plugins />
          <Ready />
        </Router>
      </SnackbarProvider>
    </ThemeProvider>
  );
}

/** The desktop's page is a file, so its routes are behind a #. */
function Router({ children }: { readonly children: ReactNode }) {
  return isElectron() ? (
    <HashRouter>{children}</HashRouter>
  ) : (
    <BrowserRouter basename={getBaseUrl()}>{children}</BrowserRouter>
  );
}

function Ready() {
  const dispatch = useDispatch();
  const clusters = useTypedSelector(state => state.config.clusters);
  const pluginsRan = useTypedSelector(state => state.plugins.loaded);
  const [error, setError] = useState('');

  useEffect(() => {
    fetch(`${getAppUrl()}config`)
      .then(response => response.json())
      .then(({ clusters, ...config }) => {
        const byName = Object.fromEntries(
          clusters.map((cluster: { readonly name: string }) => [cluster.name, cluster])
        );
        dispatch(setConfig({ ...config, clusters: byName }));
      })
      .catch(error => setError(String(error)));
  }, [dispatch]);

  if (error) {
    return <pre role="alert">{error}</pre>;
  }
  return clusters && pluginsRan ? <Frame /> : null;
}
